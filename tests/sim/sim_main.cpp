// Runs the simulator over seeds; a failure prints its seed and the command that replays it. --hash prints
// what was on the wire of each seed, which must not depend on who compiled it.

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "tests/sim/swarm.h"

namespace {

struct Arguments {
  uint64_t first = 1, last = 100;
  bool trace = false;
  bool hash = false;
  bool relay = false;
};

bool number(std::string_view s, uint64_t& out) {
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  return error == std::errc{} && end == s.data() + s.size();
}

std::optional<Arguments> read(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--trace") {
      a.trace = true;
    } else if (flag == "--hash") {
      a.hash = true;
    } else if (flag == "--relay") {
      a.relay = true;
    } else if (flag == "--seed" && number(value, a.first)) {
      a.last = a.first, ++i;
    } else if (flag == "--seeds") {
      const size_t dash = value.find('-');
      if (dash == value.npos || !number(value.substr(0, dash), a.first) ||
          !number(value.substr(dash + 1), a.last))
        return std::nullopt;
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return a;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = read(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "usage: sim [--seeds A-B] [--seed N] [--relay] [--trace] [--hash]\n");
    return 2;
  }
  uint64_t failed = 0, datagrams = 0, calls = 0, drops = 0;
  sluice::Micros virtual_time;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t seed = arguments->first; seed <= arguments->last; ++seed) {
    auto plan = arguments->relay ? sluice::sim::draw_relayed(seed) : sluice::sim::draw(seed);
    plan.world.print_trace = arguments->trace;
    if (plan.relay) plan.relay->tier.world.print_trace = arguments->trace;
    if (arguments->trace) fmt::print("{}\n", describe(plan));
    try {
      const auto outcome = run_swarm(plan);
      if (arguments->hash) fmt::print("seed {} wire {:016x}\n", seed, outcome.trace_hash);
      datagrams += outcome.datagrams, calls += outcome.calls, drops += outcome.drops;
      virtual_time += outcome.virtual_time;
    } catch (const std::exception& e) {
      ++failed;
      fmt::print("FAILED {}\n  {}\n  replay: {}{} --seed {} --trace\n", describe(plan), e.what(), argv[0],
                 arguments->relay ? " --relay" : "", seed);
      std::fflush(stdout);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{} seeds, {} failed; {} calls, {} datagrams, {} drops, {} s of virtual time in {:.1f} s\n",
             arguments->last - arguments->first + 1, failed, calls, datagrams, drops,
             virtual_time.millis() / 1000, took.count());
  return failed == 0 ? 0 : 1;
}
