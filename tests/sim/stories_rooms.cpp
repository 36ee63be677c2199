#include <map>

#include "tests/sim/story.h"

namespace sluice::sim {
namespace {

size_t owner(World& w, const Host& h) { return w.engine().sessions().find(h.key)->shard->v; }

HostOptions with_video(HostOptions o) {
  o.peer.video = true;
  return o;
}

}  // namespace

TEST_CASE("a publisher is heard by players on its own and on another shard") {
  World w(shards(2));
  Host& talks = call_on(w, 0, publisher(1));
  Host& near = call_on(w, 0, player(2));
  Host& far = call_on(w, 1, player(3));
  for (Host* h : {&talks, &near, &far}) REQUIRE(connects(w, *h));
  CHECK(owner(w, near) == 0);
  CHECK(owner(w, far) == 1);
  w.run_for(seconds(3));
  const uint32_t said = talks.peer.talker(kAudio).sent();
  w.run_for(seconds(1));
  for (Host* h : {&near, &far}) {
    CHECK(h->peer.problem() == "");
    CHECK(heard(*h).back().mark.counter >= said);
    // From the first one heard on, none is missing.
    CHECK(heard(*h).size() == heard(*h).back().mark.counter - heard(*h)[0].mark.counter + 1);
  }
  CHECK(w.unsent(Drop::ring_full) == 0);
}

TEST_CASE("a publisher that takes a room over continues it without a glitch") {
  World w(shards(2));
  Host& first = call_on(w, 0, publisher(1));
  Host& near = call_on(w, 0, player(2));
  Host& far = call_on(w, 1, player(3));
  for (Host* h : {&first, &near, &far}) REQUIRE(connects(w, *h));
  w.run_for(seconds(2));
  HostOptions o = publisher(4);
  o.takeover = true;
  Host& second = call_on(w, 1, o);
  REQUIRE(connects(w, second));
  REQUIRE(ends(w, first, seconds(2)));
  CHECK(first.closed == CloseReason::takeover);
  w.run_for(seconds(2));
  for (const Host* h : {&near, &far}) {
    CHECK(h->peer.problem() == "");
    const auto& all = heard(*h);
    const auto at = std::ranges::find_if(all, [](const test::Heard& x) { return x.mark.source == 4; });
    REQUIRE(at != all.begin());
    REQUIRE(at != all.end());
    const auto before = std::prev(at);
    CHECK(at->ssrc == before->ssrc);
    CHECK(at->seq.minus(before->seq) == 1);
    // The timestamp goes on by the time that has passed, give or take a packet.
    const int64_t ticks = at->timestamp.minus(before->timestamp);
    CHECK(ticks > 0);
    CHECK(std::abs(ticks - (at->at - before->at).us * 48 / 1000) <= 2 * 960);
    CHECK(all.end() - at > 80);
    CHECK(all.back().mark.source == 4);
  }
}

TEST_CASE("a room has one publisher unless the second may take over") {
  World w({});
  Host& first = w.call(publisher(1));
  REQUIRE(connects(w, first));
  Host& second = w.call(publisher(2));
  CHECK_FALSE(second.key);
  CHECK(second.refused.message == "the room has a publisher already");
  w.hang_up(first);
  REQUIRE(ends(w, first, seconds(1)));
  w.run_for(seconds(2));
  CHECK(w.call(publisher(3)).key);
}

TEST_CASE("key frame requests reach the publisher from every shard, and not more often than it can bear") {
  World w(shards(2));
  Host& films = call_on(w, 0, with_video(publisher(1)));
  Host& near = call_on(w, 0, with_video(player(2)));
  Host& far = call_on(w, 1, with_video(player(3)));
  for (Host* h : {&films, &near, &far}) REQUIRE(connects(w, *h));
  w.run_for(seconds(2));
  REQUIRE(heard_of(far, 1, kVideo) > 50);
  const uint64_t before = films.peer.rtcp().plis;
  far.peer.ask_key_frame();
  w.run_for(seconds(2));
  CHECK(films.peer.rtcp().plis == before + 1);
  const auto keys = [](const Host& h) {
    return std::ranges::count_if(heard(h, kVideo), [](const test::Heard& x) { return x.mark.key_frame; });
  };
  CHECK(keys(near) == keys(far));
  CHECK(keys(far) >= 1);

  for (int i = 0; i < 100; ++i) {
    near.peer.ask_key_frame();
    far.peer.ask_key_frame();
    w.run_for(millis(20));
  }
  const uint64_t asked = films.peer.rtcp().plis - before;
  CHECK(asked >= 4);
  CHECK(asked <= 7);  // of 200 in two seconds: one in half a second, and one more
}

TEST_CASE("what a player misses is sent again, byte for byte") {
  World w(shards(2));
  HostOptions o = with_video(player(2));
  o.peer.nack = true;
  Host& films = call_on(w, 0, with_video(publisher(1)));
  Host& watches = call_on(w, 1, o);
  for (Host* h : {&films, &watches}) REQUIRE(connects(w, *h));
  w.run_for(seconds(1));
  using Id = std::pair<uint32_t, uint16_t>;  // SSRC and number, which SRTP leaves in the clear
  std::map<Id, std::vector<uint8_t>> lost;
  size_t again = 0, different = 0;
  bool losing = true;
  w.lose = [&](const Host& h, bool to_server, Bytes b) {
    const auto header = rtp::parse_header(b);
    if (to_server || h.number != watches.number || b.size() < 800 || !header) return false;
    const Id id{header->ssrc.v, header->seq.v};
    if (const auto it = lost.find(id); it != lost.end()) {
      ++again;
      different += !std::ranges::equal(it->second, b);
      return false;
    }
    if (!losing || header->seq.v % 7 != 0) return false;
    lost.emplace(id, std::vector<uint8_t>(b.begin(), b.end()));
    return true;
  };
  w.run_for(seconds(3));
  // What was lost last is sent again after this.
  losing = false;
  w.run_for(seconds(1));
  CHECK(lost.size() > 30);
  CHECK(again >= lost.size());
  CHECK(different == 0);
  CHECK(watches.peer.listener(kVideo).missing() == 0);
  CHECK(watches.peer.problem() == "");
  for (const auto& [id, bytes] : lost)
    CHECK(std::ranges::count_if(heard(watches, kVideo),
                                [&](const test::Heard& x) { return x.seq.v == id.second; }) == 1);
}

TEST_CASE("a publisher's sender reports reach players on their own clock, and stay in step with its media") {
  World w(shards(2));
  Host& talks = call_on(w, 0, with_video(publisher(1)));
  Host& far = call_on(w, 1, with_video(player(2)));
  for (Host* h : {&talks, &far}) REQUIRE(connects(w, *h));
  w.run_for(seconds(20));
  for (const test::Kind k : {kAudio, kVideo}) {
    REQUIRE(far.peer.rtcp().last_sr[k]);
    const auto& sr = *far.peer.rtcp().last_sr[k];
    const auto& last = heard(far, k).back();
    // Both sides of the report lie on the line that the media itself draws: the packet heard last was sent
    // about when it says, counted from the report.
    const int64_t rate = k == kAudio ? 48 : 90;
    const int64_t by_rtp_us = last.timestamp.minus(sr.rtp) * 1000 / rate;
    const int64_t by_clock_us = (last.at - far.peer.rtcp().last_sr_at[k]).us;
    CHECK(std::abs(by_rtp_us - by_clock_us) < millis(60).us);
  }
  const auto& a = *far.peer.rtcp().last_sr[kAudio];
  const auto& v = *far.peer.rtcp().last_sr[kVideo];
  // One clock for both tracks.
  CHECK(std::abs(rtp::between(a.ntp, v.ntp).us) < seconds(6).us);
}

}  // namespace sluice::sim
