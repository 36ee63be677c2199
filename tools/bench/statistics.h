// Medians, ranges and verdicts. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sluice::bench {

struct Spread {
  double median = 0, low = 0, high = 0;
  size_t n = 0;  ///< values; 0: nothing was measured
};
/// An even number of values has the mean of the two in the middle as its median.
Spread spread_of(std::vector<double> values);

/// What a figure has to reach.
struct Bar {
  enum class Side : uint8_t { at_least, at_most };
  Side side = Side::at_least;
  double value = 0;
};

enum class Verdict : uint8_t {
  passed,      ///< the whole range lies on the right side
  missed,      ///< the whole range lies on the wrong side
  undecided,   ///< the range crosses the bar, or there are fewer than kEnough values
  unmeasured,  ///< there is no value
  no_bar,      ///< printed for comparison only
};
/// Fewer values than this have no range to speak of.
inline constexpr size_t kEnough = 5;

Verdict judge(const Spread& spread, const std::optional<Bar>& bar);
std::string_view name(Verdict v);

}  // namespace sluice::bench
