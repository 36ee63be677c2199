#include "tools/bench/statistics.h"

#include <doctest/doctest.h>

using namespace sluice::bench;

namespace {

constexpr Bar kAtLeast{Bar::Side::at_least, 1.4};
constexpr Bar kAtMost{Bar::Side::at_most, 1.0};

Verdict judged(std::vector<double> values, const std::optional<Bar>& bar) {
  return judge(spread_of(std::move(values)), bar);
}

}  // namespace

TEST_CASE("The median lies in the middle, whatever the order of the values") {
  const Spread odd = spread_of({3, 1, 2});
  CHECK(odd.median == 2);
  CHECK(odd.low == 1);
  CHECK(odd.high == 3);
  CHECK(odd.n == 3);
  CHECK(spread_of({4, 1, 3, 2}).median == 2.5);
  CHECK(spread_of({7}).median == 7);
}

TEST_CASE("Nothing measured is no value and no verdict") {
  CHECK(spread_of({}).n == 0);
  CHECK(judged({}, kAtLeast) == Verdict::unmeasured);
  CHECK(judged({}, std::nullopt) == Verdict::unmeasured);
}

TEST_CASE("A bar is passed when every round passes it, the bar itself included") {
  CHECK(judged({1.4, 1.5, 1.6, 1.7, 1.8}, kAtLeast) == Verdict::passed);
  CHECK(judged({0.5, 0.6, 0.7, 0.8, 1.0}, kAtMost) == Verdict::passed);
}

TEST_CASE("A range that crosses the bar decides nothing, even where the median is fine") {
  CHECK(judged({1.39, 1.5, 1.6, 1.7, 1.8}, kAtLeast) == Verdict::undecided);
  CHECK(judged({1.0, 1.1, 1.2, 1.3, 1.41}, kAtLeast) == Verdict::undecided);
  CHECK(judged({0.5, 0.6, 0.7, 0.8, 1.01}, kAtMost) == Verdict::undecided);
}

TEST_CASE("A bar is missed when every round misses it") {
  CHECK(judged({1.0, 1.1, 1.2, 1.3, 1.39}, kAtLeast) == Verdict::missed);
  CHECK(judged({1.01, 1.1, 1.2, 1.3, 1.4}, kAtMost) == Verdict::missed);
}

TEST_CASE("Fewer than five rounds decide nothing") {
  CHECK(judged({2, 2, 2, 2}, kAtLeast) == Verdict::undecided);
  CHECK(judged({1, 1, 1, 1}, kAtLeast) == Verdict::undecided);
}

TEST_CASE("What has no bar is for comparison only") {
  CHECK(judged({1, 2, 3, 4, 5}, std::nullopt) == Verdict::no_bar);
}
