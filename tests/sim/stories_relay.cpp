// Calls through a relay: NATs, other addresses, servers that go and come back, restarts.

#include "tests/sim/attacker.h"
#include "tests/sim/story.h"
#include "tests/sim/tier.h"

namespace sluice::sim {
namespace {

/// Datagrams of the last second that came back, of 50 that the phone sends.
size_t echoed(Tier& t, const Phone& p) {
  const uint32_t from = p.sent();
  t.world().run_for(seconds(1));
  const uint32_t to = p.sent();
  t.world().run_for(millis(200));
  return p.heard(from, to);
}

Phone& plain_phone(Tier& t, uint32_t id, const EdgeOptions& edge = {.nat = false, .kind = {}}) {
  PhoneOptions o;
  o.id = id;
  return t.phone(o, edge, {}, {});
}

bool phone_connects(Tier& t, const Phone& p) {
  return t.world().run_until(t.world().now() + seconds(10), [&] { return p.connected(); });
}

uint64_t flows(Tier& t) {
  uint64_t n = 0;
  for (size_t s = 0; s < t.relay().shards(); ++s) n += t.relay().shard(s).core().relay.flows;
  return n;
}

/// A test case of its own for each.
TierOptions by_either_leg() {
  TierOptions o;
  SUBCASE("transparent") { o.trunk = false; }
  SUBCASE("trunk") { o.trunk = true; }
  return o;
}

/// Everybody hangs up, and nothing is left but silence.
void ends_clean(Tier& t) {
  for (const auto& h : t.world().hosts()) h->peer.die();
  for (Phone* p : t.phones()) p->hang_up();
  t.world().run_for(seconds(40));
  check_always(t.world(), false);
  check_all_gone(t.world());
}

}  // namespace

TEST_CASE("a call goes through a relay that reads nothing of it, by legs of its own or by trunk") {
  Tier t(by_either_leg());
  t.world().run_for(seconds(3));
  Host& h = t.call(echo_caller());
  REQUIRE(connects(t.world(), h));
  t.world().run_for(seconds(1));
  CHECK(flows(t.world(), h));
  CHECK(flows(t) == 1);
  CHECK(t.relay().engine().relay_totals().up_packets > 0);
  check_always(t.world(), false);
  ends_clean(t);
}

TEST_CASE(
    "media tiers answer past the trunk, in the relay's name, before and after it restarts") {
  TierOptions o;
  o.trunk = o.direct = true;
  Tier t(o);
  t.world().run_for(seconds(3));
  Host& h = t.call(echo_caller());
  REQUIRE(connects(t.world(), h));
  t.world().run_for(seconds(1));
  CHECK(flows(t.world(), h));
  CHECK(t.media(0).direct() > 40);
  const uint64_t by_relay = t.relay().engine().relay_totals().down_packets;
  t.world().run_for(seconds(5));
  CHECK(flows(t.world(), h));
  // Answers to checks, reports of nobody's: what is left for the trunk to carry.
  CHECK(t.relay().engine().relay_totals().down_packets - by_relay < 40);
  t.restart_relay(seconds(1));
  t.world().run_for(seconds(8));
  CHECK(flows(t.world(), h));
  CHECK(t.relay().engine().relay_totals().up_packets > 40);
  check_always(t.world(), false);
  ends_clean(t);
}

TEST_CASE(
    "a relay keeps calls up behind NATs of every kind, when they forget, and when their address changes") {
  constexpr Behaviour kKinds[] = {Behaviour::endpoint_independent, Behaviour::address_dependent,
                                  Behaviour::address_and_port_dependent};
  for (const auto mapping : kKinds)
    for (const auto filtering : kKinds)
      for (const bool preserves : {true, false}) {
        TierOptions o;
        o.relay_shards = 4;
        o.plain_checks = true;
        Tier t(o);
        Phone& p =
            plain_phone(t, 1,
                        {.nat = true,
                         .kind = {.mapping = mapping, .filtering = filtering, .preserves_ports = preserves}});
        REQUIRE(phone_connects(t, p));
        CHECK(echoed(t, p) >= 49);
        for (const bool other_address : {false, true, false, true}) {
          t.world().rebind(p, other_address);
          t.world().run_for(seconds(4));
          CHECK(echoed(t, p) >= 49);
        }
        CHECK(p.problem() == "");
        CHECK(t.plain(0).checks_answered() > 0);
        check_always(t.world(), false);
        ends_clean(t);
      }
}

TEST_CASE("whole calls survive a client's change of address behind a relay") {
  for (const bool nominate_always : {true, false}) {
    TierOptions o;
    o.relay_shards = 4;
    o.trunk = nominate_always;
    Tier t(o);
    t.world().run_for(seconds(3));
    HostOptions c = echo_caller();
    c.edge.nat = true;
    c.peer.ice.nominate_always = nominate_always;
    Host& h = t.call(c);
    REQUIRE(connects(t.world(), h));
    for (int i = 0; i < 4; ++i) {
      t.world().rebind(h, i % 2 == 0);
      t.world().run_for(seconds(5));
      CHECK(flows(t.world(), h));
    }
    CHECK(h.closed == CloseReason::none);
    CHECK(h.peer.problem() == "");
    ends_clean(t);
  }
}

TEST_CASE("clients behind one NAT have flows of their own, and lose each other nothing when it forgets") {
  Tier t({});
  const auto nat = t.nat({.mapping = Behaviour::address_and_port_dependent, .preserves_ports = true});
  std::vector<Phone*> all;
  for (uint32_t i = 1; i <= 12; ++i) {
    PhoneOptions o;
    o.id = i;
    all.push_back(&t.phone(o, nat));
  }
  for (Phone* p : all) REQUIRE(phone_connects(t, *p));
  CHECK(flows(t) == 12);
  nat->rebind();
  t.world().run_for(seconds(4));
  for (Phone* p : all) CHECK(echoed(t, *p) >= 49);
  for (Phone* p : all) CHECK(p->problem() == "");
  ends_clean(t);
}

TEST_CASE("calls outlive their relay: its flows are made again from the next checks") {
  Tier t(by_either_leg());
  t.world().run_for(seconds(3));
  Host& h = t.call(echo_caller());
  Phone& p = plain_phone(t, 1);
  REQUIRE(connects(t.world(), h));
  REQUIRE(phone_connects(t, p));
  for (int i = 0; i < 3; ++i) {
    t.restart_relay(millis(700));
    t.world().run_for(seconds(5));
    CHECK(flows(t) == 2);
    CHECK(flows(t.world(), h));
    CHECK(echoed(t, p) >= 49);
  }
  CHECK(h.closed == CloseReason::none);
  ends_clean(t);
}

TEST_CASE("calls follow a server to its new address, and wait for one that comes back later") {
  TierOptions o;
  o.media_nodes = 2;
  Tier t(o);
  Host& moves = t.call(echo_caller(1), 0);
  Host& stays = t.call(echo_caller(2), 1);
  REQUIRE(connects(t.world(), moves));
  REQUIRE(connects(t.world(), stays));
  t.move_media(0, true);
  t.world().run_for(millis(200));
  CHECK(flows(t) == 2);
  t.world().run_for(seconds(4));  // its clients' checks prove the new path to it
  CHECK(flows(t.world(), moves));
  // The relay hears of it late.
  t.move_media(0, false);
  t.world().run_for(seconds(3));
  CHECK_FALSE(flows(t.world(), moves));
  t.tell_media(0);
  t.world().run_for(seconds(4));
  CHECK(flows(t.world(), moves));
  CHECK(flows(t.world(), stays));
  // Gone for a while.
  t.relay().remove_server(Tier::id_of(0));
  t.world().run_for(seconds(3));
  CHECK(flows(t) == 1);
  t.tell_media(0);
  t.world().run_for(seconds(4));
  CHECK(flows(t) == 2);
  CHECK(flows(t.world(), moves));
  CHECK(moves.closed == CloseReason::none);
  ends_clean(t);
}

TEST_CASE("a relay that is a media engine too serves its own calls beside the others") {
  TierOptions o;
  o.both = true;
  Tier t(o);
  Host& here = t.call(echo_caller(1), SIZE_MAX);
  Host& there = t.call(echo_caller(2), 0);
  Phone& p = plain_phone(t, 3);
  REQUIRE(connects(t.world(), here));
  REQUIRE(connects(t.world(), there));
  REQUIRE(phone_connects(t, p));
  t.world().run_for(seconds(1));
  CHECK(flows(t.world(), here));
  CHECK(flows(t.world(), there));
  CHECK(echoed(t, p) >= 49);
  CHECK(flows(t) == 2);
  check_always(t.world(), false);
  ends_clean(t);
}

TEST_CASE("an expired route opens nothing new and takes nothing from the calls that it opened") {
  Tier t({});
  t.remove_plain_route(0);
  t.put_plain_route(0, 30);
  Phone& before = plain_phone(t, 1);
  REQUIRE(phone_connects(t, before));
  t.world().run_for(seconds(40));
  CHECK(echoed(t, before) >= 49);
  Phone& after = plain_phone(t, 2);
  t.world().run_for(seconds(5));
  CHECK_FALSE(after.connected());
  t.put_plain_route(0);
  CHECK(phone_connects(t, after));
  ends_clean(t);
}

TEST_CASE("who floods one server with stolen ufrags keeps nobody out, few as the ports that lead to it are") {
  TierOptions o;
  o.relay_shards = 1;
  o.relay.engine.relay.ports = {50'000, 50'063};
  Tier t(o);
  Attacker mallory(t.world(), Rng(1), t.front());
  t.world().tap = [&](const Seen& s) { mallory.overhear(s); };
  Phone& p = plain_phone(t, 1);
  REQUIRE(phone_connects(t, p));
  t.world().run_for(seconds(1));
  for (int i = 0; i < 100; ++i) {
    mallory.flood_stolen(10);
    t.world().run_for(millis(10));
  }
  CHECK(t.relay().shard(0).core().relay.evicted > 0);
  Phone& late = plain_phone(t, 2);
  for (int i = 0; i < 100 && !late.connected(); ++i) {
    mallory.flood_stolen(10);
    t.world().run_for(millis(10));
  }
  CHECK(late.connected());
  CHECK(echoed(t, p) >= 49);
  check_always(t.world(), false);
  ends_clean(t);
}

TEST_CASE("checks replayed from other addresses, forged and stolen ufrags and a flood of both: calls go on") {
  TierOptions o;
  o.plain_servers = 2;
  Tier t(o);
  Attacker mallory(t.world(), Rng(1), t.front());
  t.world().tap = [&](const Seen& s) { mallory.overhear(s); };
  Host& h = t.call(echo_caller());
  Phone& p = plain_phone(t, 1);
  REQUIRE(connects(t.world(), h));
  REQUIRE(phone_connects(t, p));
  t.world().run_for(seconds(2));
  size_t to_strangers = 0;
  t.world().stray = [&](const Seen&) { ++to_strangers; };
  const uint32_t said = p.sent();
  for (int i = 0; i < 100; ++i) {
    mallory.replay_from_elsewhere();
    mallory.flood(30);
    mallory.flood_stolen(30);
    t.world().run_for(millis(20));
  }
  t.world().run_for(millis(500));
  CHECK(to_strangers == 0);
  CHECK(p.heard(said, said + 90) == 90);
  Phone& late = plain_phone(t, 2);
  CHECK(phone_connects(t, late));
  CHECK(flows(t.world(), h));
  check_always(t.world(), false);
  t.world().run_for(seconds(15));
  CHECK(flows(t) == 3);
  ends_clean(t);
}

}  // namespace sluice::sim
