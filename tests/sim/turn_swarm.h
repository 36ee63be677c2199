// TURN clients of a relay in a swarm: pairs that speak through two allocations, others with peers that have
// none, and whoever wants to be relayed without right.
#pragma once

#include <map>
#include <vector>

#include "tests/sim/swarm.h"
#include "tests/sim/turn_phone.h"

namespace sluice::sim {

class TurnSwarm {
 public:
  TurnSwarm(Tier& tier, const TurnPlan& plan, Rng rng);

  void dial();
  /// Does one thing, or none.
  void act();
  /// Tells each client where its peer's allocation is now, as signalling would.
  void introduce();
  /// Some let go of what they have, the others leave it to its lifetime.
  void hang_up();

  void check() const;
  // What is said in between is heard. `all`: every packet of it.
  void begin_watch();
  void end_watch();
  void judge_watch(bool all) const;

 private:
  struct Line {
    TurnPhone* phone = nullptr;
    size_t other = 0;  ///< index of whom it speaks with; its own: a peer without TURN
    uint32_t from = 0, to = 0;
  };
  TurnPhone& add();
  Line& any() { return lines_[rng_.below(lines_.size())]; }
  void move();
  void replace();
  void intrude();
  void forge();
  void trespass();
  Endpoint stranger();

  Tier& t_;
  TurnPlan plan_;
  Rng rng_;
  Parrot* peer_ = nullptr;
  Parrot* intruder_ = nullptr;
  std::vector<Line> lines_;
  std::vector<TurnPhone*> all_;
};

}  // namespace sluice::sim
