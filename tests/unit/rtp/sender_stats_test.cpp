#include "net/rtp/sender_stats.h"

#include <random>

#include <doctest/doctest.h>

#include "net/rtp/report_schedule.h"

using namespace sluice;
using namespace sluice::rtp;

namespace {
constexpr NtpTime kNow = NtpTime::from_unix_us(1'700'000'000'000'000);
}

TEST_CASE("the round trip of RFC 3550 figure 2") {
  // n sent at 0xb44db705.20000000, block with DLSR 5.25 s arrives at 0xb710:8000 (46864.500 s): 6.125 s.
  const auto rtt = round_trip(0xb7052000, 0x00054000, NtpTime{0x0000b71080000000});
  REQUIRE(rtt);
  CHECK(*rtt == millis(6'125));
}

TEST_CASE("a report without LSR, from the future or of an hour is no round trip") {
  CHECK(!round_trip(0, 0, kNow));
  CHECK(!round_trip(kNow.compact() + 65'536, 0, kNow));
  CHECK(!round_trip(later(kNow, seconds(-3'600)).compact(), 0, kNow));
  // A hair below zero is the rounding of a fast path.
  CHECK(round_trip(kNow.compact(), 3, kNow) == Micros{});
}

TEST_CASE("NTP times and spans add up, backwards too") {
  CHECK(between(later(kNow, seconds(3)), kNow) == seconds(3));
  CHECK(between(kNow, later(kNow, millis(1'500))).us <= -1'499'999);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1'000; ++i) {
    const Micros span = micros(static_cast<int64_t>(random() % 2'000'000'000'000) - 1'000'000'000'000);
    const Micros back = between(later(kNow, span), kNow);
    REQUIRE(back.us - span.us >= -1);
    REQUIRE(back.us - span.us <= 1);
  }
}

TEST_CASE("a sender that sent nothing has nothing to report") {
  SenderStats s(Ssrc{1}, 48'000);
  CHECK(!s.sender_info(kNow));
}

TEST_CASE("the report's timestamp is the last packet's, moved by the time since") {
  SenderStats s(Ssrc{1}, 48'000);
  s.on_sent(RtpTime{0xffffff00}, 80, kNow);
  s.on_retransmission(70);
  const auto info = s.sender_info(later(kNow, millis(10)));
  REQUIRE(info);
  CHECK(info->ntp == later(kNow, millis(10)));
  CHECK(info->rtp.minus(RtpTime{0xffffff00}) >= 479);
  CHECK(info->rtp.minus(RtpTime{0xffffff00}) <= 480);
  CHECK(info->packets == 2);
  CHECK(info->octets == 150);
  CHECK(s.retransmitted() == 1);
}

TEST_CASE("a frame's later packets and reordered ones do not move the extrapolation") {
  SenderStats s(Ssrc{1}, 90'000);
  s.on_sent(RtpTime{9'000}, 1, kNow);
  s.on_sent(RtpTime{9'000}, 1, later(kNow, millis(5)));
  s.on_sent(RtpTime{6'000}, 1, later(kNow, millis(6)));
  CHECK(s.sender_info(kNow)->rtp.v == 9'000);
}

TEST_CASE("audio and video of one publisher keep their distance across the translation") {
  PublisherClock clock;
  const NtpTime theirs = NtpTime::from_unix_us(5'000'000);
  const NtpTime audio = clock.to_ours(theirs, kNow);
  CHECK(audio == kNow);
  // The second track's report is 30 ms later on their clock, but took 200 ms longer to arrive.
  const NtpTime video = clock.to_ours(later(theirs, millis(30)), later(kNow, millis(230)));
  CHECK(between(video, audio).us >= 29'999);
  CHECK(between(video, audio).us <= 30'000);
}

TEST_CASE("an anchor from the publisher's report outranks the last packet until it is dropped") {
  SenderStats s(Ssrc{1}, 48'000);
  s.on_sent(RtpTime{1'000}, 1, kNow);
  s.anchor({later(kNow, seconds(-2)), RtpTime{500'000}});
  CHECK(s.sender_info(kNow)->rtp.v == 500'000 + 96'000);
  s.on_sent(RtpTime{1'960}, 1, later(kNow, millis(20)));
  CHECK(s.sender_info(kNow)->rtp.v == 596'000);
  s.drop_anchor();
  CHECK(s.sender_info(later(kNow, millis(20)))->rtp.v == 1'960);
}

TEST_CASE("reports about this SSRC give loss, jitter and a smoothed round trip") {
  SenderStats s(Ssrc{7}, 48'000);
  CHECK(!s.rtt());
  ReportBlock b{.source = Ssrc{8}};
  CHECK(!s.on_report(b, kNow));
  b = {.source = Ssrc{7}, .fraction_lost = 64, .cumulative_lost = 12, .jitter = 480};
  CHECK(s.on_report(b, kNow));
  CHECK(!s.rtt());
  CHECK(s.fraction_lost() == 64);
  CHECK(s.lost() == 12);
  CHECK(s.jitter() == millis(10));
  b.lsr = kNow.compact();
  s.on_report(b, later(kNow, millis(80)));
  CHECK(std::abs(s.rtt()->us - 80'000) < 20);
  b.lsr = later(kNow, seconds(1)).compact();
  s.on_report(b, later(kNow, millis(1'160)));
  CHECK(std::abs(s.rtt()->us - 90'000) < 40);
  CHECK(s.reports() == 3);
}

TEST_CASE("reports are spread over half to one and a half intervals, the first earlier") {
  CHECK(report_delay(seconds(1), 0) == millis(500));
  CHECK(report_delay(seconds(1), UINT32_MAX).us >= 1'499'999);
  CHECK(report_delay(seconds(1), 0x80000000) == seconds(1));
  CHECK(report_delay(seconds(1), 0x80000000, true) == millis(500));
}
