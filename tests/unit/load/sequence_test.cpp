#include <array>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "tools/load/mark.h"

using namespace sluice;
using namespace sluice::load;

TEST_CASE("A packet says who sent it, which it is and when it was meant to leave") {
  std::array<uint8_t, 172> p{};
  const Mark m{0xDEADBEEF, 4711, Way::down, 123456, 987654321012345};
  write_rtp(p, m);
  REQUIRE(is_rtp(p));
  const Mark r = read_mark(p);
  CHECK(r.run == m.run);
  CHECK(r.session == m.session);
  CHECK(r.way == m.way);
  CHECK(r.number == m.number);
  CHECK(r.intended == m.intended);
  CHECK((p[1] & 0x7F) == 111);
  CHECK(load_be<uint16_t>(&p[2]) == static_cast<uint16_t>(m.number));
}

TEST_CASE("The shortest packet has room for header and mark") {
  std::array<uint8_t, kMinPacket> p{};
  write_rtp(p, {1, 2, Way::up, 3, 4});
  CHECK(is_rtp(p));
  CHECK(read_mark(p).number == 3);
  CHECK_FALSE(is_rtp(Bytes(p).first(kMinPacket - 1)));
}

TEST_CASE("Order, disorder, duplicates and stragglers are told apart") {
  Sequence s;
  CHECK(s.on(10) == Arrival::newest);
  CHECK(s.on(10) == Arrival::duplicate);
  CHECK(s.on(13) == Arrival::newest);
  CHECK(s.on(11) == Arrival::reordered);
  CHECK(s.on(11) == Arrival::duplicate);
  CHECK(s.on(10) == Arrival::duplicate);
  CHECK(s.on(9) == Arrival::reordered);
  CHECK(s.on(300) == Arrival::newest);
  CHECK(s.on(173) == Arrival::reordered);
  CHECK(s.on(172) == Arrival::stale);
}

TEST_CASE("Whatever the order, each number counts once") {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    Sequence s;
    std::set<uint32_t> seen;
    uint32_t newest = 0;
    for (uint32_t at = 1000; at < 4000; at += static_cast<uint32_t>(random() % 3)) {
      const uint32_t n = at - static_cast<uint32_t>(random() % 60);
      const Arrival a = s.on(n);
      CHECK(a != Arrival::stale);
      CHECK((a == Arrival::duplicate) == seen.contains(n));
      CHECK((a == Arrival::newest) == (seen.empty() || n > newest));
      seen.insert(n);
      newest = std::max(newest, n);
    }
  }
}
