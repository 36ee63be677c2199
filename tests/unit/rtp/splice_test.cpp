#include "net/rtp/splice.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

namespace {
constexpr Micros kStart = seconds(1);
constexpr Source kAnn{1, Ssrc{100}};
constexpr Source kBob{2, Ssrc{100}};

Splice opus_splice(uint16_t first = 1000, uint32_t ts = 5000) {
  return Splice(48'000, 960, SeqNo{first}, RtpTime{ts});
}
std::optional<Splice::Out> put(Splice& s, Source from, int seq, uint32_t ts, Micros now) {
  return s.map(from, static_cast<uint64_t>(seq), RtpTime{ts}, now);
}
void check(const std::optional<Splice::Out>& out, int seq, uint32_t ts) {
  REQUIRE(out);
  CHECK(out->seq.v == static_cast<uint16_t>(seq));
  CHECK(out->timestamp.v == ts);
}
}  // namespace

TEST_CASE("a stream begins with the numbers it was given and keeps gaps as gaps") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  check(put(s, kAnn, 7, 90'000, kStart), 1000, 5000);
  check(put(s, kAnn, 8, 90'960, kStart + millis(20)), 1001, 5960);
  check(put(s, kAnn, 11, 93'840, kStart + millis(80)), 1004, 8840);
  check(put(s, kAnn, 9, 91'920, kStart + millis(81)), 1002, 6920);
  CHECK(s.newest().seq.v == 1004);
  CHECK(s.newest().timestamp.v == 8840);
  CHECK(s.switches() == 0);
}

TEST_CASE("a new source goes on at the next number, later by the wall time that passed") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  s.switch_to(kBob);
  check(put(s, kBob, 40'000, 3, kStart + millis(250)), 1001, 5000 + 12'000);
  check(put(s, kBob, 40'001, 963, kStart + millis(270)), 1002, 5000 + 12'960);
  CHECK(s.switches() == 1);
}

TEST_CASE("a switch within one frame still moves the timestamp by a frame") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  s.switch_to(kBob);
  check(put(s, kBob, 1, 0, kStart + millis(1)), 1001, 5960);
  s.switch_to(kAnn);
  check(put(s, kAnn, 9, 99'000, kStart - millis(50)), 1002, 5960 + 960);
}

TEST_CASE("late packets of the source before are refused, even under the same SSRC") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  s.switch_to(kBob);
  CHECK(!put(s, kAnn, 8, 90'960, kStart));
  put(s, kBob, 50, 0, kStart + millis(20));
  CHECK(!put(s, kAnn, 9, 91'920, kStart + millis(20)));
  // And the new source's own from before its first: that number is taken.
  CHECK(!put(s, kBob, 49, 0, kStart + millis(21)));
  CHECK(s.newest().seq.v == 1001);
}

TEST_CASE("naming the current source again changes nothing") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  s.switch_to(kAnn);
  check(put(s, kAnn, 9, 91'920, kStart + seconds(9)), 1002, 6920);
}

TEST_CASE("nothing passes before a source was named") {
  Splice s = opus_splice();
  CHECK(!put(s, kAnn, 7, 90'000, kStart));
  CHECK(!s.started());
  CHECK(!s.map_time(RtpTime{5}));
  CHECK(!s.source_index(SeqNo{1000}));
}

TEST_CASE("a source that begins anew is joined on, one straggler from far away is not a beginning") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  CHECK(!put(s, kAnn, 20'000, 7, kStart + millis(20)));
  check(put(s, kAnn, 8, 90'960, kStart + millis(20)), 1001, 5960);
  CHECK(!put(s, kAnn, 20'001, 7, kStart + millis(20)));
  check(put(s, kAnn, 20'002, 967, kStart + millis(40)), 1002, 6920);
  // Down as well as up.
  CHECK(!put(s, kAnn, 30, 5'000'000, kStart + millis(40)));
  check(put(s, kAnn, 31, 5'000'960, kStart + millis(60)), 1003, 7880);
  CHECK(!put(s, kAnn, 20'003, 967, kStart + millis(60)));
  check(put(s, kAnn, 32, 5'001'920, kStart + millis(80)), 1004, 8840);
}

TEST_CASE("a NACK finds the current source's number, and no other's") {
  Splice s = opus_splice(65'534);
  s.switch_to(kAnn);
  for (int n = 0; n < 5; ++n) put(s, kAnn, 100 + n, 0, kStart);
  CHECK(s.source_index(SeqNo{65'534}) == 100);
  CHECK(s.source_index(SeqNo{2}) == 104);
  CHECK(!s.source_index(SeqNo{3}));
  CHECK(!s.source_index(SeqNo{65'533}));
  s.switch_to(kBob);
  CHECK(!s.source_index(SeqNo{2}));
  put(s, kBob, 7, 0, kStart);
  CHECK(s.source_index(SeqNo{3}) == 7);
  CHECK(!s.source_index(SeqNo{2}));
}

TEST_CASE("a packet one cycle of sequence numbers later never takes a number that was sent") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  std::set<uint16_t> sent;
  for (int n = 0; n < 8; ++n) sent.insert(put(s, kAnn, 100 + n, 0, kStart)->seq.v);
  // A publisher may walk its rollover counter up in steps that are too large to be forwarded.
  CHECK(!put(s, kAnn, 30'000, 0, kStart));
  CHECK(!put(s, kAnn, 60'000, 0, kStart));
  for (int n = 0; n < 8; ++n)
    if (const auto out = put(s, kAnn, 100 + 65'536 + n, 0, kStart)) CHECK(sent.insert(out->seq.v).second);
}

TEST_CASE("instants of the current source translate for sender reports") {
  Splice s = opus_splice();
  s.switch_to(kAnn);
  put(s, kAnn, 7, 90'000, kStart);
  CHECK(s.map_time(RtpTime{90'000})->v == 5000);
  CHECK(s.map_time(RtpTime{0})->v == 5000 - 90'000u);
  s.switch_to(kBob);
  CHECK(!s.map_time(RtpTime{90'000}));
}

TEST_CASE("over many random sources the output never repeats a number or steps back at a switch") {
  for (unsigned seed = 1; seed <= 15; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Splice s(48'000, 960, SeqNo{static_cast<uint16_t>(random())}, RtpTime{static_cast<uint32_t>(random())});
    Micros now = kStart;
    std::optional<Splice::Out> newest;
    int64_t newest_extended = 0;
    std::set<int64_t> sent;
    for (uint64_t publisher = 1; publisher <= 20; ++publisher) {
      const Source source{publisher, Ssrc{static_cast<uint32_t>(random() % 2)}};
      s.switch_to(source);
      const auto before = newest;
      const auto first_index = random() % 100'000;
      const auto first_ts = static_cast<uint32_t>(random());
      std::map<int, Splice::Out> mapped;
      int joined_at = -1;
      for (int n = 0, count = static_cast<int>(random() % 5'000); n < count; ++n) {
        now += micros(static_cast<int64_t>(random() % 40'000));
        const int back = random() % 10 == 0 ? static_cast<int>(random() % 100) : 0;
        const int at = std::max(n - back, 0);
        const uint64_t index = first_index + static_cast<uint64_t>(at);
        const RtpTime ts{first_ts + static_cast<uint32_t>(at) * 960};
        const auto out = s.map(source, index, ts, now);
        if (joined_at < 0) joined_at = at;
        REQUIRE(out.has_value() == (at >= joined_at));
        if (!out) continue;
        if (const auto same = mapped.find(at); same != mapped.end()) {
          REQUIRE(same->second.seq == out->seq);
          REQUIRE(same->second.timestamp == out->timestamp);
        } else {
          const int64_t extended = newest ? newest_extended + out->seq.minus(newest->seq) : 0;
          REQUIRE(sent.insert(extended).second);
          if (mapped.empty() && before) {
            REQUIRE(out->seq.minus(before->seq) == 1);
            REQUIRE(out->timestamp.minus(before->timestamp) >= 960);
          }
          if (!newest || out->seq.newer_than(newest->seq)) newest = out, newest_extended = extended;
          mapped.emplace(at, *out);
        }
        REQUIRE(s.source_index(out->seq) == index);
        REQUIRE(s.map_again(index, ts).seq == out->seq);
        REQUIRE(s.map_again(index, ts).timestamp == out->timestamp);
        REQUIRE(s.map_time(ts) == out->timestamp);
        REQUIRE(!s.map({publisher - 1, source.ssrc}, index, ts, now));
        REQUIRE(s.newest().seq == newest->seq);
      }
    }
  }
}
