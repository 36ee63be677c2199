// A transmitter's memory of paths: pairs of addresses, two in each place. Shard thread; no allocation after
// construction.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/io/link/paths.h"

namespace sluice::io::link {

/// One cache line.
struct alignas(64) PathEntry {
  /// `refused`, `way`, `known`: of one generation. Frames do not suit it; they do by a way that holds for a
  /// prefix, or by an answer about just these addresses.
  enum class State : uint8_t { empty, fresh, seen, asked, refused, way, known };

  Address source;
  Address destination;
  MacAddress source_mac{};
  uint16_t hop = 0;
  uint32_t generation = 0;
  uint32_t ifindex = 0;
  uint32_t batch = 0;  ///< the last one of which a packet went by its socket
  uint32_t used = 0;   ///< epoch
  uint16_t mtu = 0;
  uint16_t hop_tag = 0;
  uint8_t hop_limit = 0;
  uint8_t batches = 0;   ///< while fresh: so many had packets to there; by a way: longer ones than it takes
  uint8_t asked_in = 0;  ///< epoch, the low bits
  State state = State::empty;

  void take(const PathAnswer& a) {
    source_mac = a.to.source_mac;
    hop = a.to.hop;
    generation = a.generation;
    ifindex = a.to.ifindex;
    mtu = a.to.mtu;
    hop_tag = a.to.tag;
    hop_limit = a.to.hop_limit;
    state = a.suited ? State::known : State::refused;
  }
  void take_way(const HopRef& to, uint32_t of_generation, uint32_t epoch) {
    take({.query = {}, .generation = of_generation, .to = to, .suited = true});
    state = State::way;
    batches = 0;
    asked_in = static_cast<uint8_t>(epoch - 1);
  }
  bool is_answered() const { return state >= State::refused; }
};
static_assert(sizeof(PathEntry) == 64);

class PathCache {
 public:
  static constexpr uint32_t kWays = 2;

  /// `seed` is secret: who chooses addresses cannot aim them at one place.
  PathCache(uint32_t entries, uint64_t seed) : entries_(std::bit_ceil(entries)), seed_(seed) {}

  uint32_t set_of(const Address& source, const Address& destination) const {
    const uint64_t h = mix(mix(mix(mix(seed_, source, 0), source, 8), destination, 0), destination, 8);
    return static_cast<uint32_t>(h * kOdd >> 40) & static_cast<uint32_t>(entries_.size() / kWays - 1);
  }
  void prefetch(uint32_t set) const {
    __builtin_prefetch(&entries_[set * kWays]);
    __builtin_prefetch(&entries_[set * kWays + 1]);
  }

  PathEntry* find(const Address& source, const Address& destination) {
    return find(source, destination, set_of(source, destination));
  }
  PathEntry* find(const Address& source, const Address& destination, uint32_t set) {
    for (uint32_t w = 0; w < kWays; ++w) {
      PathEntry& e = entries_[set * kWays + w];
      if (e.state != PathEntry::State::empty && e.destination == destination && e.source == source) return &e;
    }
    return nullptr;
  }

  /// A fresh entry in a place that is empty or was not used in this epoch or the one before; nullptr: both
  /// are in use, and whose they are keeps them.
  PathEntry* place(const Address& source, const Address& destination, uint32_t set, uint32_t epoch) {
    for (uint32_t w = 0; w < kWays; ++w) {
      PathEntry& e = entries_[set * kWays + w];
      if (e.state != PathEntry::State::empty && epoch - e.used < 2) continue;
      e = {.source = source, .destination = destination, .used = epoch, .state = PathEntry::State::fresh};
      return &e;
    }
    return nullptr;
  }

 private:
  static constexpr uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;  // 2^64 over the golden ratio

  static uint64_t mix(uint64_t h, const Address& a, size_t at) {
    h = (h ^ load_be<uint64_t>(a.b.data() + at)) * kOdd;
    return h ^ (h >> 32);
  }

  std::vector<PathEntry> entries_;
  uint64_t seed_;
};

}  // namespace sluice::io::link
