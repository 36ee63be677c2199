// Datagrams in another's name, over loopback. Without CAP_NET_RAW what is to be seen is the refusal.
#include "net/io/foreign.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>

#include "net/io/address.h"
#include "net/io/socket.h"

using namespace sluice;
using namespace sluice::io;

namespace {

struct Memory {
  static constexpr uint32_t kSlots = 64;
  std::vector<std::byte> bytes = std::vector<std::byte>(PacketPool::bytes_for(kSlots) + 64);
  PacketPool pool{aligned(), kSlots};

  std::span<std::byte> aligned() {
    void* at = bytes.data();
    size_t room = bytes.size();
    std::align(64, PacketPool::bytes_for(kSlots), at, room);
    return {static_cast<std::byte*>(at), PacketPool::bytes_for(kSlots)};
  }
};

/// A receiver on loopback.
struct Receiver {
  explicit Receiver(const Address& a)
      : fd(::socket(a.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)), at{.addr = a, .port = 0} {
    SocketAddress s{};
    socklen_t len = to_sockaddr(at, !a.is_v4(), 0, s);
    bound = ::bind(fd.get(), &s.sa, len) == 0 && ::getsockname(fd.get(), &s.sa, &len) == 0;
    at.port = from_sockaddr(reinterpret_cast<const uint8_t*>(&s)).port;
  }
  std::string take(Endpoint& from) {
    pollfd p{fd.get(), POLLIN, 0};
    REQUIRE(::poll(&p, 1, 10'000) == 1);
    std::string out(2048, 0);
    SocketAddress s{};
    socklen_t len = sizeof s;
    const auto n = ::recvfrom(fd.get(), out.data(), out.size(), 0, &s.sa, &len);
    REQUIRE(n >= 0);
    from = from_sockaddr(reinterpret_cast<const uint8_t*>(&s));
    out.resize(static_cast<size_t>(n));
    return out;
  }

  Fd fd;
  Endpoint at;
  bool bound = false;
};

void add(Memory& m, TxBatch& tx, const Endpoint& from, const Endpoint& to, std::string_view payload) {
  Packet& p = tx.push();
  p.slot = m.pool.take();
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(payload.size());
  std::ranges::copy(payload, m.pool.slot_bytes(p.slot) + kHeadroom);
  p.local = from;
  p.remote = to;
}

}  // namespace

TEST_CASE("a datagram leaves with the source that it names, though no socket has it, or the fix is named") {
  Memory m;
  const auto sender = make_raw_sender(m.pool);
  if (!sender) {
    CHECK(sender.error().message == "raw sockets are not permitted");
    CHECK(sender.error().fix.find("CAP_NET_RAW") != std::string::npos);
    return;
  }
  const Address six = *parse_address("::1");
  Receiver four(Address::v4(127, 0, 0, 1)), other(six);
  REQUIRE(four.bound);
  const Endpoint as_four{Address::v4(127, 0, 0, 99), 3478}, as_six{six, 3999};
  TxBatch tx;
  DropCounters drops;
  if (other.bound) add(m, tx, as_six, other.at, "six");
  add(m, tx, as_four, four.at, "one");
  add(m, tx, as_four, four.at, "another");
  const size_t all = tx.size();
  (*sender)->send(tx, drops);
  CHECK(tx.empty());
  CHECK(m.pool.free() == Memory::kSlots);
  CHECK((*sender)->counters().tx_packets == all);
  Endpoint from;
  CHECK(four.take(from) == "one");
  CHECK(from == as_four);
  CHECK(four.take(from) == "another");
  if (!other.bound) return;
  CHECK(other.take(from) == "six");
  CHECK(from == as_six);
}
