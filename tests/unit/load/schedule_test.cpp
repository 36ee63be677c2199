#include "tools/load/schedule.h"

#include <set>

#include <doctest/doctest.h>

#include "tools/load/traffic.h"

using namespace sluice::load;

TEST_CASE("Every session has one slot per interval, evenly spread, in order") {
  constexpr Nanos kInterval = 20'000'000, kStart = 5'000;
  for (const uint32_t sessions : {1U, 3U, 1000U, 7001U}) {
    Schedule s(sessions, kInterval, kStart);
    Nanos before = 0;
    for (uint32_t round = 0; round < 3; ++round)
      for (uint32_t i = 0; i < sessions; ++i, s.advance()) {
        REQUIRE(s.next().session == i);
        REQUIRE(s.next().round == round);
        REQUIRE(s.next().at == kStart + round * kInterval + i * kInterval / sessions);
        REQUIRE(s.next().at >= before);
        before = s.next().at;
      }
  }
}

TEST_CASE("A schedule of nobody is never due") { CHECK(Schedule(0, 1, 1).next().at == kNanosNever); }

TEST_CASE("Traffic of one size is just that") {
  const Traffic t(172);
  CHECK(t.bytes(5, 12345) == 172);
  CHECK(t.activity() == 1);
}

TEST_CASE("With DTX a stream talks and pauses; in pauses something comes every 400 ms") {
  const Traffic t = Traffic::dtx(20'000'000);
  CHECK(t.activity() > 0.3);
  CHECK(t.activity() < 0.6);
  std::set<uint16_t> sizes;
  uint32_t silent = 0, longest = 0;
  for (uint32_t slot = 0; slot < 8192; ++slot) {
    const uint16_t n = t.bytes(7, slot);
    sizes.insert(n);
    silent = n == 0 ? silent + 1 : 0;
    longest = std::max(longest, silent);
  }
  CHECK(longest == 19);
  CHECK(sizes.contains(Traffic::kComfort));
  CHECK(*sizes.rbegin() <= 140);
  CHECK(sizes.size() > 40);
}

TEST_CASE("Streams do not talk in step") {
  const Traffic t = Traffic::dtx(20'000'000);
  int same = 0;
  for (uint32_t slot = 0; slot < 1000; ++slot) same += t.bytes(1, slot) == t.bytes(2, slot);
  CHECK(same < 700);
}
