#include <fmt/format.h>

#include "tools/bench/scorecard.h"

namespace sluice::bench {
namespace {

/// A cell cannot hold a bar or a line's end.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string number(const Entry& e, double Sample::* member, double scale, int digits) {
  const Spread s = spread_of(e, member);
  return s.n == 0 || s.median == 0 ? "" : fmt::format("{:.{}f}", s.median * scale, digits);
}

std::string entry_line(const Entry& e) {
  if (!e.absent.empty())
    return fmt::format("| {} | {} | not run: {} |||||||\n", cell(e.title), cell(e.version), cell(e.absent));
  const Spread loss = spread_of(e, &Sample::loss);
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", cell(e.title), cell(e.version),
                     number(e, &Sample::offered, 1, 0), number(e, &Sample::delivered, 1, 0),
                     loss.n == 0 ? "" : fmt::format("{:.3f} %", loss.median * 100),
                     number(e, &Sample::cpu_ns, 1e-3, 2), number(e, &Sample::core_ns, 1e-3, 2),
                     number(e, &Sample::p50_ms, 1, 3), number(e, &Sample::p99_ms, 1, 3),
                     number(e, &Sample::setup_us, 1, 1));
}

std::string comparison_line(const Scenario& s, const Comparison& c) {
  const Spread spread = spread_of(s.ratios(c));
  const std::string median = spread.n == 0 ? "" : fmt::format("**{:.2f}**", spread.median);
  const std::string range =
      spread.n == 0 ? "" : fmt::format("{:.2f} to {:.2f} in {} rounds", spread.low, spread.high, spread.n);
  return fmt::format("| {} | {} | {} | {} | {} |\n", cell(title_of(s, c)), median, range, text_of(c.bar),
                     name(judge(spread, c.bar)));
}

std::string memory_lines(const Scenario& s) {
  if (!s.memory) return {};
  std::string out =
      "\n| who | held at once | bytes resident for each | bytes reserved for each |\n|---|---:|---:|---:|\n";
  for (const Entry& e : s.entries)
    if (e.absent.empty())
      out += fmt::format("| {} | {} | {} | {} |\n", cell(e.title), number(e, &Sample::held, 1, 0),
                         number(e, &Sample::resident, 1, 0), number(e, &Sample::reserved, 1, 0));
  return out;
}

/// What made single runs doubtful, each reason once with its count.
std::string doubts(const Scenario& s) {
  std::string out;
  for (const Entry& e : s.entries) {
    size_t runs = 0;
    std::string first;
    for (const Sample& sample : e.samples) {
      if (sample.doubts.empty()) continue;
      ++runs;
      if (first.empty()) first = sample.doubts.front();
    }
    if (runs > 0)
      out += fmt::format("- {}: in {} of {} runs the generator was not at ease ({})\n", e.title, runs,
                         e.samples.size(), first);
  }
  return out.empty() ? out : "\n" + out;
}

std::string scenario_text(const Scenario& s) {
  std::string out = fmt::format("\n## {}\n{}\n\n", s.title, s.load);
  out +=
      "| who | version | offered/s | delivered/s | loss | CPU us/packet | core us/packet | p50 ms | p99 ms | "
      "CPU us/setup |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const Entry& e : s.entries) out += entry_line(e);
  out += memory_lines(s);
  out += "\n| ratio | median | range | bar | verdict |\n|---|---:|---|---|---|\n";
  for (const Comparison& c : s.comparisons) out += comparison_line(s, c);
  return out + doubts(s);
}

}  // namespace

std::string to_markdown(const Scorecard& card) {
  std::string out = "# Scorecard\n\n| machine | |\n|---|---|\n";
  for (const Named& n : card.machine) out += fmt::format("| {} | {} |\n", cell(n.what), cell(n.value));
  out += '\n';
  for (const std::string& sentence : card.how) out += "- " + sentence + '\n';
  out += "\n![ratios](scorecard.svg)\n";
  for (const Scenario& s : card.scenarios) out += scenario_text(s);
  return out;
}

}  // namespace sluice::bench
