// Random bytes. Tame.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "net/crypto/primitives.h"

namespace sluice::crypto {

/// RAND_bytes. Any thread, but it allocates now and then (OpenSSL reseeds): for the control thread and
/// workers. Aborts the process when the operating system has no randomness to give.
Random system_random();

/// The key stream of AES-256-CTR under a seed: a generator for a shard, which allocates nothing after
/// construction. Production seeds it from system_random(), the simulator from its own seed; the same seed
/// gives the same bytes for ever. Movable; one thread at a time.
class StreamRandom {
 public:
  static constexpr size_t kSeedBytes = 48;
  using Seed = std::array<uint8_t, kSeedBytes>;

  /// Throws std::bad_alloc when OpenSSL cannot make its context.
  explicit StreamRandom(const Seed& seed);
  /// Seeded from `source`.
  explicit StreamRandom(Random source);
  /// For tests and the simulator: a seed spread over all seed bytes.
  explicit StreamRandom(uint64_t seed);

  void fill(MutBytes out);
  /// As a parameter; valid while this object exists. Survives a move.
  Random view();

 private:
  struct State;
  struct Free {
    void operator()(State*) const;
  };
  std::unique_ptr<State, Free> state_;
};

}  // namespace sluice::crypto
