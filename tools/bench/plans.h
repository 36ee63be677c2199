// The scenarios of the scorecard: who meets whom, under what load, and what has to be reached.
#pragma once

#include "tools/bench/contestants.h"

namespace sluice::bench {

/// A scenario before its runs.
struct Plan {
  std::string key, title, load;
  std::vector<Contestant> contestants;
  std::vector<Comparison> comparisons;
  bool setups = false;      ///< measured is the setting up, not the media
  bool memory = false;      ///< and what sessions take
  bool takes_long = false;  ///< runs when it is asked for
};

/// All that can be run, in the order of the scorecard. `rate`: packets per second of a flow and direction; 0:
/// each scenario's own.
std::vector<Plan> plans(const Contestants& make, double rate);
/// Their keys and titles, for a help text.
std::vector<Named> scenario_names();
/// Of them, those that run only when they are named, or all are wanted.
std::vector<Named> long_scenario_names();

}  // namespace sluice::bench
