#include "net/rtcp/feedback.h"

#include <array>
#include <random>
#include <set>

#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {
std::vector<uint16_t> numbers(const Nack& nack) {
  std::vector<uint16_t> out;
  nack.for_each([&](SeqNo s) { out.push_back(s.v); });
  return out;
}
}  // namespace

TEST_CASE("generic NACK of RFC 4585 section 6.2.1: a number and a mask of the 16 after it") {
  const Packet p{0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0x80, 0x05, 0, 99, 0, 0};
  const auto nack = parse_nack(only(p));
  REQUIRE(nack);
  CHECK(nack->sender.v == 1);
  CHECK(nack->media.v == 2);
  CHECK(nack->pairs() == 2);
  CHECK(numbers(*nack) == std::vector<uint16_t>{65'534, 65'535, 1, 14, 99});
  std::array<SeqNo, 5> list;
  for (size_t i = 0; i < list.size(); ++i) list[i] = {numbers(*nack)[i]};
  needs_exactly(p.size(), [&](MutBytes dst) { return write_nack(dst, Ssrc{1}, Ssrc{2}, list); });
  Packet out(p.size());
  write_nack(out, Ssrc{1}, Ssrc{2}, list);
  CHECK(out == p);
}

TEST_CASE("a NACK without a pair or of another type is refused") {
  CHECK(!parse_nack(only(Packet{0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2})));
  CHECK(!parse_nack(only(Packet{0x82, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0})));
  Packet p(40);
  CHECK(write_nack(p, Ssrc{1}, Ssrc{2}, {}) == 0);
}

TEST_CASE("random ascending lists round-trip across the wrap in as few pairs as can be") {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<SeqNo> list;
    std::vector<uint16_t> expected;
    auto at = static_cast<uint16_t>(random());
    for (size_t i = 0, n = 1 + random() % 100; i < n; ++i) {
      at = static_cast<uint16_t>(at + 1 + random() % (random() % 4 == 0 ? 40 : 3));
      list.push_back({at});
      expected.push_back(at);
    }
    Packet p(1'000);
    p.resize(write_nack(p, Ssrc{1}, Ssrc{2}, list));
    const auto nack = parse_nack(only(p));
    REQUIRE(nack);
    REQUIRE(numbers(*nack) == expected);
    REQUIRE(nack->pairs() <= list.size());
  }
  std::array<SeqNo, 17> run;
  for (uint16_t i = 0; i < 17; ++i) run[i] = {static_cast<uint16_t>(65'530 + i)};
  Packet p(100);
  CHECK(write_nack(p, Ssrc{1}, Ssrc{2}, run) == 16);
}

TEST_CASE("PLI of RFC 4585 section 6.3.1") {
  const Packet p{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  const auto pli = parse_pli(only(p));
  REQUIRE(pli);
  CHECK(pli->media.v == 2);
  Packet out(12);
  CHECK(write_pli(out, *pli) == 12);
  CHECK(out == p);
  needs_exactly(12, [&](MutBytes dst) { return write_pli(dst, *pli); });
  CHECK(!parse_pli(only(Packet{0x81, 206, 0, 1, 0, 0, 0, 1})));
}

TEST_CASE("FIR of RFC 5104 section 4.3.1") {
  const Packet p{0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 255, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0};
  const auto fir = parse_fir(only(p));
  REQUIRE(fir);
  REQUIRE(fir->size() == 2);
  CHECK((*fir)[0].media.v == 7);
  CHECK((*fir)[0].seq == 255);
  CHECK((*fir)[1].seq == 3);
  const std::array entries{(*fir)[0], (*fir)[1]};
  Packet out(p.size());
  CHECK(write_fir(out, Ssrc{1}, entries) == p.size());
  CHECK(out == p);
  needs_exactly(p.size(), [&](MutBytes dst) { return write_fir(dst, Ssrc{1}, entries); });
  CHECK(write_fir(out, Ssrc{1}, {}) == 0);
  CHECK(!parse_fir(only(Packet{0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0})));
  CHECK(!parse_fir(only(Packet{0x84, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7})));
}

TEST_CASE("REMB carries 18 significant bits of a bitrate, rounded down") {
  const std::array sources{Ssrc{7}, Ssrc{8}};
  for (const uint64_t rate : {0ull, 1ull, 262'143ull, 262'144ull, 2'500'000ull, 0xffffffffull, ~0ull}) {
    Packet p(40);
    p.resize(write_remb(p, Ssrc{1}, rate, sources));
    const auto remb = parse_remb(only(p));
    REQUIRE(remb);
    CHECK(remb->bits_per_second <= rate);
    CHECK(rate - remb->bits_per_second <= rate >> 17);
    REQUIRE(remb->size() == 2);
    CHECK((*remb)[1].v == 8);
  }
  needs_exactly(28, [&](MutBytes dst) { return write_remb(dst, Ssrc{1}, 5, sources); });
}

TEST_CASE("the REMB layout of draft-alvestrand-rmcat-remb section 2.2") {
  const Packet p{0x8f, 206, 0,   5,   0, 0,    0,    1,    0, 0, 0, 0,
                 'R',  'E', 'M', 'B', 1, 0x07, 0xff, 0xff, 0, 0, 0, 7};
  const auto remb = parse_remb(only(p));
  REQUIRE(remb);
  // Exponent 1, mantissa 0x3ffff.
  CHECK(remb->bits_per_second == 0x7fffe);
  Packet other = p;
  other[12] = 'r';
  CHECK(!parse_remb(only(other)));
  other = p;
  other[16] = 2;
  CHECK(!parse_remb(only(other)));
  other = p;
  other[17] = 0xff;
  CHECK(!parse_remb(only(other)));
}
