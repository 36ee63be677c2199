// A relay and a media engine that are joined by a trunk: shards on both sides, bad networks, restarts.

#include "tests/sim/story.h"
#include "tests/sim/tier.h"

namespace sluice::sim {
namespace {

TierOptions trunk(uint32_t relay_shards, uint32_t media_shards) {
  TierOptions o;
  o.trunk = true;
  o.relay_shards = relay_shards;
  o.world.engine.shards = media_shards;
  return o;
}

bool server_up(Tier& t) {
  for (const auto& s : t.relay().engine().servers())
    if (s.config.id == Tier::id_of(0)) return s.up;
  return false;
}

}  // namespace

TEST_CASE("calls by trunk, with any number of shards on either side, and none goes past it") {
  for (const uint32_t relay_shards : {1U, 3U})
    for (const uint32_t media_shards : {1U, 2U}) {
      CAPTURE(relay_shards);
      CAPTURE(media_shards);
      Tier t(trunk(relay_shards, media_shards));
      bool past = false;
      t.world().tap = [&](const Seen& s) { past |= s.node == &t.media(0) && !s.inner; };
      t.world().run_for(millis(200));
      Host& talks = t.call(publisher(1));
      Host& listens = t.call(player(2));
      Host& echo = t.call(echo_caller(3));
      for (const Host* h : {&talks, &listens, &echo}) REQUIRE(connects(t.world(), *h));
      t.world().run_for(seconds(1));
      CHECK(flows(t.world(), listens));
      CHECK(flows(t.world(), echo));
      CHECK_FALSE(past);
      engine::SessionReport r;
      REQUIRE(t.media(0).engine().session_report(talks.key, r));
      CHECK(r.remote.addr == public_address(talks.number, false));
      CHECK(r.local == t.front());
      check_always(t.world(), false);
    }
}

TEST_CASE("a trunk over a bad network loses what the network loses, and nothing else") {
  TierOptions o = trunk(2, 2);
  o.world.backbone = {.delay = millis(20),
                      .jitter = millis(15),
                      .loss = 0.05,
                      .reorder = 0.1,
                      .duplicate = 0.1,
                      .corrupt = 0.02};
  Tier t(o);
  t.world().run_for(seconds(1));
  Host& h = t.call(echo_caller());
  REQUIRE(connects(t.world(), h, seconds(20)));
  const size_t before = heard(h).size();
  t.world().run_for(seconds(20));
  // Of 1 000, each way 7 % of the datagrams.
  CHECK(heard(h).size() - before >= 750);
  CHECK(h.closed == CloseReason::none);
  check_always(t.world(), false);
}

TEST_CASE("a media engine that comes back takes calls again, and the relay knew that it was away") {
  Tier t(trunk(2, 2));
  t.world().run_for(millis(200));
  Host& before = t.call(echo_caller(1));
  REQUIRE(connects(t.world(), before));
  t.media(0).stop();
  before.peer.die();
  before.key = {};  // may be another's of the next process
  t.world().run_for(seconds(2));
  CHECK_FALSE(server_up(t));
  t.media(0).start();
  t.world().run_for(seconds(2));
  CHECK(server_up(t));
  Host& after = t.call(echo_caller(2));
  REQUIRE(connects(t.world(), after));
  t.world().run_for(seconds(1));
  CHECK(flows(t.world(), after));
}

}  // namespace sluice::sim
