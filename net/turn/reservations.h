// Ports held for who brings the RESERVATION-TOKEN (RFC 8656 §7.2, §18.7). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/endpoint.h"
#include "net/base/slab.h"

namespace sluice::turn {

/// RFC 8656 §7.2: at least 30 s.
inline constexpr uint32_t kReservationSeconds = 30;

struct Reservation {
  uint64_t token = 0;  ///< shard 8, slot 16, random 40
  uint64_t user_hash = 0;
  Endpoint relay;
};

/// Owner thread only.
class Reservations {
 public:
  static size_t bytes_for(uint32_t n) { return Slab<Reservation>::bytes_for(n); }
  Reservations() = default;
  Reservations(std::span<std::byte> memory, uint32_t n, uint8_t shard) : slab_(memory, n), shard_(shard) {}

  static uint8_t shard_of(uint64_t token) { return static_cast<uint8_t>(token >> 56); }

  /// Its slot, nullopt when full.
  std::optional<uint16_t> add(const Endpoint& relay, uint64_t user_hash, uint64_t random);
  /// The slot of a token that is good for the user.
  std::optional<uint16_t> find(uint64_t token, uint64_t user_hash) const;
  /// nullptr if there is none.
  const Reservation* at(uint16_t slot) const { return slab_.find(slab_.at(slot)); }
  void drop(uint16_t slot) { slab_.drop(slab_.at(slot)); }
  uint32_t size() const { return slab_.size(); }
  bool full() const { return slab_.full(); }
  uint32_t capacity() const { return slab_.capacity(); }

 private:
  Slab<Reservation> slab_;
  uint8_t shard_ = 0;
};

}  // namespace sluice::turn
