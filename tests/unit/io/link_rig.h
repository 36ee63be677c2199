// A host that transmits with prebuilt headers, joined by veth to another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/io/link/neighbours.h"
#include "net/io/link/transmitter.h"
#include "tests/unit/io/two_hosts.h"

namespace sluice::io::test {

using link::LinkCounters;
using link::Neighbours;
using link::Transmitter;

inline void check_refusal(const IoError& e) {
  CHECK(e.message.find("no permission for packet sockets") != std::string::npos);
  CHECK(e.fix.find("CAP_NET_RAW") != std::string::npos);
}

/// False, after checking that the refusal says why, where this process may not do what the case needs.
inline bool permitted() {
  if (may_make_hosts()) return true;
  MESSAGE("no namespaces are permitted: the refusal is tested instead");
  const auto n = Neighbours::make();
  if (!n) check_refusal(n.error());
  return false;
}

inline constexpr uint16_t kDiscard = 9;

/// A transmitter at 10.77.0.1 with a socket as its fallback.
struct Sender {
  explicit Sender(const link::NeighbourOptions& o = {}, bool gso = true) : own(kMinPoolSlots) {
    auto n = Neighbours::make(o);
    REQUIRE_MESSAGE(n, (n ? "" : n.error().message));
    neighbours = std::move(*n);
    auto t = Transmitter::make(*neighbours, own.pool, {.frames = {.gso = gso}});
    REQUIRE(t);
    transmitter = std::move(*t);
    const Endpoint any[] = {ep("0.0.0.0:4000"), ep("[::]:4000")};
    auto s = ListenSockets::open(any, {});
    REQUIRE(s);
    sockets = std::move(*s);
    auto b = make_backend(Kind::mmsg, sockets->shard(0), own.pool);
    REQUIRE(b);
    backend = std::move(*b);
  }
  ~Sender() {
    CHECK(own.pool.in_flight() == backend->slots_held());
    // Each packet is counted once.
    const LinkCounters& c = transmitter->counters();
    CHECK(c.frames + c.not_suited + c.unknown + c.no_neighbour + c.too_long + c.revalidated + c.behind +
              c.refused + drops[Drop::tx_full] ==
          sent);
    CHECK(io.tx_frames == c.frames);
    CHECK(io.tx_packets == c.frames);
  }

  void compose(std::string_view bytes, const Endpoint& from, const Endpoint& to) {
    test::compose(tx, own.pool, bytes, from, to);
  }
  /// Returns how many of the batch left as frames; the rest goes by the socket.
  uint64_t send() {
    sent += tx.size();
    const uint64_t before = frames();
    transmitter->send(tx, io, drops);
    backend->send(tx, drops);
    return frames() - before;
  }
  uint64_t send(std::string_view bytes, const Endpoint& from, const Endpoint& to) {
    compose(bytes, from, to);
    return send();
  }
  /// Sends to that address, where nobody listens on the port, until a packet leaves as a frame.
  void warm_up(const Endpoint& from, const Endpoint& to, size_t bytes = 7) {
    const std::string text = std::string("warm-up").append(bytes - 7, '.');
    until([&] { return send(text, from, {to.addr, kDiscard}) == 1; });
  }
  /// Sends to an address to which no way leads until that was answered. Ways that were old when the question
  /// came are in the answer's company.
  void until_answered(const Endpoint& from, const Endpoint& to) {
    const uint64_t before = counters().not_suited;
    until([&] { return send("warm-up", from, to), counters().not_suited > before; });
  }
  uint64_t frames() const { return transmitter->counters().frames; }
  const LinkCounters& counters() const { return transmitter->counters(); }

  OwnPool own;
  std::unique_ptr<Neighbours> neighbours;
  std::unique_ptr<Transmitter> transmitter;
  std::optional<ListenSockets> sockets;
  std::unique_ptr<Backend> backend;
  TxBatch tx;
  IoCounters io;
  DropCounters drops;
  uint64_t sent = 0;
};

/// A peer at the other host.
struct Remote {
  Remote(TwoHosts& hosts, std::string_view bind_to) {
    hosts.there([&] { peer.emplace(bind_to); });
  }
  const Endpoint& here() const { return peer->here(); }
  Peer::Datagram receive() { return peer->receive(); }
  std::optional<Peer> peer;
};

/// Two hosts that already talk by frames.
struct Scene {
  Scene() { sender.warm_up(from, remote.here()); }

  TwoHosts hosts;
  Sender sender;
  const Endpoint from = ep("10.77.0.1:4000");
  Remote remote{hosts, "10.77.0.2:0"};
};

}  // namespace sluice::io::test
