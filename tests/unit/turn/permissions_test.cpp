#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

Attributes peers(std::vector<std::string> list) {
  return [list](stun::Builder& b) {
    for (const auto& p : list) b.xor_address(Attr::xor_peer_address, endpoint(p));
  };
}

Drop from_peer(Rig& rig, std::string_view peer) {
  Slot slot(as_bytes("data"));
  return rig.server->from_peer({kRelay4, 50000}, endpoint(peer), slot.payload(), rig.now).drop;
}

}  // namespace

TEST_CASE("permissions are for an address, any port, five minutes, both ways") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.permit("203.0.113.9:1").code() == 437);
  REQUIRE(c.allocate().code() == 0);
  CHECK(from_peer(rig, "203.0.113.9:1") == Drop::turn_no_permission);
  CHECK(c.send_indication("203.0.113.9:1", as_bytes("x")).drop == Drop::turn_no_permission);
  REQUIRE(c.permit("203.0.113.9:0").code() == 0);
  CHECK(from_peer(rig, "203.0.113.9:1") == Drop::none);
  CHECK(from_peer(rig, "203.0.113.9:65535") == Drop::none);
  CHECK(from_peer(rig, "203.0.113.8:1") == Drop::turn_no_permission);
  CHECK(c.send_indication("203.0.113.9:77", as_bytes("x")).drop == Drop::none);
  rig.now += seconds(299);
  CHECK(from_peer(rig, "203.0.113.9:1") == Drop::none);
  rig.now += seconds(3);
  CHECK(from_peer(rig, "203.0.113.9:1") == Drop::turn_no_permission);
  CHECK(c.send_indication("203.0.113.9:77", as_bytes("x")).drop == Drop::turn_no_permission);
}

TEST_CASE("CreatePermission takes several peers, all or none") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  const auto call = [&](std::vector<std::string> list) {
    return c.call(Method::create_permission, peers(std::move(list))).code();
  };
  CHECK(call({"203.0.113.9:1", "203.0.113.10:1", "203.0.113.9:2"}) == 0);
  CHECK(rig.server->info(0, rig.now)->peers == 2);
  CHECK(call({"203.0.113.11:1", "10.0.0.1:1"}) == 403);
  CHECK(call({"203.0.113.11:1", "[2001:db8::1]:1"}) == 443);
  CHECK(call({}) == 400);
  CHECK(c.call(Method::create_permission, [](auto& b) {
           b.xor_address(Attr::xor_peer_address, endpoint("203.0.113.11:1"));
           b.u32(Attr::xor_peer_address, 0);
         }).code() == 400);
  CHECK(from_peer(rig, "203.0.113.11:1") == Drop::turn_no_permission);
  CHECK(rig.server->info(0, rig.now)->peers == 2);
}

TEST_CASE("the limit of peers is 508, and what has expired makes room") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate([](auto& b) { b.u32(Attr::lifetime, 3600); }).code() == 0);
  for (int i = 1; i <= 16; ++i) CHECK(c.permit("203.0.113." + std::to_string(i) + ":1").code() == 0);
  CHECK(c.permit("203.0.113.17:1").code() == 508);
  CHECK(c.bind(0x4000, "203.0.113.17:1").code() == 508);
  CHECK(c.call(Method::create_permission, peers({"203.0.113.1:1", "203.0.113.18:1"})).code() == 508);
  CHECK(c.permit("203.0.113.16:1").code() == 0);
  for (int i = 1; i <= 16; ++i) CHECK(from_peer(rig, "203.0.113." + std::to_string(i) + ":5") == Drop::none);
  rig.now += seconds(302);
  CHECK(c.permit("203.0.113.17:1").code() == 0);
  CHECK(rig.server->info(0, rig.now)->peers == 1);
}

TEST_CASE("nodes of peers are shared, run out, and come back with a refresh or the end") {
  Rig rig([](turn::Config& k) { k.limits.peer_nodes = 2; });
  Client c(rig, "203.0.113.5:4000"), d(rig, "203.0.113.5:4001");
  REQUIRE(c.allocate([](auto& b) { b.u32(Attr::lifetime, 3600); }).code() == 0);
  REQUIRE(d.allocate([](auto& b) { b.u32(Attr::lifetime, 3600); }).code() == 0);
  const auto fill = [](Client& who) {
    int n = 0;
    while (n < 20 && who.permit("203.0.113." + std::to_string(n + 1) + ":1").code() == 0) ++n;
    return n;
  };
  CHECK(fill(c) == 8);
  CHECK(fill(d) == 4);
  rig.now += seconds(302);
  CHECK(c.refresh(3600).code() == 0);
  CHECK(fill(d) == 8);
  CHECK(d.refresh(0).code() == 0);
  CHECK(fill(c) == 8);
}

TEST_CASE("a channel is bound to one peer and a peer to one channel") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.bind(0x4000, "203.0.113.9:7000").code() == 437);
  REQUIRE(c.allocate().code() == 0);
  REQUIRE(c.bind(0x4000, "203.0.113.9:7000").code() == 0);
  CHECK(c.bind(0x4000, "203.0.113.9:7000").code() == 0);
  CHECK(c.bind(0x4000, "203.0.113.9:7001").code() == 400);
  CHECK(c.bind(0x4001, "203.0.113.9:7000").code() == 400);
  CHECK(c.bind(0x4001, "203.0.113.9:7001").code() == 0);
  CHECK(c.bind(0x4FFF, "203.0.113.10:1").code() == 0);
  CHECK(c.bind(0x7FFF, "203.0.113.10:2").code() == 0);  // RFC 5766's last
  CHECK(c.channel_data(0x7FFF, as_bytes("x")).peer.port == 2);
  for (const uint16_t bad : std::array<uint16_t, 5>{0x0000, 0x3FFF, 0x8000, 0xBFFF, 0xFFFF})
    CHECK(c.bind(bad, "203.0.113.11:1").code() == 400);
  CHECK(c.bind(0x4002, "203.0.113.11:0").code() == 400);
  CHECK(c.bind(0x4002, "10.0.0.1:1").code() == 403);
  CHECK(c.bind(0x4002, "[2001:db8::1]:1").code() == 443);
  CHECK(c.call(Method::channel_bind, peers({"203.0.113.11:1"})).code() == 400);
  CHECK(c.call(Method::channel_bind, [](auto& b) { b.u32(Attr::channel_number, 0x40020000); }).code() == 400);
  CHECK(rig.server->info(0, rig.now)->peers == 4);
}

TEST_CASE("a channel lasts ten minutes, its permission five, and both can be renewed") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate([](auto& b) { b.u32(Attr::lifetime, 3600); }).code() == 0);
  REQUIRE(c.bind(0x4000, "203.0.113.9:7000").code() == 0);
  rig.now += seconds(302);
  CHECK(c.channel_data(0x4000, as_bytes("x")).drop == Drop::turn_no_permission);
  CHECK(from_peer(rig, "203.0.113.9:7000") == Drop::turn_no_permission);
  CHECK(c.bind(0x4001, "203.0.113.9:7000").code() == 400);
  REQUIRE(c.permit("203.0.113.9:1").code() == 0);
  CHECK(c.channel_data(0x4000, as_bytes("x")).drop == Drop::none);
  rig.now += seconds(299);
  CHECK(c.channel_data(0x4000, as_bytes("x")).drop == Drop::turn_no_permission);  // the channel is over
  CHECK(from_peer(rig, "203.0.113.9:7000") == Drop::none);
  REQUIRE(c.bind(0x4001, "203.0.113.9:7000").code() == 0);
  REQUIRE(c.bind(0x4000, "203.0.113.10:7000").code() == 0);
  CHECK(c.channel_data(0x4000, as_bytes("x")).peer == endpoint("203.0.113.10:7000"));
  CHECK(c.channel_data(0x4001, as_bytes("x")).peer == endpoint("203.0.113.9:7000"));
}

TEST_CASE("channels of one address share its permission") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  for (uint16_t i = 0; i < 8; ++i)
    REQUIRE(c.bind(static_cast<uint16_t>(0x4000 + i), "203.0.113.9:" + std::to_string(7000 + i)).code() == 0);
  rig.now += seconds(200);
  REQUIRE(c.permit("203.0.113.9:1").code() == 0);
  rig.now += seconds(200);
  for (uint16_t i = 0; i < 8; ++i) {
    const auto to = c.channel_data(static_cast<uint16_t>(0x4000 + i), as_bytes("x"));
    CHECK(to.drop == Drop::none);
    CHECK(to.peer.port == 7000 + i);
  }
}
