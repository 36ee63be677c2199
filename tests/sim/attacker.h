// Somebody who sees what clients send, may send from any address, and receives nothing that is not his.
#pragma once

#include <deque>
#include <vector>

#include "tests/sim/world.h"

namespace sluice::sim {

class Attacker {
 public:
  Attacker(World& world, Rng rng) : Attacker(world, rng, world.options().listen[0]) {}
  /// `target`: where he sends what he did not copy.
  Attacker(World& world, Rng rng, const Endpoint& target) : w_(world), rng_(rng), target_(target) {}

  /// Sees what has reached the server.
  void overhear(const Seen& s);
  /// Does one thing that he should not.
  void act();

  void replay_from_elsewhere();
  void replay_from_its_address();
  void send_damaged();
  void flood(size_t packets);
  void guess_password();
  void send_garbage();
  void say_goodbye_for_a_client();
  /// First checks with a client's ufrag and without its password, from wherever.
  void flood_stolen(size_t packets);
  /// A binding request with a ufrag that nobody minted, from wherever.
  void forge_ufrag(const Endpoint& from);

  uint64_t acts() const { return acts_; }

 private:
  struct Copy {
    Micros at;
    Endpoint from, to;
    std::vector<uint8_t> bytes;
  };
  /// Old enough to have been worked off, however slow the shards are; nullptr without one.
  const Copy* any_copy();
  const Copy* any_check();
  Endpoint somewhere();
  std::vector<uint8_t> guess(const Copy& check);

  World& w_;
  Rng rng_;
  Endpoint target_;
  std::deque<Copy> copies_;
  uint64_t acts_ = 0;
};

}  // namespace sluice::sim
