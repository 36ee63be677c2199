#include "net/rtcp/twcc_recorder.h"

#include <array>
#include <map>
#include <random>

#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {
constexpr Micros kStart = seconds(1);

/// What a sender knows from feedback: sequence number to arrival tick, lost ones absent.
struct Sender {
  std::map<uint16_t, int64_t> arrivals;
  std::map<uint16_t, int> reported_lost;
  int messages = 0;
  int last_count = -1;

  void take(TwccRecorder& r, Micros now, size_t room = 1'200) {
    Packet p(room);
    while (const size_t n = r.take_feedback(p, Ssrc{1}, now)) {
      const auto t = parse_twcc(only(Bytes(p).first(n)));
      REQUIRE(t);
      REQUIRE((last_count < 0 || t->feedback_count == static_cast<uint8_t>(last_count + 1)));
      last_count = t->feedback_count;
      ++messages;
      t->for_each([&](const TwccStatus& s) {
        if (s.received)
          arrivals[s.seq] = s.arrival_ticks, reported_lost.erase(s.seq);
        else
          ++reported_lost[s.seq];
      });
    }
  }
};
}  // namespace

TEST_CASE("feedback is due 100 ms after the first packet that was not reported") {
  TwccRecorder r;
  Sender s;
  CHECK(r.next_deadline() == kNever);
  s.take(r, kStart);
  r.on_packet(9, Ssrc{2}, kStart);
  r.on_packet(10, Ssrc{2}, kStart + millis(50));
  CHECK(r.next_deadline() == kStart + millis(100));
  s.take(r, kStart + micros(99'999));
  CHECK(s.messages == 0);
  s.take(r, kStart + millis(100));
  CHECK(s.messages == 1);
  CHECK(s.arrivals.size() == 2);
  CHECK(s.arrivals[10] - s.arrivals[9] == 200);
  CHECK(r.next_deadline() == kNever);
}

TEST_CASE("a loss is told, and taken back when the packet comes after all") {
  TwccRecorder r;
  Sender s;
  r.on_packet(65'535, Ssrc{2}, kStart);
  r.on_packet(1, Ssrc{2}, kStart + millis(1));
  s.take(r, kStart + millis(100));
  CHECK(s.reported_lost.contains(0));
  CHECK(r.lost() == 1);
  r.on_packet(0, Ssrc{2}, kStart + millis(150));
  r.on_packet(2, Ssrc{2}, kStart + millis(151));
  s.take(r, kStart + millis(250));
  CHECK(s.reported_lost.empty());
  CHECK(s.arrivals.size() == 4);
  CHECK(r.received() == 4);
}

TEST_CASE("duplicates keep the first arrival") {
  TwccRecorder r;
  Sender s;
  r.on_packet(1, Ssrc{2}, kStart);
  r.on_packet(1, Ssrc{2}, kStart + millis(50));
  s.take(r, kStart + millis(100));
  CHECK(s.arrivals[1] == kStart.us / 250);
  CHECK(r.received() == 1);
}

TEST_CASE("a jump beyond the window reports what the window holds") {
  TwccRecorder r;
  Sender s;
  r.on_packet(1, Ssrc{2}, kStart);
  r.on_packet(20'000, Ssrc{2}, kStart + millis(1));
  r.on_packet(2, Ssrc{2}, kStart + millis(2));
  s.take(r, kStart + millis(100));
  CHECK(s.arrivals.size() == 1);
  CHECK(s.reported_lost.size() == TwccRecorder::kWindow - 1);
}

TEST_CASE("over random loss and reordering the sender ends up knowing every arrival") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    TwccRecorder r;
    Sender s;
    std::map<uint16_t, int64_t> expected;
    const auto base = static_cast<uint16_t>(random());
    Micros now = kStart;
    for (int n = 0; n < 20'000; ++n) {
      now += micros(static_cast<int64_t>(random() % 3'000));
      if (random() % 20 == 0) continue;
      const int at = random() % 10 == 0 ? std::max(0, n - static_cast<int>(random() % 100)) : n;
      const auto seq = static_cast<uint16_t>(base + at);
      if (!expected.contains(seq)) expected[seq] = now.us / 250;
      r.on_packet(seq, Ssrc{2}, now);
      if (r.next_deadline() <= now) s.take(r, now, 60 + random() % 1'000);
    }
    s.take(r, now + seconds(1));
    REQUIRE(s.arrivals == expected);
    for (const auto& [seq, n] : s.reported_lost) REQUIRE(!expected.contains(seq));
  }
}
