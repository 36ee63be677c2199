#include "net/rtp/receive_stats.h"

#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

namespace {
constexpr Micros kStart = seconds(1);
/// 20 ms Opus packets, on time.
struct Stream {
  ReceiveStats stats{Ssrc{7}, 48'000};
  Arrival packet(int n, Micros late = {}) {
    return stats.on_packet(SeqNo{static_cast<uint16_t>(n)}, RtpTime{static_cast<uint32_t>(n) * 960},
                           kStart + millis(20) * n + late, 100);
  }
};
}  // namespace

TEST_CASE("a perfect stream has no loss and no jitter") {
  Stream s;
  CHECK(s.packet(65'000) == Arrival::first);
  for (int n = 65'001; n < 66'000; ++n) CHECK(s.packet(n) == Arrival::in_order);
  const ReportBlock b = s.stats.report(kStart);
  CHECK(b.source.v == 7);
  CHECK(b.fraction_lost == 0);
  CHECK(b.cumulative_lost == 0);
  CHECK(b.highest_seq == 65'999);  // one cycle and 463
  CHECK(b.jitter == 0);
  CHECK(s.stats.packets() == 1'000);
  CHECK(s.stats.bytes() == 100'000);
}

TEST_CASE("loss is counted per interval and in total (RFC 3550 A.3)") {
  Stream s;
  for (int n = 0; n < 100; ++n)
    if (n % 4 != 3) s.packet(n);
  s.packet(99);
  ReportBlock b = s.stats.report(kStart);
  CHECK(b.cumulative_lost == 24);
  CHECK(b.fraction_lost == 24 * 256 / 100);
  for (int n = 100; n < 200; ++n) s.packet(n);
  b = s.stats.report(kStart);
  CHECK(b.cumulative_lost == 24);
  CHECK(b.fraction_lost == 0);
  CHECK(s.stats.report(kStart).fraction_lost == 0);
}

TEST_CASE("when all is lost but the last packet the fraction stays within a byte") {
  Stream s;
  s.packet(0);
  s.stats.report(kStart);
  s.packet(2'999);
  CHECK(s.stats.report(kStart).fraction_lost == 255);
}

TEST_CASE("reordered packets are no loss, duplicates count as received") {
  Stream s;
  s.packet(10);
  CHECK(s.packet(12) == Arrival::gap);
  CHECK(s.packet(11) == Arrival::reordered);
  CHECK(s.packet(11) == Arrival::duplicate);
  CHECK(s.packet(12) == Arrival::duplicate);
  CHECK(s.packet(13) == Arrival::in_order);
  const ReportBlock b = s.stats.report(kStart);
  CHECK(b.cumulative_lost == -2);
  CHECK(b.fraction_lost == 0);
  CHECK(s.stats.duplicates() == 2);
}

TEST_CASE("a packet from before the first one is expected from then on") {
  Stream s;
  s.packet(10);
  CHECK(s.packet(8) == Arrival::reordered);
  CHECK(s.stats.lost() == 1);
  CHECK(s.packet(9) == Arrival::reordered);
  CHECK(s.stats.lost() == 0);
}

TEST_CASE("one packet from far away is not believed, two in sequence are, and totals survive") {
  Stream s;
  for (int n = 100; n < 110; ++n)
    if (n != 105) s.packet(n);
  CHECK(s.packet(20'000) == Arrival::suspect);
  CHECK(s.packet(110) == Arrival::in_order);
  CHECK(s.packet(20'001) == Arrival::suspect);
  CHECK(s.packet(20'002) == Arrival::restarted);
  CHECK(s.packet(20'003) == Arrival::in_order);
  CHECK(s.stats.restarts() == 1);
  CHECK(s.stats.lost() == 1);
  CHECK(s.stats.expected() == 13);
  CHECK(s.stats.highest_seq() == 20'003);
  // Back again: the extended number still grows.
  s.packet(50);
  CHECK(s.packet(51) == Arrival::restarted);
  CHECK(s.stats.highest_seq() == 0x10000 + 51);
  CHECK(s.stats.lost() == 1);
}

TEST_CASE("interarrival jitter follows RFC 3550 A.8") {
  Stream s;
  s.packet(0);
  s.packet(1, millis(10));
  // d = 480 ticks: J += (480 - 0) / 16.
  CHECK(s.stats.jitter_ticks() == 30);
  s.packet(2, millis(10));
  CHECK(s.stats.jitter_ticks() == 28);
  s.packet(3);
  CHECK(s.stats.jitter_ticks() == 56);
  CHECK(s.stats.jitter() == from_ticks(56, 48'000));
}

TEST_CASE("jitter settles on the mean deviation and forgets a jump of the timestamps") {
  Stream s;
  for (int n = 0; n < 2'000; ++n) s.packet(n, millis(n % 2 == 0 ? 0 : 4));
  CHECK(s.stats.jitter_ticks() > 180);
  CHECK(s.stats.jitter_ticks() <= 192);
  const uint32_t before = s.stats.jitter_ticks();
  s.stats.on_packet(SeqNo{2'000}, RtpTime{0x80000000}, kStart + seconds(40), 1);
  CHECK(s.stats.jitter_ticks() == before);
}

TEST_CASE("LSR and DLSR echo the last sender report") {
  Stream s;
  s.packet(0);
  CHECK(s.stats.report(kStart).lsr == 0);
  CHECK(s.stats.report(kStart).dlsr == 0);
  s.stats.on_sender_report(NtpTime{0x0000aaaabbbb0000}, kStart);
  // RFC 3550 §6.4.1's figure: a delay of 5.25 s is 0x00054000.
  const ReportBlock b = s.stats.report(kStart + millis(5'250));
  CHECK(b.lsr == 0xaaaabbbb);
  CHECK(b.dlsr == 0x00054000);
}

TEST_CASE("cumulative loss stays within 24 bits") {
  ReceiveStats s(Ssrc{1}, 90'000);
  for (uint32_t i = 0; i < 4'000; ++i)
    s.on_packet(SeqNo{static_cast<uint16_t>(i * 2'999)}, RtpTime{}, kStart, 0);
  CHECK(s.lost() > 0x7fffff);
  CHECK(s.report(kStart).cumulative_lost == 0x7fffff);
}

TEST_CASE("random loss, reordering and duplication agree with a set of what arrived") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    ReceiveStats s(Ssrc{1}, 48'000);
    const int base = static_cast<int>(random() % 65'536);
    std::set<int> arrived;
    uint64_t received = 0;
    int newest = base;
    for (int n = base; n < base + 70'000; ++n) {
      if (random() % 50 == 0 && n != base) continue;
      // Up to 60 back: within the window in which duplicates are recognised.
      const int back = random() % 20 == 0 ? static_cast<int>(random() % 60) : 0;
      const int seq = std::max(n - back, base);
      const Arrival a = s.on_packet(SeqNo{static_cast<uint16_t>(seq)}, RtpTime{}, kStart, 1);
      ++received;
      REQUIRE((a == Arrival::duplicate) == !arrived.insert(seq).second);
      newest = std::max(newest, seq);
      arrived.erase(arrived.begin(), arrived.lower_bound(newest - 64));
    }
    REQUIRE(s.packets() == received);
    REQUIRE(s.expected() == static_cast<uint64_t>(newest - base + 1));
    REQUIRE(s.highest_seq() == static_cast<uint32_t>(newest));
  }
}
