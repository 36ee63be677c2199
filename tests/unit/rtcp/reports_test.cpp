#include "net/rtcp/reports.h"

#include <array>
#include <random>

#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {
// By the figure of RFC 3550 §6.4.1, one report block.
const Packet kSenderReport{
    0x81, 200,  0,    12,                            // V=2 P=0 RC=1, PT=SR, length
    0xca, 0xfe, 0xba, 0xbe,                          // SSRC of sender
    0xb4, 0x4d, 0xb7, 0x05, 0x20, 0,    0,    0,     // NTP timestamp
    0x00, 0x01, 0x02, 0x03,                          // RTP timestamp
    0,    0,    1,    0,    0,    0,    0xff, 0xff,  // packet count, octet count
    0xde, 0xad, 0xbe, 0xef, 0x40, 0xff, 0xff, 0xfe,  // SSRC_1, fraction 1/4, lost -2
    0,    1,    0,    5,    0,    0,    0,    9,     // highest sequence, jitter
    0xb7, 0x05, 0x20, 0,    0,    5,    0x40, 0,     // LSR, DLSR 5.25 s
};
}  // namespace

TEST_CASE("the sender report of RFC 3550 section 6.4.1") {
  const auto sr = parse_sender_report(only(kSenderReport));
  REQUIRE(sr);
  CHECK(sr->sender.v == 0xcafebabe);
  CHECK(sr->info.ntp.v == 0xb44db70520000000);
  CHECK(sr->info.rtp.v == 0x00010203);
  CHECK(sr->info.packets == 256);
  CHECK(sr->info.octets == 65'535);
  REQUIRE(sr->blocks.size() == 1);
  const ReportBlock b = sr->blocks[0];
  CHECK(b == ReportBlock{Ssrc{0xdeadbeef}, 0x40, -2, 0x10005, 9, 0xb7052000, 0x00054000});
  std::array<ReportBlock, 1> blocks{b};
  needs_exactly(kSenderReport.size(),
                [&](MutBytes dst) { return write_sender_report(dst, sr->sender, sr->info, blocks); });
  Packet out(kSenderReport.size());
  write_sender_report(out, sr->sender, sr->info, blocks);
  CHECK(out == kSenderReport);
}

TEST_CASE("a report with fewer blocks than it counts is refused, extensions behind them are not") {
  Packet p = kSenderReport;
  p[0] = 0x82;
  CHECK(!parse_sender_report(only(p)));
  p[0] = 0x80;
  CHECK(parse_sender_report(only(p))->blocks.size() == 0);
  CHECK(!parse_receiver_report(only(p)));
  CHECK(!parse_sender_report(
      only(Packet{0x80, 200, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1})));
  CHECK(!parse_receiver_report(only(Packet{0x80, 201, 0, 0})));
}

TEST_CASE("receiver reports of 0 to 31 random blocks round-trip, 32 are refused") {
  std::mt19937 random(5);
  std::vector<ReportBlock> blocks;
  for (size_t n = 0; n <= kMaxReportBlocks; ++n) {
    needs_exactly(8 + n * 24, [&](MutBytes dst) { return write_receiver_report(dst, Ssrc{77}, blocks); });
    Packet p(8 + n * 24);
    write_receiver_report(p, Ssrc{77}, blocks);
    const auto rr = parse_receiver_report(only(p));
    REQUIRE(rr);
    CHECK(rr->sender.v == 77);
    REQUIRE(rr->blocks.size() == n);
    for (size_t i = 0; i < n; ++i) CHECK(rr->blocks[i] == blocks[i]);
    const auto u32 = [&] { return static_cast<uint32_t>(random()); };
    const auto lost = static_cast<int32_t>(u32() % 0x1000000) - 0x800000;
    blocks.push_back({Ssrc{u32()}, static_cast<uint8_t>(u32()), lost, u32(), u32(), u32(), u32()});
  }
  Packet p(4'096);
  CHECK(write_receiver_report(p, Ssrc{77}, blocks) == 0);
  CHECK(write_sender_report(p, Ssrc{77}, {}, blocks) == 0);
}
