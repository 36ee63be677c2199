// What befalls a relay and those behind it in a swarm, and its light calls.
#pragma once

#include <vector>

#include "tests/sim/swarm.h"
#include "tests/sim/turn_swarm.h"

namespace sluice::sim {

class RelayFaults {
 public:
  /// Nothing that act() has begun takes longer.
  static constexpr Micros kLongest = millis(1500);

  RelayFaults(Tier& tier, const RelayPlan& plan, Rng rng);

  void dial();
  /// Does one thing, or none.
  void act();
  /// Everything that was taken away is back.
  void heal();
  void hang_up();

  /// Between faults, every so often.
  void tick();

  /// `crossing`: what was said, which nothing protects, may be changed or reach another phone.
  void check(bool crossing) const;
  // What is said in between comes back.
  void begin_watch();
  void end_watch();
  /// `all`: of what TURN clients said.
  void judge_watch(bool all) const;

 private:
  void rebind();
  void move();
  void remove();
  void reroute();
  Micros soon() { return t_.world().now() + rng_.between(millis(1), kLongest); }

  struct Line {
    Phone* phone = nullptr;
    bool shares = false;
    uint32_t from = 0, to = 0;
  };
  Tier& t_;
  RelayPlan plan_;
  Rng rng_;
  std::shared_ptr<Nat> neighbourhood_;
  std::vector<Line> lines_;
  std::unique_ptr<TurnSwarm> turn_;
};

}  // namespace sluice::sim
