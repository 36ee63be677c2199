#include "tools/load/figures.h"

#include <doctest/doctest.h>

using namespace sluice::load;

namespace {

/// A second of an unstressed generator.
Figures calm() {
  Figures f;
  f.up.sent = f.up.expected = f.up.delivered = 100'000;
  for (int i = 0; i < 1000; ++i) f.lag.add(20'000);
  f.elapsed = kSecond;
  f.idle = kSecond / 2;
  return f;
}

}  // namespace

TEST_CASE("A generator that keeps its schedule is not the limit") {
  CHECK(generator_limits(calm(), {}).empty());
}

TEST_CASE("Lost packets alone do not make a result invalid") {
  Figures f = calm();
  f.up.delivered = 50'000;
  CHECK(f.loss() == doctest::Approx(0.5));
  CHECK(generator_limits(f, {}).empty());
}

TEST_CASE("A late schedule is flagged") {
  Figures f = calm();
  for (int i = 0; i < 20; ++i) f.lag.add(3'000'000);
  CHECK(generator_limits(f, {.max_lag_ms = 2}).size() == 1);
  CHECK(generator_limits(f, {.max_lag_ms = 4}).empty());
}

TEST_CASE("A saturated core is flagged, with two threads only when both are") {
  Figures f = calm();
  f.idle = kSecond / 100;
  CHECK(generator_limits(f, {}).size() == 1);
  f.idle = kSecond;
  CHECK(generator_limits(f, {.threads = 2}).empty());
}

TEST_CASE("Drops in the generator's own buffers are flagged") {
  Figures f = calm();
  f.wire.rx_dropped = 11;
  CHECK(generator_limits(f, {}).size() == 1);
  f.wire.tx_refused = 11;
  CHECK(generator_limits(f, {}).size() == 2);
  f.wire = {.tx_refused = 5, .rx_dropped = 5};
  CHECK(generator_limits(f, {}).empty());
}

TEST_CASE("Figures of threads add up") {
  Figures a = calm();
  Figures b = calm();
  b.down.sent = b.down.expected = 10;
  a.merge(b);
  CHECK(a.sent() == 200'010);
  CHECK(a.delivered() == 200'000);
  CHECK(a.down.lost() == 10);
  CHECK(a.elapsed == kSecond);
  CHECK(a.idle == kSecond);
  CHECK(a.lag.count() == 2000);
}

TEST_CASE("The setup rate is that of the sessions between the first and the last") {
  SetupFigures s;
  CHECK(s.per_second() == 0);
  s.ready = 500;
  s.first = kSecond;
  s.last = 3 * kSecond;
  CHECK(s.per_second() == doctest::Approx(250));
}
