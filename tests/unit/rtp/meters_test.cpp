#include "net/rtp/meters.h"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

TEST_CASE("a steady stream's rate is its rate, and fades within a second when it stops") {
  RateMeter m;
  Micros now = seconds(5);
  for (int i = 0; i < 100; ++i, now += millis(20)) m.add(now, 100);
  const uint64_t rate = m.bits_per_second(now - millis(1));
  CHECK(rate >= 36'000);
  CHECK(rate <= 40'000);
  CHECK(m.bits_per_second(now + millis(500)) < rate);
  CHECK(m.bits_per_second(now + seconds(1)) == 0);
  CHECK(m.bits_per_second(now + seconds(1'000'000)) == 0);
}

TEST_CASE("a time that goes back a little is counted, not lost") {
  RateMeter m;
  m.add(seconds(10), 10);
  m.add(seconds(10) - millis(250), 10);
  CHECK(m.bits_per_second(seconds(10)) == 160);
}

TEST_CASE("the loudest level of the last second") {
  LevelMeter m;
  CHECK(!m.loudest(seconds(1)));
  m.add(seconds(1), 40);
  m.add(seconds(1) + millis(500), 30);
  m.add(seconds(1) + millis(510), 127);
  CHECK(m.loudest(seconds(1) + millis(600)) == 30);
  CHECK(m.loudest(seconds(2) + millis(400)) == 30);
  m.add(seconds(2) + millis(450), 127);
  CHECK(m.loudest(seconds(2) + millis(600)) == 127);
  CHECK(!m.loudest(seconds(9)));
}
