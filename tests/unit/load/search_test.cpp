#include "tools/load/search.h"

#include <algorithm>

#include <doctest/doctest.h>

using namespace sluice::load;

namespace {

/// A system that carries `capacity` sessions and loses the rest, and a generator that keeps up to `able`.
Search found(uint32_t capacity, SearchLimits limits, uint32_t able = UINT32_MAX) {
  Search s(limits);
  while (const auto n = s.next()) {
    CHECK(*n >= 1);
    CHECK(*n <= limits.most);
    const double loss = *n > capacity ? 1 - static_cast<double>(capacity) / *n : 0;
    s.on_result({*n, loss, *n <= able});
  }
  return s;
}

}  // namespace

TEST_CASE("The search ends within its precision below the capacity") {
  for (const uint32_t capacity : {3U, 100U, 999U, 4711U, 31'000U}) {
    const Search s = found(capacity, {.first = 50, .most = 100'000});
    CHECK(s.best() <= capacity + capacity / 1000 + 1);
    CHECK(s.best() >= capacity * 97 / 100 - 1);
    CHECK_FALSE(s.lower_bound());
    CHECK(s.trials() <= 24);
  }
}

TEST_CASE("A system that carries the most that was asked for is a lower bound") {
  const Search s = found(1'000'000, {.first = 100, .most = 5'000});
  CHECK(s.best() == 5'000);
  CHECK(s.lower_bound());
  CHECK_FALSE(s.generator_failed());
}

TEST_CASE("Where the generator gives up first the result says so") {
  const Search s = found(1'000'000, {.first = 100, .most = 100'000}, 2'000);
  CHECK(s.best() <= 2'000);
  CHECK(s.best() >= 1'900);
  CHECK(s.generator_failed());
  CHECK(s.lower_bound());
}

TEST_CASE("A system that carries nothing is found out") {
  const Search s = found(0, {.first = 64, .most = 1'000});
  CHECK(s.best() == 0);
  CHECK_FALSE(s.lower_bound());
}

TEST_CASE("The number of trials is bounded") {
  const Search s = found(777'777, {.first = 1, .most = 4'000'000'000, .precision = 0, .max_trials = 10});
  CHECK(s.trials() == 10);
}
