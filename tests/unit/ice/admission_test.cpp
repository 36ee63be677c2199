#include "net/ice/admission.h"

#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::ice;

namespace {

constexpr AdmissionConfig kConfig{.bytes_per_second = 1000, .burst_bytes = 5000};
constexpr HashSeed kSeed{1, 2};

Address v4(uint32_t host_order) { return Address::v4(host_order); }

uint32_t spend_all(Admission& a, const Address& from, Micros now, uint32_t step = 100) {
  uint32_t sum = 0;
  while (a.admit(from, step, now)) sum += step;
  return sum;
}

}  // namespace

TEST_CASE("a prefix may spend its burst at once and then its rate") {
  std::vector<Admission::Line> memory(16);
  Admission a(memory, kSeed, kConfig);
  const Address from = v4(0xC6336401);
  CHECK(spend_all(a, from, seconds(1)) == 5000);
  CHECK(spend_all(a, from, seconds(2)) == 1000);
  CHECK(spend_all(a, from, seconds(100)) == 5000);
}

TEST_CASE("frequent calls do not starve a bucket") {
  std::vector<Admission::Line> memory(16);
  Admission a(memory, kSeed, {.bytes_per_second = 10, .burst_bytes = 100});
  const Address from = v4(0xC6336401);
  spend_all(a, from, seconds(1), 1);
  uint32_t admitted = 0;
  for (int ms = 0; ms < 10'000; ++ms) admitted += a.admit(from, 1, seconds(1) + millis(ms)) ? 1U : 0U;
  CHECK(admitted >= 98);
  CHECK(admitted <= 100);
}

TEST_CASE("addresses of one /24 or one /56 share a budget, neighbours do not") {
  std::vector<Admission::Line> memory(64);
  Admission a(memory, kSeed, kConfig);
  CHECK(spend_all(a, v4(0xC6336401), seconds(1)) == 5000);
  CHECK_FALSE(a.admit(v4(0xC63364FF), 1, seconds(1)));
  CHECK(a.admit(v4(0xC6336501), 1, seconds(1)));

  const auto v6 = [](uint8_t seventh, uint8_t last) {
    return Address::v6({0x20, 0x01, 0x0d, 0xb8, 0, 1, seventh, 0, 0, 0, 0, 0, 0, 0, 0, last});
  };
  CHECK(spend_all(a, v6(1, 1), seconds(1)) == 5000);
  CHECK_FALSE(a.admit(v6(1, 200), 1, seconds(1)));
  CHECK(a.admit(v6(2, 1), 1, seconds(1)));
}

TEST_CASE("what is refused is not charged") {
  std::vector<Admission::Line> memory(16);
  Admission a(memory, kSeed, kConfig);
  const Address from = v4(0x0A000001);
  CHECK_FALSE(a.admit(from, 5001, seconds(1)));
  CHECK(a.admit(from, 5000, seconds(1)));
}

TEST_CASE("a flood from a hundred thousand prefixes evicts nobody who is being served") {
  std::vector<Admission::Line> memory(256);
  Admission a(memory, kSeed, kConfig);
  const Address served = v4(0x01020304);
  REQUIRE(a.admit(served, 4000, seconds(1)));
  size_t flood_bytes = 0;
  for (uint32_t i = 0; i < 100'000; ++i)
    flood_bytes += a.admit(v4(0x0B000000 + (i << 8)), 500, seconds(1)) ? 500 : 0;
  // Its own bucket is where it was: 1000 bytes are left, neither refilled nor taken away.
  CHECK(spend_all(a, served, seconds(1)) == 1000);
  CHECK(flood_bytes <= memory.size() * 4 * kConfig.burst_bytes);
}

TEST_CASE("a newcomer during a flood is served from the shared bucket of its line") {
  std::vector<Admission::Line> memory(1);
  Admission a(memory, kSeed, kConfig);
  for (uint32_t i = 0; i < 3; ++i) CHECK(spend_all(a, v4(0x0B000000 + (i << 8)), seconds(1)) == 5000);
  CHECK(a.admit(v4(0x0C000001), 3000, seconds(1)));
  CHECK(a.admit(v4(0x0D000001), 2000, seconds(1)));
  CHECK_FALSE(a.admit(v4(0x0E000001), 100, seconds(1)));
  // Six seconds on the buckets are full again and may be taken over.
  CHECK(spend_all(a, v4(0x0E000001), seconds(7)) == 5000);
}

TEST_CASE("without memory nobody is refused") {
  Admission a;
  for (int i = 0; i < 1000; ++i) CHECK(a.admit(v4(1), 1'000'000, seconds(1)));
}
