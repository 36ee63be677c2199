// Shards with a trunk each, and the wire between them, which is a function call.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "net/crypto/gmac.h"
#include "net/crypto/hmac.h"
#include "net/crypto/random.h"
#include "net/trunk/trunk.h"

namespace sluice::trunk::test {

using Datagram = std::vector<uint8_t>;

inline Key test_key(uint8_t fill) {
  Key k;
  k.fill(fill);
  return k;
}

/// A shard of some process.
class Node {
 public:
  static constexpr size_t kPeers = 64, kRx = 128;

  Node(const Config& config, const Endpoint& at, uint64_t seed, size_t peers = kPeers, size_t rx = kRx,
       crypto::GmacKeys::Kind kind = crypto::GmacKeys::Kind::automatic)
      : address(at),
        peers_(peers),
        rx_(rx),
        gmac_(std::move(*crypto::GmacKeys::make(kind, Trunk::gmac_places(peers, rx)))),
        random_(seed),
        trunk(config, {.peers = peers_, .rx = rx_}, crypto::kPrimitives, gmac_.view(), random_.view()) {
    trunk.set_key(1, test_key(0x11));
  }

  /// A datagram with these frames, sealed for the peer.
  Datagram data(PeerIndex peer, std::span<const Frame> frames) {
    Datagram d(kDefaultMaxSingle);
    Writer w = trunk.writer(peer);
    w.start(d);
    for (const Frame& f : frames)
      if (!w.add(f)) throw std::runtime_error("does not fit");
    d.resize(trunk.seal(peer, w, Writer::More::no));
    return d;
  }
  Datagram welcome(PeerIndex peer) {
    Datagram d(kControlBytes);
    d.resize(trunk.write_welcome(peer, d));
    return d;
  }
  auto receive(const Datagram& d, const Node& from, Micros now) {
    return trunk.receive(d, from.address, address, now);
  }

  const Endpoint address;

 private:
  std::vector<Peer> peers_;
  std::vector<Rx> rx_;
  crypto::GmacKeys gmac_;
  crypto::StreamRandom random_;

 public:
  Trunk trunk;
};

inline Endpoint address_of(uint8_t host, uint16_t port = 4000) { return {Address::v4(10, 0, 0, host), port}; }

inline Frame frame(Bytes payload, uint16_t client_port = 1000, uint32_t flow = 0) {
  return {.client = {Address::v4(192, 0, 2, 1), client_port},
          .local = {Address::v4(203, 0, 113, 1), 3478},
          .flow = flow,
          .payload = payload};
}

/// The next hello that is due at `now`; whatever else is due is passed over.
inline std::optional<Datagram> next_hello(Node& relay, Micros now) {
  Datagram d(kControlBytes);
  while (const auto due = relay.trunk.poll(now, d))
    if (due->hello != 0) {
      d.resize(due->hello);
      return d;
    }
  return {};
}

constexpr uint32_t kRelay = 7, kServer = 9;
constexpr Micros kStart = seconds(1);
constexpr std::array<uint8_t, 40> kPayload{1, 2, 3};
const Frame kFrame = frame(kPayload);

/// Both sides of an association that is up.
struct Link {
  PeerIndex server = kNoPeer;  ///< on the relay
  PeerIndex relay = kNoPeer;   ///< on the server
};

inline Link connect(Node& relay, Node& server, uint32_t server_id, Micros now) {
  const auto must = [](bool ok, const char* what) {
    if (!ok) throw std::runtime_error(what);
  };
  Link link;
  const auto added = relay.trunk.add_server(server_id, server.address, 1, now);
  must(added.has_value(), "no room");
  link.server = *added;
  const auto hello = next_hello(relay, now);
  must(hello.has_value(), "no hello");
  const auto heard = server.receive(*hello, relay, now);
  must(heard.has_value(), "hello refused");
  link.relay = heard->peer;
  const auto up = relay.receive(server.welcome(link.relay), server, now + micros(100));
  must(up && up->change == Change::up, "welcome refused");
  const std::array<uint8_t, 1> payload{1};
  const Frame f = frame(payload);
  const auto proven = server.receive(relay.data(link.server, {&f, 1}), relay, now + micros(200));
  must(proven && proven->change == Change::up, "data refused");
  return link;
}

/// A relay's shard and a server's that know each other since kStart.
struct Connected {
  Node relay{{.id = kRelay}, address_of(1), 1};
  Node server{{.id = kServer}, address_of(2), 2};
  Link link = connect(relay, server, kServer, kStart);
};

}  // namespace sluice::trunk::test
