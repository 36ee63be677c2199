#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

Attributes family(uint8_t f) {
  return [f](stun::Builder& b) { b.u32(Attr::requested_address_family, uint32_t{f} << 24); };
}
Attributes additional(uint8_t f) {
  return [f](stun::Builder& b) { b.u32(Attr::additional_address_family, uint32_t{f} << 24); };
}
Attributes even_port(uint8_t r) {
  return [r](stun::Builder& b) { b.attribute(Attr::even_port, std::array<uint8_t, 1>{r}); };
}
Endpoint relay_of(const Reply& r) { return r.view->xor_address(Attr::xor_relayed_address).value(); }

}  // namespace

TEST_CASE("an allocation is made in two requests and its answer is complete") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply r = c.allocate();
  REQUIRE(r.code() == 0);
  CHECK(r.result.event == turn::Event::created);
  CHECK(relay_of(r) == Endpoint{kRelay4, 50000});
  CHECK(r.view->xor_address() == c.key.remote);
  CHECK(r.view->u32(Attr::lifetime) == 600U);
  CHECK(r.view->integrity() == stun::Integrity::sha1);
  CHECK(r.view->integrity_ok(crypto::kPrimitives, c.auth_key().bytes()));
  CHECK_FALSE(r.view->has(Attr::software));
  CHECK(rig.server->owner_of(relay_of(r)) == r.result.allocation);
  CHECK(rig.server->counters().allocations == 1);
  const auto info = rig.server->info(r.result.allocation, rig.now).value();
  CHECK(info.relays[0] == relay_of(r));
  CHECK(info.ends_s - info.made_s == 601);
}

TEST_CASE("a retransmitted Allocate gets the same answer, another one 437") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.call(Method::binding).code() == 0);
  c.learn(c.send(c.plain(Method::allocate, Client::udp)));
  const auto message = c.signed_message(Method::allocate, Client::udp, c.next_tid());
  const Reply first = c.send(message);
  rig.now += seconds(5);
  const Reply again = c.send(message);
  REQUIRE(again.code() == 0);
  CHECK(again.result.event == turn::Event::none);
  CHECK(relay_of(again) == relay_of(first));
  CHECK(again.view->u32(Attr::lifetime) == 595U);
  CHECK(rig.server->counters().created == 1);
  CHECK(c.allocate().code() == 437);
  CHECK(rig.ports->open().size() == 1);
}

TEST_CASE("REQUESTED-TRANSPORT must be there and UDP") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.call(Method::allocate, [](auto& b) { b.u32(Attr::lifetime, 600); }).code() == 400);
  CHECK(c.call(Method::allocate, [](auto& b) { b.u32(Attr::requested_transport, 6U << 24); }).code() == 442);
  CHECK(c.call(Method::allocate, [](auto& b) { b.u64(Attr::requested_transport, 17); }).code() == 400);
  CHECK(rig.ports->open().empty());
}

TEST_CASE("lifetimes are between ten minutes and an hour") {
  Rig rig;
  const std::array<std::array<uint32_t, 2>, 5> cases{
      {{0, 600}, {1, 600}, {777, 777}, {3600, 3600}, {4'000'000'000, 3600}}};
  uint16_t port = 1;
  for (const auto& [asked, granted] : cases) {
    Client c(rig, "203.0.113.5:" + std::to_string(port++));
    const Reply r = c.allocate([&](auto& b) { b.u32(Attr::lifetime, asked); });
    REQUIRE(r.code() == 0);
    CHECK(r.view->u32(Attr::lifetime) == granted);
  }
}

TEST_CASE("either family is allocated, both together, and the one that cannot be had is named") {
  Rig rig;
  Client v6(rig, "203.0.113.5:4000");
  const Reply six = v6.allocate(family(2));
  REQUIRE(six.code() == 0);
  CHECK(relay_of(six).addr == kRelay6);
  Client from6(rig, "[2001:db8:9::9]:4000");
  CHECK(relay_of(from6.allocate(family(1))).addr == kRelay4);

  Client dual(rig, "203.0.113.5:4001");
  const Reply both = dual.allocate(additional(2));
  REQUIRE(both.code() == 0);
  std::vector<Endpoint> relays;
  both.view->for_each([&](const stun::RawAttribute& a) {
    if (a.type == static_cast<uint16_t>(Attr::xor_relayed_address))
      relays.push_back(*both.view->xor_address(a));
  });
  REQUIRE(relays.size() == 2);
  CHECK(relays[0].addr == kRelay4);
  CHECK(relays[1].addr == kRelay6);
  CHECK_FALSE(both.view->has(Attr::address_error_code));

  Client bad(rig, "203.0.113.5:4002");
  CHECK(bad.allocate(family(3)).code() == 440);
  CHECK(bad.allocate(additional(1)).code() == 400);
  CHECK(bad.allocate([](auto& b) { family(1)(b), additional(2)(b); }).code() == 400);
  CHECK(bad.allocate([](auto& b) { additional(2)(b), even_port(0x80)(b); }).code() == 400);
}

TEST_CASE("a server of one family refuses the other with 440, or names it in ADDRESS-ERROR-CODE") {
  Rig rig({}, {kRelay4});
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.allocate(family(2)).code() == 440);
  const Reply r = c.allocate(additional(2));
  REQUIRE(r.code() == 0);
  CHECK(r.view->u32(Attr::address_error_code) == ((2U << 24) | (4U << 8) | 40U));
  Rig only6({}, {kRelay6});
  Client d(only6, "203.0.113.5:4000");
  CHECK(d.allocate().code() == 440);
}

TEST_CASE("EVEN-PORT gives an even port, and with R the next one to who brings the token") {
  Rig rig;
  Client a(rig, "203.0.113.5:4000"), b(rig, "203.0.113.5:4001"), c(rig, "203.0.113.5:4002");
  REQUIRE(a.allocate().code() == 0);  // 50000, so the next one is odd
  const Reply even = b.allocate(even_port(0x80));
  REQUIRE(even.code() == 0);
  CHECK(relay_of(even).port % 2 == 0);
  const uint64_t token = even.view->u64(Attr::reservation_token).value();
  CHECK(rig.server->counters().reservations == 1);
  const auto bring = [&](uint64_t t) { return [t](stun::Builder& m) { m.u64(Attr::reservation_token, t); }; };
  CHECK(c.allocate(bring(token ^ 1)).code() == 508);
  CHECK(c.allocate([&](auto& m) { bring(token)(m), even_port(0)(m); }).code() == 400);
  CHECK(c.allocate([&](auto& m) { bring(token)(m), family(1)(m); }).code() == 400);
  const Reply next = c.allocate(bring(token));
  REQUIRE(next.code() == 0);
  CHECK(relay_of(next) == Endpoint{kRelay4, static_cast<uint16_t>(relay_of(even).port + 1)});
  CHECK(rig.server->counters().reservations == 0);
  Client d(rig, "203.0.113.5:4003");
  CHECK(d.allocate(bring(token)).code() == 508);
  CHECK(rig.ports->open().size() == 3);
}

TEST_CASE("a reservation that nobody claims ends after half a minute") {
  Rig rig;
  Client a(rig, "203.0.113.5:4000"), b(rig, "203.0.113.5:4001");
  const Reply even = a.allocate(even_port(0x80));
  REQUIRE(even.code() == 0);
  CHECK(rig.ports->open().size() == 2);
  CHECK(rig.server->next_deadline() <= rig.now + seconds(32));
  rig.now += seconds(29);
  CHECK(rig.expire() == 0);
  CHECK(rig.ports->open().size() == 2);
  rig.now += seconds(3);
  CHECK(rig.expire() == 0);
  CHECK(rig.ports->open().size() == 1);
  const uint64_t token = even.view->u64(Attr::reservation_token).value();
  CHECK(b.allocate([&](auto& m) { m.u64(Attr::reservation_token, token); }).code() == 508);
  CHECK(rig.ports->broken_promises() == 0);
}

TEST_CASE("a token is good for the user who got it, and names its shard") {
  Rig rig([](turn::Config& c) { c.shard = 3; });
  Client a(rig, "203.0.113.5:4000"), b(rig, "203.0.113.5:4001", "bob", "builder");
  const uint64_t token = a.allocate(even_port(0x80)).view->u64(Attr::reservation_token).value();
  const Attributes bring = [&](stun::Builder& m) { m.u64(Attr::reservation_token, token); };
  CHECK(b.allocate(bring).code() == 508);
  const auto message = b.plain(Method::allocate, bring);
  CHECK(turn::Server::shard_of(stun::View::parse(message).value()) == 3);
  const auto other = b.plain(Method::allocate, Client::udp);
  CHECK_FALSE(turn::Server::shard_of(stun::View::parse(other).value()).has_value());
}

TEST_CASE("DONT-FRAGMENT is unknown where the host cannot send with it") {
  Rig rig([](turn::Config& c) { c.dont_fragment = false; });
  Client c(rig, "203.0.113.5:4000");
  const Reply r = c.allocate([](auto& b) { b.flag(Attr::dont_fragment); });
  REQUIRE(r.code() == 420);
  std::array<uint16_t, 2> unknown;
  REQUIRE(r.view->unknown_attributes(unknown) == 1);
  CHECK(unknown[0] == static_cast<uint16_t>(Attr::dont_fragment));
  Rig able;
  Client d(able, "203.0.113.5:4000");
  CHECK(d.allocate([](auto& b) { b.flag(Attr::dont_fragment); }).code() == 0);
}

TEST_CASE("unknown comprehension-required attributes are 420 once the client is known") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Attributes odd = [](stun::Builder& b) {
    b.u32(static_cast<Attr>(0x7001), 1);
    b.u32(static_cast<Attr>(0xC001), 1);
    b.u32(static_cast<Attr>(0x7002), 1);
  };
  const Reply r = c.allocate(odd);
  REQUIRE(r.code() == 420);
  std::array<uint16_t, 4> unknown;
  REQUIRE(r.view->unknown_attributes(unknown) == 2);
  CHECK(unknown[0] == 0x7001);
  CHECK(unknown[1] == 0x7002);
}

TEST_CASE("quotas are 486, exhausted ports and tables 508, and nothing leaks") {
  Rig rig([](turn::Config& c) {
    c.user_quota = 2;
    c.total_quota = 3;
  });
  Client a(rig, "203.0.113.5:1"), b(rig, "203.0.113.5:2"), c(rig, "203.0.113.5:3");
  CHECK(a.allocate().code() == 0);
  CHECK(b.allocate().code() == 0);
  CHECK(c.allocate().code() == 486);
  Client d(rig, "203.0.113.5:4", "bob", "builder"), e(rig, "203.0.113.5:5", "bob", "builder");
  CHECK(d.allocate().code() == 0);
  CHECK(e.allocate().code() == 486);
  CHECK(a.refresh(0).code() == 0);
  CHECK(c.allocate().code() == 0);
  CHECK(rig.server->counters().refused[11] == 2);
  CHECK(rig.server->usage_of("alice").allocations == 2);
  CHECK(rig.server->usage_of("nobody").allocations == 0);

  Rig few([](turn::Config& k) { k.limits.port_hi = k.limits.port_lo; });
  Client f(few, "203.0.113.5:1"), g(few, "203.0.113.5:2");
  CHECK(f.allocate().code() == 0);
  CHECK(g.allocate().code() == 508);
  CHECK(few.server->counters().allocations == 1);

  Rig small([](turn::Config& k) { k.limits.allocations = 1; });
  Client h(small, "203.0.113.5:1"), i(small, "203.0.113.5:2");
  CHECK(h.allocate().code() == 0);
  CHECK(i.allocate().code() == 508);
  CHECK(small.ports->open().size() == 1);
}

TEST_CASE("quotas of a process count over its shards") {
  std::vector<turn::SharedQuota::Cell> cells(1 + 2 * 64);
  const auto shared = [&](turn::Config& c) {
    c.quota = turn::SharedQuota(cells);
    c.user_quota = 1;
  };
  Rig one(shared), two(shared);
  Client a(one, "203.0.113.5:1"), b(two, "203.0.113.5:2"), c(two, "203.0.113.5:3", "bob", "builder");
  CHECK(a.allocate().code() == 0);
  CHECK(b.allocate().code() == 486);
  CHECK(c.allocate().code() == 0);
  CHECK(turn::SharedQuota(cells).total() == 2);
  CHECK(a.refresh(0).code() == 0);
  CHECK(b.allocate().code() == 0);
}

TEST_CASE("coturn's number for ADDITIONAL-ADDRESS-FAMILY makes both families too") {
  Rig rig;
  Client c(rig, "192.0.2.9:5000");
  const Reply r = c.allocate([](stun::Builder& b) { b.u32(static_cast<Attr>(0x8032), 2U << 24); });
  REQUIRE(r.code() == 0);
  CHECK(rig.ports->open().size() == 2);
}
