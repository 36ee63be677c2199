#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr std::string_view kPeer = "203.0.113.9:7000";
const Endpoint kRelay{kRelay4, 50000};

turn::ToClient from_peer(Rig& rig, Slot& slot, std::string_view peer = kPeer,
                         const Endpoint& relay = kRelay) {
  return rig.server->from_peer(relay, endpoint(peer), slot.payload(), rig.now);
}

}  // namespace

TEST_CASE("channel data reaches the peer without a copy") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  REQUIRE(c.bind(0x4000, kPeer).code() == 0);
  for (const size_t padding : {size_t{0}, size_t{3}}) {
    const auto to = c.channel_data(0x4000, as_bytes("hello"), padding);
    CHECK(to.drop == Drop::none);
    CHECK(to.relay == kRelay);
    CHECK(to.peer == endpoint(kPeer));
    CHECK(to.offset == 4);
    CHECK(to.len == 5);
  }
  CHECK(c.channel_data(0x4000, {}).len == 0);
  CHECK(c.channel_data(0x4001, as_bytes("x")).drop == Drop::turn_no_permission);
  CHECK(rig.server->counters().channel_to_peer == 3);
  CHECK(rig.server->counters().bytes_to_peer == 10);
}

TEST_CASE("channel data that lies about itself, or comes from nobody, is dropped") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  REQUIRE(c.bind(0x4000, kPeer).code() == 0);
  const auto drop = [&](std::vector<uint8_t> m) {
    return rig.server->from_client(c.key, 0, m, rig.now).drop;
  };
  CHECK(drop({}) == Drop::turn_malformed);
  CHECK(drop({0x40, 0, 0}) == Drop::turn_malformed);
  CHECK(drop({0x40, 0, 0, 1}) == Drop::turn_malformed);
  CHECK(drop({0x40, 0, 0xff, 0xff, 1}) == Drop::turn_malformed);
  CHECK(drop({0x80, 0, 0, 1, 1}) == Drop::turn_malformed);
  CHECK(drop({0x00, 0, 0, 1, 1}) == Drop::turn_malformed);
  CHECK(drop({0x40, 0, 0, 1, 1}) == Drop::none);
  const std::vector<uint8_t> good{0x40, 0, 0, 1, 1};
  turn::Server& s = *rig.server;
  CHECK(s.from_client(client_at("203.0.113.5:4001"), 0, good, rig.now).drop == Drop::turn_no_allocation);
  CHECK(s.from_client(c.key, 1, good, rig.now).drop == Drop::turn_no_allocation);
  CHECK(s.from_client(c.key, turn::kNoAllocation, good, rig.now).drop == Drop::turn_no_allocation);
  turn::ClientKey elsewhere = c.key;
  elsewhere.ifindex = 9;  // another interface is the same client, a stream is not
  CHECK(s.from_client(elsewhere, 0, good, rig.now).drop == Drop::none);
  elsewhere.ifindex = turn::kStreamClient | 9;
  CHECK(s.from_client(elsewhere, 0, good, rig.now).drop == Drop::turn_no_allocation);
  rig.now += seconds(700);
  CHECK(drop(good) == Drop::turn_no_allocation);
}

TEST_CASE("a peer's datagram becomes channel data in place") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  REQUIRE(c.bind(0x4321, kPeer).code() == 0);
  Slot slot(as_bytes("hello"));
  const auto to = from_peer(rig, slot);
  CHECK(to.drop == Drop::none);
  CHECK(to.allocation == 0);
  CHECK(to.client.same(c.key));
  CHECK(to.client.ifindex == c.key.ifindex);
  CHECK(to.before == 4);
  const Bytes m = slot.message(to);
  CHECK(load_be<uint16_t>(m.data()) == 0x4321);
  CHECK(load_be<uint16_t>(&m[2]) == 5);
  CHECK(as_text(m.subspan(4)) == "hello");
  Slot other(as_bytes("hello"));
  CHECK(from_peer(rig, other, "203.0.113.9:7001").before == 36);
  CHECK(from_peer(rig, other, kPeer, {kRelay4, 50001}).drop == Drop::turn_no_allocation);
  CHECK(from_peer(rig, other, kPeer, {kRelay4, 3478}).drop == Drop::turn_no_allocation);
  CHECK(from_peer(rig, other, kPeer, {Address::v4(9, 9, 9, 9), 50000}).drop == Drop::turn_no_allocation);
}

TEST_CASE("a stream's channel data is padded to four bytes") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  c.key.ifindex = turn::kStreamClient | 17;
  REQUIRE(c.allocate().code() == 0);
  CHECK(rig.server->counters().streams == 1);
  REQUIRE(c.bind(0x4000, kPeer).code() == 0);
  for (size_t n = 0; n < 9; ++n) {
    const std::vector<uint8_t> payload(n, 0xaa);
    Slot slot(payload);
    const auto to = from_peer(rig, slot);
    const Bytes m = slot.message(to);
    CHECK(m.size() == 4 + (n + 3) / 4 * 4);
    CHECK(load_be<uint16_t>(&m[2]) == n);
    for (size_t i = 4 + n; i < m.size(); ++i) CHECK(m[i] == 0);
  }
  CHECK(c.refresh(0).code() == 0);
  CHECK(rig.server->counters().streams == 0);
}

TEST_CASE("without a channel it becomes a Data indication, of either family and any length") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate([](auto& b) { b.u32(Attr::additional_address_family, 2U << 24); }).code() == 0);
  REQUIRE(c.permit("203.0.113.9:1").code() == 0);
  REQUIRE(c.permit("[2001:db8:9::9]:1").code() == 0);
  stun::TransactionId last{};
  for (size_t n = 0; n < 70; ++n) {
    const bool v6 = n % 2 != 0;
    const std::string_view peer = v6 ? "[2001:db8:9::9]:777" : "203.0.113.9:777";
    const std::vector<uint8_t> payload(n, static_cast<uint8_t>(n));
    Slot slot(payload);
    const auto to = from_peer(rig, slot, peer, {v6 ? kRelay6 : kRelay4, 50000});
    REQUIRE(to.drop == Drop::none);
    const auto v = stun::View::parse(slot.message(to));
    REQUIRE(v.has_value());
    CHECK(v->cls() == stun::Class::indication);
    CHECK(v->method() == static_cast<uint16_t>(Method::data));
    CHECK(v->xor_address(Attr::xor_peer_address) == endpoint(peer));
    const Bytes data = v->find(Attr::data).value();
    CHECK(std::equal(data.begin(), data.end(), payload.begin(), payload.end()));
    CHECK(v->transaction_id() != last);
    last = v->transaction_id();
  }
  CHECK(rig.server->counters().data_to_client == 70);
}

TEST_CASE("Send indications are obeyed or dropped") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.send_indication(kPeer, as_bytes("x")).drop == Drop::turn_no_allocation);
  REQUIRE(c.allocate().code() == 0);
  CHECK(c.send_indication("10.0.0.1:7", as_bytes("x")).drop == Drop::turn_peer_denied);
  CHECK(c.send_indication("[2001:db8::1]:7", as_bytes("x")).drop == Drop::turn_no_permission);
  REQUIRE(c.permit(kPeer).code() == 0);
  const auto to = c.send_indication(kPeer, as_bytes("payload"), [](auto& b) { b.flag(Attr::dont_fragment); });
  CHECK(to.drop == Drop::none);
  CHECK(to.dont_fragment);
  CHECK(to.relay == kRelay);
  CHECK(as_text(Bytes(c.last_indication).subspan(to.offset, to.len)) == "payload");
  CHECK(c.send_indication(kPeer, {}).drop == Drop::none);
  CHECK(c.send_indication("203.0.113.9:0", as_bytes("x")).drop == Drop::stun_malformed);
  CHECK(c.send_indication(kPeer, as_bytes("x"), [](auto& b) { b.u32(static_cast<Attr>(0x7777), 1); }).drop ==
        Drop::stun_malformed);
  CHECK(c.send_indication(kPeer, as_bytes("x"), [](auto& b) { b.u32(static_cast<Attr>(0x8777), 1); }).drop ==
        Drop::none);
  const auto drop = [&](Method m, const Attributes& more, stun::Class cls = stun::Class::indication) {
    const auto bytes = c.plain(m, more, cls);
    return rig.server->on_indication(c.key, 0, stun::View::parse(bytes).value(), rig.now).drop;
  };
  CHECK(drop(Method::send, {}) == Drop::stun_malformed);
  CHECK(drop(Method::data, {}) == Drop::stun_unsupported);
  CHECK(drop(Method::send, {}, stun::Class::success) == Drop::stun_unsupported);
  CHECK(rig.server->counters().send_to_peer == 3);

  Rig no_df([](turn::Config& k) { k.dont_fragment = false; });
  Client d(no_df, "203.0.113.5:4000");
  REQUIRE(d.allocate().code() == 0);
  REQUIRE(d.permit(kPeer).code() == 0);
  CHECK(d.send_indication(kPeer, as_bytes("x"), [](auto& b) { b.flag(Attr::dont_fragment); }).drop ==
        Drop::stun_malformed);
}

TEST_CASE("two clients of one relay find each other inside it") {
  Rig rig;
  const std::vector<turn::PeerException> open{{kRelay4, 50000, 50099}};
  const std::vector<Address> host{kRelay4};
  rig.server->set_policy({.allow = {}, .host = host, .exceptions = open});
  Client a(rig, "203.0.113.5:4000"), b(rig, "203.0.113.6:4000");
  REQUIRE(a.allocate().code() == 0);
  REQUIRE(b.allocate().code() == 0);
  REQUIRE(a.bind(0x4000, "198.51.100.1:50001").code() == 0);
  REQUIRE(b.permit("198.51.100.1:50000").code() == 0);
  const auto up = a.channel_data(0x4000, as_bytes("hi"));
  REQUIRE(up.drop == Drop::none);
  CHECK(rig.server->owner_of(up.peer) == 1);
  Slot slot(as_bytes("hi"));
  const auto down = rig.server->from_peer(up.peer, up.relay, slot.payload(), rig.now);
  REQUIRE(down.drop == Drop::none);
  CHECK(down.client.same(b.key));
  CHECK(stun::View::parse(slot.message(down))->xor_address(Attr::xor_peer_address) == up.relay);
  // The exception is for ports: the rest of the host stays closed, both ways.
  CHECK(a.bind(0x4001, "198.51.100.1:22").code() == 403);
  CHECK(b.send_indication("198.51.100.1:22", as_bytes("x")).drop == Drop::turn_peer_denied);
  Slot stray(as_bytes("x"));
  CHECK(rig.server->from_peer(up.peer, {kRelay4, 22}, stray.payload(), rig.now).drop ==
        Drop::turn_peer_denied);
}

TEST_CASE("an allocation and a user may not exceed their rate") {
  Rig rig([](turn::Config& k) {
    k.allocation_rate = {.bytes_per_second = 1000, .burst_bytes = 2000};
    k.user_rate = {.bytes_per_second = 1500, .burst_bytes = 3000};
  });
  Client a(rig, "203.0.113.5:4000"), b(rig, "203.0.113.5:4001");
  for (Client* c : {&a, &b}) {
    REQUIRE(c->allocate().code() == 0);
    REQUIRE(c->bind(0x4000, kPeer).code() == 0);
  }
  const std::vector<uint8_t> kilo(1000);
  CHECK(a.channel_data(0x4000, kilo).drop == Drop::none);
  CHECK(a.send_indication(kPeer, kilo).drop == Drop::none);
  CHECK(a.channel_data(0x4000, kilo).drop == Drop::turn_over_rate);
  CHECK(b.channel_data(0x4000, kilo).drop == Drop::none);
  CHECK(b.channel_data(0x4000, kilo).drop == Drop::turn_over_rate);  // the user's
  Slot slot(kilo);
  CHECK(from_peer(rig, slot).drop == Drop::none);  // the other direction has its own
  rig.now += seconds(1);
  CHECK(a.channel_data(0x4000, kilo).drop == Drop::none);
  CHECK(a.channel_data(0x4000, as_bytes("x")).drop == Drop::turn_over_rate);
  CHECK(rig.server->usage_of("alice").bytes == 0);
  CHECK(a.refresh(0).code() == 0);
  CHECK(rig.server->usage_of("alice").bytes == 4000);
}
