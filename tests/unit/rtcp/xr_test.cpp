#include "net/rtcp/xr.h"

#include <array>

#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

TEST_CASE("receiver reference time and DLRR of RFC 3611 sections 4.4 and 4.5") {
  Packet p(20);
  CHECK(write_xr_rrtr(p, Ssrc{1}, NtpTime{0x1122334455667788}) == 20);
  CHECK(p == Packet{0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88});
  const auto rrtr = parse_xr(only(p));
  REQUIRE(rrtr);
  CHECK(rrtr->sender.v == 1);
  CHECK(rrtr->reference_time == NtpTime{0x1122334455667788});
  CHECK(rrtr->dlrr_count() == 0);

  const std::array entries{DlrrEntry{Ssrc{2}, 3, 4}, DlrrEntry{Ssrc{5}, 6, 0xffffffff}};
  p.resize(36);
  CHECK(write_xr_dlrr(p, Ssrc{1}, entries) == 36);
  const auto dlrr = parse_xr(only(p));
  REQUIRE(dlrr);
  CHECK(!dlrr->reference_time);
  REQUIRE(dlrr->dlrr_count() == 2);
  CHECK(dlrr->dlrr(1).receiver.v == 5);
  CHECK(dlrr->dlrr(1).lrr == 6);
  CHECK(dlrr->dlrr(1).dlrr == 0xffffffff);
  needs_exactly(20, [](MutBytes dst) { return write_xr_rrtr(dst, Ssrc{1}, {}); });
  needs_exactly(36, [&](MutBytes dst) { return write_xr_dlrr(dst, Ssrc{1}, entries); });
}

TEST_CASE("blocks of other types and of odd lengths are passed over, overruns are not") {
  // A block of type 1 with one word, a reference time of one word, then a good one.
  const auto xr = parse_xr(only(Packet{0x80, 207, 0, 8, 0, 0, 0, 1, 1, 0, 0, 1, 9, 9, 9, 9, 4, 0,
                                       0,    1,   9, 9, 9, 9, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5}));
  REQUIRE(xr);
  CHECK(xr->reference_time == NtpTime{5});
  CHECK(!parse_xr(only(Packet{0x80, 207, 0, 2, 0, 0, 0, 1, 4, 0, 0, 2})));
  CHECK(!parse_xr(only(Packet{0x80, 207, 0, 0})));
  CHECK(parse_xr(only(Packet{0x80, 207, 0, 3, 0, 0, 0, 1, 5, 0, 0, 1, 0, 0, 0, 1}))->dlrr_count() == 0);
  CHECK(parse_xr(only(Packet{0x80, 207, 0, 1, 0, 0, 0, 1})));
}
