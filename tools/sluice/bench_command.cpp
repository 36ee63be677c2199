#include "tools/sluice/bench_command.h"

#include <fmt/format.h>

#include "engine/sluice.h"
#include "tools/bench/plans.h"
#include "tools/load/options.h"

namespace sluice {
namespace {

constexpr const char* kText = R"(Examples:
  sluice bench
      The whole scorecard into ./scorecard.md, .svg and .json; root, some minutes.
  sluice bench --only transparent,turn --pairs 5 --seconds 3 --out /tmp/score

Each contestant runs alone on one core, the generator on another, over a veth pair in a namespace that is removed at
the end; contestants take turns, so that what else the machine does hits all alike. CPU is counted for the server's
threads and the receive work of its core together. A verdict is passed or missed only if all rounds agree.

Exit status: 0 no bar was missed, 1 could not, 2 wrong usage, 3 a bar was missed.
Scenarios:
)";

std::string footer() {
  std::string out = kText;
  for (const auto& [key, title] : bench::scenario_names()) out += fmt::format("  {:<12} {}\n", key, title);
  out += "Only with --long, or named with --only:\n";
  for (const auto& [key, title] : bench::long_scenario_names())
    out += fmt::format("  {:<12} {}\n", key, title);
  return out;
}

}  // namespace

void BenchCommand::add_to(CLI::App& app, int& status) {
  auto* bench = app.add_subcommand("bench", "Take the scorecard of this machine (root)");
  bench->add_option("--only", options_.only, "Scenarios, with commas between")
      ->type_name("LIST")
      ->delimiter(',');
  bench->add_flag("--long", options_.long_too, "Also the scenarios of a minute and more");
  bench->add_option("--pairs", options_.pairs, "Rounds; fewer than five decide nothing")
      ->check(CLI::Range(1u, 100u))
      ->capture_default_str();
  bench->add_option("--seconds", options_.seconds, "Measured in each run")
      ->check(CLI::Range(0.5, 600.0))
      ->capture_default_str();
  bench
      ->add_option("--rate", options_.rate,
                   "Packets per second of a flow and direction, instead of each scenario's")
      ->check(CLI::Range(0.1, 1000.0));
  bench->add_option("--out", options_.out, "Folder for the results")->type_name("DIR")->capture_default_str();
  bench->add_option("--cores", cores_, "The server's core and the generator's")
      ->type_name("SERVER,GENERATOR")
      ->capture_default_str();
  bench->footer(footer());
  bench->callback([this, &status] { status = run(); });
}

int BenchCommand::run() {
  const auto cores = load::parse_cores(cores_);
  if (!cores || cores->size() != 2) {
    fmt::print(stderr, "sluice bench: --cores: '{}' is no pair of cores; write e.g. 0,1\n", cores_);
    return 2;
  }
  options_.server_core = cores->front();
  options_.generator_core = cores->back();
  return bench::run(options_, sluice_version());
}

}  // namespace sluice
