// A simulation drawn by lot: each seed arms another set of features and faults (swarm testing, Groce et al.
// 2012).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/tier.h"
#include "tests/sim/turn_phone.h"

namespace sluice::sim {

/// What a seed has drawn of TURN.
struct TurnPlan {
  struct Client {
    TurnPhoneOptions phone;
    EdgeOptions edge;
    LinkOptions link;
  };
  std::vector<Client> clients;  ///< two and two speak with each other
  bool coming_and_going = false;
};

/// What a seed has drawn for a relay in between.
struct RelayPlan {
  struct Light {
    PhoneOptions phone;
    EdgeOptions edge;
    LinkOptions up, down;
    size_t plain = 0;
    bool shares = false;  ///< the neighbourhood's NAT
  };
  TierOptions tier;
  NatOptions neighbourhood;
  std::vector<Light> phones;
  bool restarting = false, moving = false, removing = false, rerouting = false;
  std::optional<TurnPlan> turn;
};

/// What a seed has drawn.
struct Plan {
  uint64_t seed = 0;
  WorldOptions world;
  std::vector<HostOptions> calls;  ///< there from the beginning
  bool lossy = false, corrupting = false, nat = false, rebinding = false, restarting = false;
  bool hanging_up = false, takeover = false, attacked = false, tiny = false, stalling = false;
  Micros safety = seconds(6);
  std::optional<RelayPlan> relay;
};
Plan draw(uint64_t seed);
/// The same calls and faults, by way of a relay that has some of its own.
Plan draw_relayed(uint64_t seed);
std::string describe(const Plan& plan);
// Parts of a plan.
LinkOptions draw_link(Rng& r, bool lossy, bool corrupting);
EdgeOptions draw_edge(Rng& r, bool nat);

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
