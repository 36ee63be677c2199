// A simulation drawn by lot: each seed arms another set of features and faults (swarm testing, Groce et al.
// 2012).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace sluice::sim {

/// What a seed has drawn.
struct Plan {
  uint64_t seed = 0;
  WorldOptions world;
  std::vector<HostOptions> calls;  ///< there from the beginning
  bool lossy = false, corrupting = false, nat = false, rebinding = false, restarting = false;
  bool hanging_up = false, takeover = false, attacked = false, tiny = false, stalling = false;
  Micros safety = seconds(6);
};
Plan draw(uint64_t seed);
std::string describe(const Plan& plan);

struct Outcome {
  uint64_t trace_hash = 0;
  uint64_t datagrams = 0;
  uint64_t drops = 0;
  uint64_t calls = 0;
  Micros virtual_time;
};
/// Safety phase, liveness phase, and the end of everything. Throws Violation.
Outcome run_swarm(const Plan& plan);

}  // namespace sluice::sim
