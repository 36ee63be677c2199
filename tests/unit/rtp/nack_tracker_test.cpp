#include "net/rtp/nack_tracker.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

namespace {
using Seqs = std::vector<uint16_t>;
constexpr Micros kStart = seconds(1);
constexpr Micros kRtt = millis(50);

template <size_t N>
Seqs take(NackTracker<N>& t, Micros now, size_t bound = 300, Micros rtt = kRtt) {
  std::vector<SeqNo> out(bound);
  out.resize(t.take_due(now, rtt, out));
  Seqs seqs;
  for (SeqNo s : out) seqs.push_back(s.v);
  return seqs;
}
}  // namespace

TEST_CASE("a gap is asked for after the time that reordering needs, once per round trip") {
  NackTracker<> t;
  t.on_packet(SeqNo{65'534}, kStart);
  t.on_packet(SeqNo{2}, kStart);
  CHECK(t.missing() == 3);
  CHECK(t.next_deadline(kRtt) == kStart + millis(10));
  CHECK(take(t, kStart + millis(9)).empty());
  CHECK(take(t, kStart + millis(10)) == Seqs{65'535, 0, 1});
  CHECK(t.next_deadline(kRtt) == kStart + millis(60));
  CHECK(take(t, kStart + millis(59)).empty());
  CHECK(t.on_packet(SeqNo{0}, kStart + millis(59)));
  CHECK(take(t, kStart + millis(60)) == Seqs{65'535, 1});
  CHECK(t.requested() == 5);
}

TEST_CASE("what arrives late in time is never asked for") {
  NackTracker<> t;
  t.on_packet(SeqNo{1}, kStart);
  t.on_packet(SeqNo{3}, kStart);
  CHECK(t.on_packet(SeqNo{2}, kStart + millis(5)));
  CHECK(!t.on_packet(SeqNo{2}, kStart + millis(6)));
  CHECK(take(t, kStart + seconds(1)).empty());
  CHECK(t.next_deadline(kRtt) == kNever);
  CHECK(!t.take_key_frame_needed());
}

TEST_CASE("with an unknown or tiny round-trip time requests keep a distance") {
  NackTracker<> t({.min_interval = millis(20)});
  t.on_packet(SeqNo{1}, kStart);
  t.on_packet(SeqNo{3}, kStart);
  CHECK(take(t, kStart + millis(10), 9, {}).size() == 1);
  CHECK(take(t, kStart + millis(29), 9, {}).empty());
  CHECK(take(t, kStart + millis(30), 9, {}).size() == 1);
}

TEST_CASE("a packet is given up after enough requests, and a key frame is needed then, once") {
  NackTracker<> t({.max_requests = 3});
  t.on_packet(SeqNo{1}, kStart);
  t.on_packet(SeqNo{3}, kStart);
  Micros now = kStart;
  int requests = 0;
  while (t.next_deadline(kRtt) != kNever) {
    now = t.next_deadline(kRtt);
    requests += static_cast<int>(take(t, now).size());
    REQUIRE(now < kStart + seconds(2));
  }
  CHECK(requests == 3);
  CHECK(t.given_up() == 1);
  CHECK(t.take_key_frame_needed());
  CHECK(!t.take_key_frame_needed());
}

TEST_CASE("a packet is given up when it would come too late") {
  NackTracker<> t({.give_up = millis(100), .max_requests = 255});
  t.on_packet(SeqNo{1}, kStart);
  t.on_packet(SeqNo{3}, kStart);
  CHECK(take(t, kStart + millis(99)).size() == 1);
  CHECK(t.next_deadline(kRtt) == kStart + millis(100));
  CHECK(take(t, kStart + millis(100)).empty());
  CHECK(t.missing() == 0);
  CHECK(t.given_up() == 1);
}

TEST_CASE("a gap as wide as the window is asked for, a wider one needs a key frame instead") {
  NackTracker<64> t;
  t.on_packet(SeqNo{100}, kStart);
  t.on_packet(SeqNo{164}, kStart);
  CHECK(t.missing() == 63);
  CHECK(!t.take_key_frame_needed());
  t.on_packet(SeqNo{229}, kStart);
  CHECK(t.missing() == 0);
  CHECK(t.take_key_frame_needed());
  CHECK(t.given_up() == 63 + 64);
  t.on_packet(SeqNo{231}, kStart);
  CHECK(take(t, kStart + millis(10)) == Seqs{230});
}

TEST_CASE("what leaves the window is given up") {
  NackTracker<64> t;
  t.on_packet(SeqNo{1}, kStart);
  t.on_packet(SeqNo{3}, kStart);
  for (uint16_t n = 4; n <= 65; ++n) t.on_packet(SeqNo{n}, kStart);
  CHECK(t.missing() == 1);
  t.on_packet(SeqNo{66}, kStart);
  CHECK(t.missing() == 0);
  CHECK(t.given_up() == 1);
  CHECK(!t.on_packet(SeqNo{2}, kStart));
}

TEST_CASE("a caller with little room gets the oldest first and the rest next time") {
  NackTracker<> t;
  t.on_packet(SeqNo{10}, kStart);
  t.on_packet(SeqNo{21}, kStart);
  CHECK(take(t, kStart + millis(10), 4) == Seqs{11, 12, 13, 14});
  CHECK(t.next_deadline(kRtt) <= kStart + millis(10));
  CHECK(take(t, kStart + millis(10), 4) == Seqs{15, 16, 17, 18});
  CHECK(take(t, kStart + millis(10), 4) == Seqs{19, 20});
}

TEST_CASE("the tracker agrees with a map of what is missing, across wraps") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    NackTracker<128> t({.reorder_wait = {}, .give_up = seconds(1'000'000), .max_requests = 255});
    std::map<int64_t, bool> missing;
    int64_t highest = 65'536 + static_cast<int64_t>(random() % 65'536);
    t.on_packet(SeqNo{static_cast<uint16_t>(highest)}, kStart);
    for (int step = 0; step < 20'000; ++step) {
      const int64_t seq = highest - 40 + static_cast<int64_t>(random() % (random() % 100 == 0 ? 160 : 44));
      const bool was = t.on_packet(SeqNo{static_cast<uint16_t>(seq)}, kStart);
      REQUIRE(was == (missing.erase(seq) == 1));
      for (int64_t n = highest + 1; n < seq; ++n) missing[n] = true;
      highest = std::max(highest, seq);
      missing.erase(missing.begin(), missing.upper_bound(highest - 128));
      REQUIRE(t.missing() == static_cast<int>(missing.size()));
      if (step % 100 != 0) continue;
      Seqs expected;
      for (const auto& [n, _] : missing) expected.push_back(static_cast<uint16_t>(n));
      REQUIRE(take(t, kStart + seconds(step)) == expected);
    }
  }
}
