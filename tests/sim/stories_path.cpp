#include "net/wire/classify.h"
#include "tests/sim/attacker.h"
#include "tests/sim/story.h"

namespace sluice::sim {
namespace {

bool is_media(Bytes b) {
  const auto k = wire::classify(b);
  return k == wire::PacketClass::rtp || k == wire::PacketClass::rtcp || k == wire::PacketClass::dtls;
}

}  // namespace

TEST_CASE("a call survives its NAT's forgetting it, wherever the new address hashes to") {
  for (const bool steer : {true, false})
    for (const bool other_address : {true, false})
      for (const bool nominate_always : {true, false}) {
        CAPTURE(steer);
        CAPTURE(other_address);
        CAPTURE(nominate_always);
        WorldOptions o = shards(4);
        o.steer = steer;
        World w(o);
        HostOptions c = echo_caller();
        c.edge.nat = true;
        c.peer.ice.nominate_always = nominate_always;
        Host& h = w.call(c);
        REQUIRE(connects(w, h));
        w.run_for(seconds(1));
        for (int i = 0; i < 6; ++i) {
          w.rebind(h, other_address);
          // The client does not know; its next consent check tells.
          w.run_for(seconds(5));
          CHECK(flows(w, h));
        }
        CHECK(h.closed == CloseReason::none);
        CHECK(h.peer.problem() == "");
        engine::SessionReport r;
        REQUIRE(w.engine().session_report(h.key, r));
        CHECK(r.moves == 6);
        CHECK(w.kernel().steered() == (steer ? w.engine().totals().steered : 0));
      }
}

TEST_CASE("a player that only listens is followed to its new address") {
  World w(shards(2));
  Host& talks = w.call(publisher(1));
  HostOptions o = player(2);
  o.edge.nat = true;
  o.peer.ice.nominate_always = false;
  o.peer.report_interval = seconds(1000);
  Host& listens = w.call(o);
  REQUIRE(connects(w, talks));
  REQUIRE(connects(w, listens));
  w.run_for(seconds(1));
  w.rebind(listens, true);
  w.run_for(seconds(5));
  CHECK(flows(w, listens));
}

TEST_CASE("an ICE restart keeps the audio") {
  World w(shards(2));
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  for (int i = 0; i < 5; ++i) {
    w.restart_ice(h);
    w.run_for(seconds(2));
  }
  const uint32_t said = h.peer.talker(kAudio).sent();
  w.run_for(seconds(1));
  CHECK(heard(h).size() >= said);
  CHECK(h.peer.problem() == "");
  CHECK(h.closed == CloseReason::none);
}

TEST_CASE("an ICE restart together with a new address moves the call there") {
  World w(shards(4));
  HostOptions c = echo_caller();
  c.edge.nat = true;
  Host& h = w.call(c);
  REQUIRE(connects(w, h));
  w.run_for(seconds(1));
  w.rebind(h, true);
  w.restart_ice(h);
  w.run_for(seconds(1));
  CHECK(flows(w, h));
}

TEST_CASE("a client that vanishes is sent nothing 30 s after its last check, and its session ends") {
  World w({});
  Host& talks = w.call(publisher(1));
  Host& h = w.call(player(2));
  REQUIRE(connects(w, talks));
  REQUIRE(connects(w, h));
  w.run_for(seconds(10));
  h.peer.die();
  const Micros died = w.now();
  Micros last_sent;
  w.tap = [&](const Seen& s) {
    if (!s.to_server && s.to == h.edge.current()) last_sent = w.now();
  };
  REQUIRE(ends(w, h, seconds(40)));
  CHECK(h.closed == CloseReason::consent);
  CHECK(w.now() - died <= seconds(31));
  CHECK(w.now() - died >= seconds(26));
  w.run_for(seconds(5));
  CHECK(last_sent - died <= seconds(30));
  CHECK(last_sent - died >= seconds(26));
}

TEST_CASE("after an alert that can no longer be read a silent client's session ends in 6 s") {
  World w({});
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  h.peer.leave();
  const Micros left = w.now();
  REQUIRE(ends(w, h, seconds(10)));
  CHECK(h.closed == CloseReason::peer);
  CHECK(w.now() - left >= seconds(6));
  CHECK(w.now() - left <= millis(7100));
}

TEST_CASE("a forged alert does not end a call") {
  World w({});
  Host& h = w.call(echo_caller());
  Attacker mallory(w, Rng(1));
  w.tap = [&](const Seen& s) { mallory.overhear(s); };
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  for (int i = 0; i < 30; ++i) {
    mallory.say_goodbye_for_a_client();
    w.run_for(millis(700));
  }
  w.run_for(seconds(10));
  CHECK(h.closed == CloseReason::none);
  CHECK(flows(w, h));
}

TEST_CASE("a forged alert that the client outlived has no say in why its call ends later") {
  World w({});
  Host& h = w.call(echo_caller());
  Attacker mallory(w, Rng(1));
  w.tap = [&](const Seen& s) { mallory.overhear(s); };
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  mallory.say_goodbye_for_a_client();
  w.run_for(seconds(10));
  h.peer.die();
  const Micros died = w.now();
  REQUIRE(ends(w, h, seconds(40)));
  CHECK(h.closed == CloseReason::consent);
  CHECK(w.now() - died >= seconds(24));
}

TEST_CASE("checks replayed from another address move no media and are not worth reflecting") {
  World w(shards(2));
  Host& h = w.call(echo_caller());
  Attacker mallory(w, Rng(1));
  w.tap = [&](const Seen& s) { mallory.overhear(s); };
  size_t media = 0, stun = 0;
  w.stray = [&](const Seen& s) { is_media(s.bytes) ? ++media : ++stun; };
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  for (int i = 0; i < 200; ++i) {
    mallory.replay_from_elsewhere();
    w.run_for(millis(20));
  }
  CHECK(media == 0);
  CHECK(w.drops(Drop::stun_replayed) > 0);
  CHECK(flows(w, h));
  engine::SessionReport r;
  REQUIRE(w.engine().session_report(h.key, r));
  CHECK(r.moves == 0);
}

TEST_CASE("a flood of forged checks from many addresses is answered by nothing, and calls go on") {
  World w(shards(2));
  Host& h = w.call(echo_caller());
  Attacker mallory(w, Rng(1));
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  size_t answers = 0;
  w.stray = [&](const Seen&) { ++answers; };
  const uint32_t said = h.peer.talker(kAudio).sent();
  for (int i = 0; i < 50; ++i) {
    mallory.flood(100);
    w.run_for(millis(20));
  }
  w.run_for(seconds(1));
  CHECK(answers == 0);
  CHECK(w.drops(Drop::ufrag_forged) == 5000);
  CHECK(heard(h).size() >= said + 50);
  CHECK(w.shard(0).core().flows.size() + w.shard(1).core().flows.size() <= 2);
}

}  // namespace sluice::sim
