// Who takes part in each scenario: how it is started, and what the generator does to it.
#pragma once

#include <functional>

#include "tools/bench/child.h"
#include "tools/bench/scorecard.h"
#include "tools/bench/stage.h"
#include "tools/load/options.h"

namespace sluice::bench {

struct Contestant {
  std::string key, title, version;
  std::string absent;                              ///< why it cannot run here; empty: it can
  std::vector<std::vector<std::string>> programs;  ///< with their arguments; the first one is measured
  uint16_t udp_port = 0;                           ///< of the first
  load::Options load;
};

/// A scenario before its runs.
struct Plan {
  std::string key, title, load;
  std::vector<Contestant> contestants;
  std::vector<Comparison> comparisons;
  bool setups = false;  ///< measured is the setting up, not the media
};

struct Versions {
  std::string sluice, kernel, coturn, cpu;  ///< coturn: empty if it is not installed
};

/// All that can be run, in the order of the scorecard. `rate`: packets per second of a flow and direction; 0:
/// each scenario's own.
std::vector<Plan> plans(const Stage& stage, const Versions& versions, double rate);
/// Their keys and titles, for a help text.
std::vector<Named> scenario_names();

}  // namespace sluice::bench
