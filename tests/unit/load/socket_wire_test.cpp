#include "tools/load/socket_wire.h"

#include <cstring>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::load;

namespace {

/// Sends `text` and returns what arrives anywhere on the wire.
std::vector<RxPacket> exchange(Wire& wire, Local from, const Endpoint& to, std::string_view text) {
  TxQueue queue(wire);
  TxPacket& p = queue.open(from, to);
  std::memcpy(p.data, text.data(), text.size());
  p.len = static_cast<uint16_t>(text.size());
  queue.commit();
  queue.flush();
  for (const Nanos limit = now_ns() + 2 * kSecond; now_ns() < limit; wire.wait(limit)) {
    const auto got = wire.receive();
    if (!got.empty()) return {got.begin(), got.end()};
  }
  return {};
}

}  // namespace

TEST_CASE("Thousands of loopback addresses share a socket, and each is a client of its own") {
  const Endpoint server{Address::v4(127, 0, 0, 1), 0};
  SocketWireOptions o{.clients = 3000,
                      .servers = {server},
                      .source = Address::v4(uint32_t{0}),
                      .spread = AddressPlan::of(kLoopbackNet, 0)};
  const auto wire = SocketWire::open(o);
  REQUIRE(wire);
  const Local far = Local::of(Local::server, 0);
  for (const uint32_t s : {0U, 1U, 17U, 2999U}) {
    const Local client = Local::of(Local::client, s);
    const auto up = exchange(**wire, client, (*wire)->endpoint(far), "up");
    REQUIRE(up.size() == 1);
    CHECK(up[0].local.v == far.v);
    CHECK(up[0].remote == (*wire)->endpoint(client));
    CHECK(as_text(up[0].data) == "up");
    const auto down = exchange(**wire, far, up[0].remote, "down");
    REQUIRE(down.size() == 1);
    CHECK(down[0].local.v == client.v);
  }
  CHECK((*wire)->counters() == WireCounters{.tx_packets = 8, .rx_packets = 8});
}

TEST_CASE("A partner sits on the neighbouring port of the same address") {
  for (const bool spread : {false, true}) {
    SocketWireOptions o{
        .clients = 6, .partners = true, .servers = {}, .source = Address::v4(127, 0, 0, 1), .spread = {}};
    if (spread) o.spread = AddressPlan::of(kLoopbackNet, 1);
    const auto wire = SocketWire::open(o);
    REQUIRE(wire);
    for (uint32_t s = 0; s < 6; ++s) {
      const Endpoint client = (*wire)->endpoint(Local::of(Local::client, s));
      const Endpoint partner = (*wire)->endpoint(Local::of(Local::partner, s));
      CHECK(client.addr == partner.addr);
      CHECK((client.port ^ 1) == partner.port);
      const auto got = exchange(**wire, Local::of(Local::client, s), partner, "x");
      REQUIRE(got.size() == 1);
      CHECK(got[0].local.v == Local::of(Local::partner, s).v);
      CHECK(got[0].remote == client);
    }
  }
}

TEST_CASE("IPv6 has a socket per session") {
  SocketWireOptions o{.clients = 8,
                      .servers = {parse_endpoint("[::1]:0").value()},
                      .source = parse_address("::1").value(),
                      .spread = {}};
  const auto wire = SocketWire::open(o);
  REQUIRE(wire);
  const Local far = Local::of(Local::server, 0);
  const auto got = exchange(**wire, Local::of(Local::client, 5), (*wire)->endpoint(far), "six");
  REQUIRE(got.size() == 1);
  CHECK(got[0].local.v == far.v);
  CHECK(got[0].remote == (*wire)->endpoint(Local::of(Local::client, 5)));
}

TEST_CASE("Each number of an address plan has its address back") {
  const AddressPlan plan = AddressPlan::of(kClientNet, 3);
  for (uint32_t n = 0; n < AddressPlan::kAddresses; ++n) REQUIRE(plan.index(plan.address(n)) == n);
  CHECK_FALSE(plan.index(AddressPlan::of(kClientNet, 2).address(5)));
  CHECK_FALSE(plan.index(parse_address("198.18.48.1").value()));
  CHECK_FALSE(plan.index(parse_address("::1").value()));
}
