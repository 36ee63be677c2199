#include "tools/bench/statistics.h"

#include <algorithm>

namespace sluice::bench {

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back(), values.size()};
}

Verdict judge(const Spread& s, const std::optional<Bar>& bar) {
  if (s.n == 0) return Verdict::unmeasured;
  if (!bar) return Verdict::no_bar;
  const bool at_least = bar->side == Bar::Side::at_least;
  const bool worst_is_fine = at_least ? s.low >= bar->value : s.high <= bar->value;
  const bool best_is_fine = at_least ? s.high >= bar->value : s.low <= bar->value;
  if (!best_is_fine) return s.n < kEnough ? Verdict::undecided : Verdict::missed;
  return worst_is_fine && s.n >= kEnough ? Verdict::passed : Verdict::undecided;
}

std::string_view name(Verdict v) {
  switch (v) {
    case Verdict::passed:
      return "passed";
    case Verdict::missed:
      return "missed";
    case Verdict::undecided:
      return "undecided";
    case Verdict::unmeasured:
      return "not measured";
    case Verdict::no_bar:
      break;
  }
  return "";
}

}  // namespace sluice::bench
