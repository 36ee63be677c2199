// What befalls a relay and those behind it in a swarm, and its light calls.
#pragma once

#include <vector>

#include "tests/sim/swarm.h"

namespace sluice::sim {

class RelayFaults {
 public:
  /// Nothing that act() has begun takes longer.
  static constexpr Micros kLongest = millis(1500);

  RelayFaults(Tier& tier, const RelayPlan& plan, Rng rng) : t_(tier), plan_(plan), rng_(rng) {}

  void dial();
  /// Does one thing, or none.
  void act();
  /// Everything that was taken away is back.
  void heal();
  void hang_up();

  /// `crossing`: what was said, which nothing protects, may be changed or reach another phone.
  void check(bool crossing) const;
  // What is said in between comes back.
  void begin_watch();
  void end_watch();
  void judge_watch() const;

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
};

}  // namespace sluice::sim
