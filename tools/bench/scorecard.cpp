#include "tools/bench/scorecard.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::bench {

namespace {

bool ran(const Sample& s) { return s.offered > 0 || s.setups > 0; }

}  // namespace

const Entry* Scenario::find(std::string_view wanted) const {
  const auto it = std::ranges::find(entries, wanted, &Entry::key);
  return it == entries.end() ? nullptr : &*it;
}

double value_of(const Sample& s, Measure m) {
  switch (m) {
    case Measure::packets_per_cpu:
    case Measure::cpu_per_packet:
      return s.cpu_ns;
    case Measure::setups_per_cpu:
      return s.setup_us;
    case Measure::resident:
      return s.resident;
    case Measure::reserved:
      return s.reserved;
    case Measure::held:
      return s.held;
    case Measure::loss:
      return s.loss * 100;
    case Measure::p50:
      return s.p50_ms;
    case Measure::p99:
      break;
  }
  return s.p99_ms;
}

std::string_view name(Measure m) {
  switch (m) {
    case Measure::packets_per_cpu:
      return "packets per CPU";
    case Measure::setups_per_cpu:
      return "setups per CPU";
    case Measure::cpu_per_packet:
      return "CPU per packet";
    case Measure::resident:
      return "bytes resident for each";
    case Measure::reserved:
      return "bytes reserved for each";
    case Measure::held:
      return "held at once";
    case Measure::loss:
      return "percent of packets lost";
    case Measure::p50:
      return "p50 latency";
    case Measure::p99:
      break;
  }
  return "p99 latency";
}

std::vector<double> Scenario::ratios(const Comparison& c) const {
  std::vector<double> out;
  const Entry* const ours = find(c.ours);
  const Entry* const rival = find(c.rival);
  if (ours != nullptr && c.rival.empty()) {
    for (const Sample& s : ours->samples)
      if (ran(s)) out.push_back(value_of(s, c.measure));
    return out;
  }
  if (ours == nullptr || rival == nullptr) return out;
  const bool costs = c.measure == Measure::packets_per_cpu || c.measure == Measure::setups_per_cpu;
  for (size_t i = 0; i < std::min(ours->samples.size(), rival->samples.size()); ++i) {
    const double a = value_of(ours->samples[i], c.measure);
    const double b = value_of(rival->samples[i], c.measure);
    if (a > 0 && b > 0) out.push_back(costs ? b / a : a / b);
  }
  return out;
}

Spread spread_of(const Entry& e, double Sample::* member) {
  std::vector<double> values;
  for (const Sample& s : e.samples)
    if (ran(s)) values.push_back(s.*member);
  return spread_of(std::move(values));
}

std::string title_of(const Scenario& s, const Comparison& c) {
  const Entry* const ours = s.find(c.ours);
  const Entry* const rival = s.find(c.rival);
  if (c.rival.empty()) return fmt::format("{}, {}", ours != nullptr ? ours->title : c.ours, name(c.measure));
  return fmt::format("{}, {} of {}", ours != nullptr ? ours->title : c.ours, name(c.measure),
                     rival != nullptr ? rival->title : c.rival);
}

std::string text_of(const std::optional<Bar>& bar) {
  if (!bar) return {};
  return fmt::format("at {} {:g}", bar->side == Bar::Side::at_least ? "least" : "most", bar->value);
}

}  // namespace sluice::bench
