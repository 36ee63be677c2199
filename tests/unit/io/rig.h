// What the tests of the kernel backends share: sockets, a pool and a backend of each kind, and a plain UDP
// peer.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/control.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/socket.h"

namespace sluice::io::test {

inline Endpoint ep(std::string_view s) {
  const auto e = parse_endpoint(s);
  REQUIRE_MESSAGE(e, s);
  return *e;
}

inline Endpoint with_port(std::string_view address, uint16_t port) {
  const auto a = parse_address(address);
  REQUIRE_MESSAGE(a, address);
  return {*a, port};
}

inline std::string str(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

/// A pool with memory of its own.
struct OwnPool {
  explicit OwnPool(uint32_t slots)
      : memory(static_cast<std::byte*>(std::aligned_alloc(64, (PacketPool::bytes_for(slots) + 63) / 64 * 64)),
               &std::free),
        pool({memory.get(), PacketPool::bytes_for(slots)}, slots) {}
  std::unique_ptr<std::byte, decltype(&std::free)> memory;
  PacketPool pool;
};

/// Puts a packet of `bytes` into `tx`.
inline void compose(TxBatch& tx, PacketPool& pool, std::string_view bytes, const Endpoint& from,
                    const Endpoint& to) {
  Packet& p = tx.push();
  p.slot = pool.take();
  REQUIRE(p.slot != kNoSlot);
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(bytes.size());
  p.local = from;
  p.remote = to;
  std::copy_n(bytes.data(), bytes.size(), pool.slot_bytes(p.slot) + p.offset);
}

// What a test lets wait in a socket fits the 416 KiB that a plain user gets by default.

/// A blocking UDP socket of the outside world. Receives with a far deadline, so that a lost datagram fails
/// the test instead of hanging it.
class Peer {
 public:
  explicit Peer(std::string_view bind_to) {
    const Endpoint e = ep(bind_to);
    ipv6_ = !e.is_v4();
    fd_ = Fd(::socket(ipv6_ ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(fd_);
    const int big = 8 << 20;
    if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big) != 0)
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    SocketAddress a;
    const socklen_t len = to_sockaddr(e, ipv6_, 0, a);
    REQUIRE(::bind(fd_.get(), &a.sa, len) == 0);
    socklen_t got = sizeof a;
    REQUIRE(::getsockname(fd_.get(), &a.sa, &got) == 0);
    here_ = from_sockaddr(reinterpret_cast<const uint8_t*>(&a));
  }

  const Endpoint& here() const { return here_; }
  int fd() const { return fd_.get(); }

  void send(const Endpoint& to, std::string_view bytes) {
    SocketAddress a;
    const socklen_t len = to_sockaddr(to, ipv6_, 0, a);
    REQUIRE(::sendto(fd_.get(), bytes.data(), bytes.size(), 0, &a.sa, len) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void set(int level, int option, int value) {
    REQUIRE(::setsockopt(fd_.get(), level, option, &value, sizeof value) == 0);
  }

  struct Datagram {
    std::string bytes;
    Endpoint from;
  };
  Datagram receive() {
    pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&p, 1, 20'000) == 1);
    Datagram d;
    d.bytes.resize(65'536);
    SocketAddress a;
    socklen_t len = sizeof a;
    const auto n = ::recvfrom(fd_.get(), d.bytes.data(), d.bytes.size(), 0, &a.sa, &len);
    REQUIRE(n >= 0);
    d.bytes.resize(static_cast<size_t>(n));
    d.from = from_sockaddr(reinterpret_cast<const uint8_t*>(&a));
    return d;
  }
  bool nothing_waiting() {
    pollfd p{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, 0) == 0;
  }

 private:
  Fd fd_;
  Endpoint here_;
  bool ipv6_ = false;
};

inline Micros far_away() { return monotonic_now() + seconds(20); }

struct Setup {
  Kind kind;
  BackendOptions options;
};

struct Mmsg {
  static Setup with(const BackendOptions& o = {}) { return {Kind::mmsg, o}; }
};
/// Where io_uring is forbidden, what `auto` makes of it is tested instead, and it says so.
template <TaskRun task_run, bool ring_sends>
struct UringAs {
  static Setup with(BackendOptions o = {}) {
    o.uring_task_run = task_run;
    o.uring_ring_sends = ring_sends;
    const Resolved r = resolve(Kind::automatic);
    if (r.kind != Kind::uring) MESSAGE("not io_uring but the fallback is tested: ", r.reason);
    return {r.kind, o};
  }
};
using Uring = UringAs<TaskRun::coop, true>;
using UringDefer = UringAs<TaskRun::defer, true>;
using UringSendmmsg = UringAs<TaskRun::coop, false>;

/// Shard 0 of some listens with one backend.
struct Rig {
  explicit Rig(const Setup& setup, std::vector<std::string_view> listens = {"127.0.0.1:0"},
               uint32_t slots = 1024)
      : own(slots) {
    std::vector<Endpoint> endpoints;
    for (const auto l : listens) endpoints.push_back(ep(l));
    auto opened = ListenSockets::open(endpoints, {.shards = 1, .ecn = true});
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
    sockets = std::move(*opened);
    auto made = make_backend(setup.kind, sockets->shard(0), own.pool, setup.options);
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    backend = std::move(*made);
    CHECK(backend->name() == name_of(setup.kind));
  }
  ~Rig() {
    for (const Packet& p : rx) own.pool.drop(p.slot);
    if (backend) CHECK(own.pool.in_flight() == backend->slots_held());
    backend.reset();
    // A backend that is gone has given everything back.
    CHECK(own.pool.free() == own.pool.capacity());
  }

  PacketPool& pool() { return own.pool; }
  Endpoint at(size_t listen = 0) const { return sockets->bound()[listen]; }
  /// The listening port at another address, for wildcard listens.
  Endpoint at(std::string_view address, size_t listen = 0) const {
    return with_port(address, sockets->bound()[listen].port);
  }

  /// Receives until `n` packets are in rx.
  void receive(size_t n) {
    const Micros deadline = far_away();
    while (rx.size() < n) {
      backend->receive(rx, deadline, drops);
      if (rx.size() < n) REQUIRE_MESSAGE(monotonic_now() < deadline, fmt::format("{} of {}", rx.size(), n));
    }
  }
  std::string text(const Packet& p) { return std::string(as_text(own.pool.payload(p))); }
  void clear() {
    for (const Packet& p : rx) own.pool.drop(p.slot);
    rx.clear();
  }
  /// A packet of ours in tx.
  void compose(std::string_view bytes, const Endpoint& from, const Endpoint& to) {
    test::compose(tx, own.pool, bytes, from, to);
  }
  void send() {
    backend->send(tx, drops);
    CHECK(tx.empty());
  }
  /// Sends everything in rx back to where it came from.
  void echo() {
    for (const Packet& p : rx) tx.push(p);
    rx.clear();
    send();
  }

  OwnPool own;
  std::optional<ListenSockets> sockets;
  std::shared_ptr<void> outlives_backend;
  std::unique_ptr<Backend> backend;
  RxBatch rx;
  TxBatch tx;
  DropCounters drops;
};

}  // namespace sluice::io::test
