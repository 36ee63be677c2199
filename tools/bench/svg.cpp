#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/bench/scorecard.h"

namespace sluice::bench {
namespace {

constexpr double kLeft = 470, kWidth = 460, kRight = 110, kRow = 22, kTop = 64;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string_view colour(Verdict v) {
  switch (v) {
    case Verdict::passed:
      return "#1a7f37";
    case Verdict::missed:
      return "#cf222e";
    case Verdict::undecided:
      return "#bf8700";
    default:
      return "#57606a";
  }
}

/// Ratios lie on a logarithmic scale: half as good is as far from 1 as twice as good.
class Axis {
 public:
  void include(double v) {
    if (v <= 0) return;
    low_ = std::min(low_, v);
    high_ = std::max(high_, v);
  }
  double x(double v) const {
    const double from = std::floor(std::log2(low_)), to = std::ceil(std::log2(high_));
    return kLeft + kWidth * (std::log2(std::max(v, 1e-9)) - from) / (to - from);
  }
  std::vector<double> marks() const {
    std::vector<double> out;
    for (double e = std::floor(std::log2(low_)); e <= std::ceil(std::log2(high_)); ++e)
      out.push_back(std::exp2(e));
    return out;
  }

 private:
  double low_ = 0.5, high_ = 4;
};

struct Row {
  std::string text;
  bool heading = false;
  Spread spread;
  std::optional<Bar> bar;
  double unit = 1;  ///< what 1 stands for in the text
};

/// A figure beside nobody's is drawn as a multiple of its bar.
Row row_of(const Scenario& s, const Comparison& c) {
  Row row{title_of(s, c), false, spread_of(s.ratios(c)), c.bar};
  if (!c.rival.empty() || !c.bar || c.bar->value <= 0) return row;
  row.unit = c.bar->value;
  for (double* v : {&row.spread.median, &row.spread.low, &row.spread.high, &row.bar->value}) *v /= row.unit;
  return row;
}

std::vector<Row> rows_of(const Scorecard& card) {
  std::vector<Row> rows;
  for (const Scenario& s : card.scenarios) {
    rows.push_back({s.title, true, {}, {}});
    for (const Comparison& c : s.comparisons) rows.push_back(row_of(s, c));
  }
  return rows;
}

std::string line(double x1, double y1, double x2, double y2, std::string_view colour, double width) {
  return fmt::format(
      R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{:g}"/>)"
      "\n",
      x1, y1, x2, y2, colour, width);
}

std::string text(double x, double y, std::string_view anchor, std::string_view rest, std::string_view words) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>)"
                     "\n",
                     x, y, anchor, rest, escape(words));
}

std::string draw(const Row& row, const Axis& axis, double y) {
  if (row.heading) return text(8, y + 4, "start", R"( font-weight="bold")", row.text);
  std::string out = text(kLeft - 10, y + 4, "end", "", row.text);
  if (row.bar) out += line(axis.x(row.bar->value), y - 9, axis.x(row.bar->value), y + 9, "#24292f", 2);
  const Verdict verdict = judge(row.spread, row.bar);
  if (row.spread.n == 0) return out + text(kLeft + kWidth + 8, y + 4, "start", "", name(verdict));
  out += line(axis.x(row.spread.low), y, axis.x(row.spread.high), y, colour(verdict), 3);
  out += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="5" fill="{}"/>)"
                     "\n",
                     axis.x(row.spread.median), y, colour(verdict));
  return out + text(kLeft + kWidth + 8, y + 4, "start", "",
                    fmt::format("{:.{}f} {}", row.spread.median * row.unit, row.unit >= 100 ? 0 : 2,
                                name(verdict)));
}

}  // namespace

std::string to_svg(const Scorecard& card) {
  const std::vector<Row> rows = rows_of(card);
  Axis axis;
  for (const Row& r : rows) {
    axis.include(r.spread.low);
    axis.include(r.spread.high);
    if (r.bar) axis.include(r.bar->value);
  }
  const double bottom = kTop + kRow * static_cast<double>(rows.size());
  const double width = kLeft + kWidth + kRight;
  std::string out = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" )"
      R"(font-family="sans-serif" font-size="12">)"
      "\n"
      R"(<rect width="100%" height="100%" fill="#ffffff"/>)"
      "\n",
      width, bottom + 30);
  out += text(8, 20, "start", R"( font-size="15" font-weight="bold")",
              "Ratios: median, range over rounds, and the bar (black)");
  std::string machine;
  for (const Named& n : card.machine)
    machine += fmt::format("{}{} {}", machine.empty() ? "" : ", ", n.what, n.value);
  out += text(8, 38, "start", R"( fill="#57606a")", machine);
  for (const double mark : axis.marks()) {
    out += line(axis.x(mark), kTop - 12, axis.x(mark), bottom - 6, mark == 1 ? "#8c959f" : "#d8dee4", 1);
    out += text(axis.x(mark), bottom + 12, "middle", R"( fill="#57606a")", fmt::format("{:g}x", mark));
  }
  double y = kTop;
  for (const Row& r : rows) {
    out += draw(r, axis, y);
    y += kRow;
  }
  return out + "</svg>\n";
}

}  // namespace sluice::bench
