#include "tools/load/histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using sluice::load::Histogram;

TEST_CASE("A percentile is at most a 32nd above the true one, and never below") {
  std::mt19937_64 random(1);
  std::vector<int64_t> values;
  Histogram h;
  for (int i = 0; i < 20'000; ++i) {
    const auto v = static_cast<int64_t>(random() >> (24 + random() % 40));
    values.push_back(v);
    h.add(v);
  }
  std::ranges::sort(values);
  for (const double p : {0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<size_t>(p / 100 * static_cast<double>(values.size()) + 0.999999) - 1;
    const int64_t exact = values[std::min(rank, values.size() - 1)];
    CHECK(h.percentile(p) >= exact);
    CHECK(h.percentile(p) <= exact + exact / 32);
  }
  CHECK(h.min() == values.front());
  CHECK(h.max() == values.back());
  CHECK(h.count() == values.size());
}

TEST_CASE("Small values are exact, what is out of range goes to the ends") {
  Histogram h;
  CHECK(h.percentile(50) == 0);
  for (int64_t v = 0; v < 64; ++v) h.add(v);
  CHECK(h.percentile(50) == 31);
  CHECK(h.percentile(100) == 63);
  h.add(-5);
  CHECK(h.min() == 0);
  h.add(INT64_MAX);
  CHECK(h.max() == Histogram::kLargest);
  CHECK(h.percentile(100) == Histogram::kLargest);
}

TEST_CASE("Two histograms become what one would have been") {
  Histogram a, b, both;
  for (int64_t i = 1; i < 1000; ++i) {
    (i % 3 == 0 ? a : b).add(i * i);
    both.add(i * i);
  }
  a.merge(b);
  a.merge(Histogram());
  CHECK(a.count() == both.count());
  CHECK(a.min() == both.min());
  CHECK(a.max() == both.max());
  CHECK(a.mean() == doctest::Approx(both.mean()));
  for (const double p : {10.0, 50.0, 99.0}) CHECK(a.percentile(p) == both.percentile(p));
}
