#include "tools/bench/scorecard.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

namespace json = boost::json;
using namespace sluice::bench;

namespace {

Sample sample(double cpu_ns, double p99_ms) {
  Sample s;
  s.offered = s.delivered = 40'000;
  s.cpu_ns = s.core_ns = cpu_ns;
  s.p50_ms = p99_ms / 2;
  s.p99_ms = p99_ms;
  return s;
}

/// Ours costs half of the rival's in each of five rounds, at the same latency.
Scorecard card() {
  Scenario s{"relay", "Relay <&> \"x\"", "40 000 packets/s.", {}, {}};
  s.entries.push_back({"ours", "Sluice|ours", "9.9", "", {}});
  s.entries.push_back({"rival", "rival", "4.6.1", "", {}});
  for (int i = 1; i <= 5; ++i) {
    s.entries[0].samples.push_back(sample(1000 * i, 0.5));
    s.entries[1].samples.push_back(sample(2000 * i, 0.5));
  }
  s.comparisons.push_back({"ours", "rival", Measure::packets_per_cpu, Bar{Bar::Side::at_least, 1.4}});
  s.comparisons.push_back({"ours", "rival", Measure::p99, std::nullopt});
  Scorecard c;
  c.machine = {{"Sluice", "9.9"}, {"kernel", "6.1"}};
  c.how = {"One core each."};
  c.scenarios = {s};
  return c;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

size_t count(const std::string& text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("Cost is compared as the rival's over ours, latency as ours over the rival's") {
  const Scorecard c = card();
  const Scenario& s = c.scenarios.front();
  CHECK(s.ratios(s.comparisons[0]) == std::vector<double>{2, 2, 2, 2, 2});
  CHECK(s.ratios(s.comparisons[1]) == std::vector<double>{1, 1, 1, 1, 1});
}

TEST_CASE("A round in which one of the two failed gives no ratio and no median") {
  Scorecard c = card();
  Scenario& s = c.scenarios.front();
  s.entries[1].samples[2] = {};
  CHECK(s.ratios(s.comparisons[0]).size() == 4);
  CHECK(spread_of(s.entries[1], &Sample::cpu_ns).n == 4);
  CHECK(spread_of(s.entries[0], &Sample::cpu_ns).median == 3000);
}

TEST_CASE("Who is not there has no ratio") {
  const Scorecard c = card();
  CHECK(c.scenarios[0].ratios({"ours", "nobody", Measure::p50, {}}).empty());
}

TEST_CASE("The Markdown names versions, medians, ranges, bars and verdicts, and its cells stay cells") {
  const std::string md = to_markdown(card());
  CHECK(has(md, "| kernel | 6.1 |"));
  CHECK(has(md, "**2.00** | 2.00 to 2.00 in 5 rounds | at least 1.4 | passed |"));
  CHECK(has(md, "Sluice\\|ours"));
  CHECK(has(md, "3.00"));
  CHECK_FALSE(has(md, "not at ease"));
}

TEST_CASE("The Markdown says who did not run, and which runs were doubtful") {
  Scorecard c = card();
  c.scenarios[0].entries[1].absent = "not installed";
  c.scenarios[0].entries[0].samples[0].doubts = {"its cores were 99 % busy"};
  const std::string md = to_markdown(c);
  CHECK(has(md, "not run: not installed"));
  CHECK(has(md, "in 1 of 5 runs the generator was not at ease (its cores were 99 % busy)"));
}

TEST_CASE("The picture is XML with a mark for each comparison, its bar and its verdict") {
  const std::string svg = to_svg(card());
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "<circle ") == 2);
  CHECK(has(svg, "2.00 passed"));
  CHECK(has(svg, "Relay &lt;&amp;&gt; &quot;x&quot;"));
  CHECK(count(svg, "<text") == count(svg, "</text>"));
}

TEST_CASE("What sessions take has a table of its own, and figures beside nobody's their bar as the measure") {
  Scorecard c = card();
  Scenario& s = c.scenarios[0];
  s.comparisons = {{"ours", "", Measure::held, Bar{Bar::Side::at_least, 100'000}},
                   {"ours", "", Measure::reserved, Bar{Bar::Side::at_most, 1024}},
                   {"ours", "rival", Measure::resident, std::nullopt},
                   {"ours", "rival", Measure::cpu_per_packet, Bar{Bar::Side::at_most, 1.5}}};
  for (size_t i = 0; i < 5; ++i) {
    s.entries[0].samples[i].held = 100'000;
    s.entries[0].samples[i].resident = 455;
    s.entries[0].samples[i].reserved = 437;
    s.entries[1].samples[i].resident = 22'750;
  }
  CHECK_FALSE(has(to_markdown(c), "| Sluice\\|ours | 100000 | 455 | 437 |"));
  s.memory = true;
  CHECK(has(to_markdown(c), "| Sluice\\|ours | 100000 | 455 | 437 |"));
  CHECK(s.ratios(s.comparisons[0]) == std::vector<double>(5, 100'000));
  CHECK(s.ratios(s.comparisons[1]) == std::vector<double>(5, 437));
  CHECK(s.ratios(s.comparisons[2]) == std::vector<double>(5, 0.02));
  CHECK(s.ratios(s.comparisons[3]) == std::vector<double>(5, 0.5));
  const std::string svg = to_svg(c);
  CHECK(has(svg, "100000 passed"));
  CHECK(has(svg, "437 passed"));
  CHECK(has(svg, "0.50 passed"));
  CHECK_FALSE(has(svg, ">1024x<"));
}

TEST_CASE("A run that only set up sessions counts as one") {
  Sample s;
  s.setups = 3000;
  s.held = 7;
  Scenario scenario{"held", "", "", {{"ours", "", "", "", {s, Sample{}}}}, {}};
  CHECK(scenario.ratios({"ours", "", Measure::held, {}}) == std::vector<double>{7});
  CHECK(spread_of(scenario.entries[0], &Sample::held).n == 1);
}

TEST_CASE("The picture of nothing measured is still a picture") {
  Scorecard c = card();
  for (Entry& e : c.scenarios[0].entries) e.samples.clear();
  const std::string svg = to_svg(c);
  CHECK(count(svg, "<circle ") == 0);
  CHECK(has(svg, "not measured"));
}

TEST_CASE("The JSON holds every sample and every ratio") {
  const json::object j = json::parse(to_json(card())).as_object();
  CHECK(j.at("schema") == "sluice-bench/1");
  CHECK(j.at("machine").at("kernel") == "6.1");
  const json::object& s = j.at("scenarios").as_array().at(0).as_object();
  CHECK(s.at("entries").as_array().at(0).at("samples").as_array().size() == 5);
  CHECK(s.at("entries").as_array().at(0).at("absent").is_null());
  const json::object& c = s.at("comparisons").as_array().at(0).as_object();
  CHECK(c.at("ratios").as_array().size() == 5);
  CHECK(c.at("verdict") == "passed");
  CHECK(c.at("bar") == "at least 1.4");
}
