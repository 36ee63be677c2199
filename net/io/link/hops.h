// Neighbours as shards see them: one atomic word each, written by the thread that listens to the kernel.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "net/io/link/path.h"

namespace sluice::io::link {

/// What a word holds. `tag` tells a path of an earlier use of the same place from one of now.
struct HopState {
  MacAddress mac{};
  bool usable = false;
  bool validate = false;  ///< one packet shall go by its socket; who takes the mark off sends it
  uint16_t tag = 0;       ///< 14 bits
};

constexpr uint64_t kHopUsable = uint64_t{1} << 48;
constexpr uint64_t kHopValidate = uint64_t{1} << 49;
constexpr unsigned kHopTagShift = 50;
constexpr uint16_t kHopTagMask = 0x3fff;

constexpr uint64_t pack(const HopState& s) {
  uint64_t w = uint64_t{s.tag} << kHopTagShift;
  for (size_t i = 0; i < s.mac.size(); ++i) w |= uint64_t{s.mac[i]} << (8 * i);
  return w | (s.usable ? kHopUsable : 0) | (s.validate ? kHopValidate : 0);
}
constexpr HopState unpack(uint64_t w) {
  HopState s{.usable = (w & kHopUsable) != 0,
             .validate = (w & kHopValidate) != 0,
             .tag = static_cast<uint16_t>(w >> kHopTagShift)};
  for (size_t i = 0; i < s.mac.size(); ++i) s.mac[i] = static_cast<uint8_t>(w >> (8 * i));
  return s;
}

/// Neighbours at once. The kernel itself keeps 1 024 of each family unless told otherwise (gc_thresh3).
inline constexpr uint32_t kHops = 1u << 14;

/// Read by every shard at each batch, written when the network changes.
struct HopTable {
  /// Paths of another generation are not used. Never 0.
  alignas(64) std::atomic<uint32_t> generation{1};
  /// Counts periods of revalidation: the only clock that a transmitter knows. Never 0.
  std::atomic<uint32_t> epoch{1};
  alignas(64) std::array<std::atomic<uint64_t>, kHops> word{};
};

}  // namespace sluice::io::link
