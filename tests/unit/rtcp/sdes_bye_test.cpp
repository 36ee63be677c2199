#include <array>
#include <string>

#include "net/rtcp/bye.h"
#include "net/rtcp/sdes.h"
#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

TEST_CASE("CNAMEs of every length round-trip and end at a 32-bit boundary") {
  for (size_t n = 1; n <= 255; ++n) {
    const std::string cname(n, 'c');
    Packet p(300);
    p.resize(write_sdes_cname(p, Ssrc{5}, cname));
    REQUIRE(!p.empty());
    CHECK(p.size() % 4 == 0);
    CHECK(p.back() == 0);
    CHECK(find_cname(only(p), Ssrc{5}) == cname);
    CHECK(find_cname(only(p), Ssrc{6}).empty());
  }
  Packet p(300);
  CHECK(write_sdes_cname(p, Ssrc{5}, "") == 0);
  CHECK(write_sdes_cname(p, Ssrc{5}, std::string(256, 'c')) == 0);
  needs_exactly(16, [](MutBytes dst) { return write_sdes_cname(dst, Ssrc{5}, "abcde"); });
}

TEST_CASE("every item of every chunk of RFC 3550 section 6.5 is seen") {
  // Two chunks: CNAME "ab" and NAME "", then TOOL "xyz"; the first ends with four zero bytes.
  const Packet p{0x82, 202, 0, 6,                                          //
                 0,    0,   0, 1, 1, 2, 'a', 'b', 2, 0, 7, 0, 0, 0, 0, 0,  //
                 0,    0,   0, 2, 6, 2, 'x', 'y'};
  Packet broken = p;
  SdesReader reader(only(p));
  SdesItem item;
  REQUIRE(reader.next(item));
  CHECK(item.source.v == 1);
  CHECK(item.type == kSdesCname);
  CHECK(item.text == "ab");
  REQUIRE(reader.next(item));
  CHECK(item.type == 2);
  CHECK(item.text.empty());
  REQUIRE(reader.next(item));
  CHECK(item.type == 7);
  REQUIRE(reader.next(item));
  CHECK(item.source.v == 2);
  CHECK(item.text == "xy");
  // The last chunk has no end of its list.
  CHECK(!reader.next(item));
  CHECK(!reader.ok());
}

TEST_CASE("SDES of no chunk is well-formed, a chunk that is not there is not") {
  SdesItem item;
  SdesReader none(only(Packet{0x80, 202, 0, 0}));
  CHECK(!none.next(item));
  CHECK(none.ok());
  SdesReader missing(only(Packet{0x81, 202, 0, 0}));
  CHECK(!missing.next(item));
  CHECK(!missing.ok());
  SdesReader overrun(only(Packet{0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 'a', 'b'}));
  CHECK(!overrun.next(item));
  CHECK(!overrun.ok());
  SdesReader other(only(Packet{0x81, 203, 0, 1, 0, 0, 0, 1}));
  CHECK(!other.next(item));
}

TEST_CASE("BYE with and without a reason round-trips") {
  const std::array sources{Ssrc{1}, Ssrc{0xffffffff}};
  for (const std::string& reason :
       {std::string(), std::string("x"), std::string("abc"), std::string(255, 'r')}) {
    Packet p(300);
    p.resize(write_bye(p, sources, reason));
    const auto bye = parse_bye(only(p));
    REQUIRE(bye);
    CHECK(bye->source_count() == 2);
    CHECK(bye->source(1).v == 0xffffffff);
    CHECK(bye->reason == reason);
  }
  needs_exactly(12, [&](MutBytes dst) { return write_bye(dst, sources); });
  needs_exactly(16, [&](MutBytes dst) { return write_bye(dst, sources, "abc"); });
  Packet p(600);
  CHECK(write_bye(p, {}) == 0);
  CHECK(write_bye(p, sources, std::string(256, 'r')) == 0);
}

TEST_CASE("BYE with fewer sources than it counts, or a longer reason than it has, is refused") {
  CHECK(!parse_bye(only(Packet{0x82, 203, 0, 1, 0, 0, 0, 1})));
  CHECK(!parse_bye(only(Packet{0x81, 203, 0, 2, 0, 0, 0, 1, 4, 'a', 'b', 'c'})));
  CHECK(parse_bye(only(Packet{0x80, 203, 0, 0}))->source_count() == 0);
}
