// The one source of chance of a simulation: everything that may go this way or that asks here.
#pragma once

#include <bit>
#include <cstdint>

#include "net/base/units.h"

namespace sluice::sim {

/// xoshiro256** (Blackman and Vigna), seeded by splitmix64.
class Rng {
 public:
  explicit Rng(uint64_t seed) {
    for (uint64_t& s : s_) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      s = z ^ (z >> 31);
    }
  }
  uint64_t u64() {
    const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
    const uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0], s_[3] ^= s_[1], s_[1] ^= s_[2], s_[0] ^= s_[3];
    s_[2] ^= t;
    s_[3] = std::rotl(s_[3], 45);
    return result;
  }
  /// 0..n-1; 0 for n = 0.
  uint64_t below(uint64_t n) { return n == 0 ? 0 : u64() % n; }
  int64_t between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(below(static_cast<uint64_t>(hi - lo + 1)));
  }
  Micros between(Micros lo, Micros hi) { return {between(lo.us, hi.us)}; }
  /// 0..1
  double unit() { return static_cast<double>(u64() >> 11) * 0x1p-53; }
  bool chance(double p) { return p > 0 && unit() < p; }
  /// A generator of its own, so that one part's draws do not move another's.
  Rng fork() { return Rng(u64()); }

 private:
  uint64_t s_[4];
};

}  // namespace sluice::sim
