// A budget of bytes that refills with time, in integers and eight bytes. Pure.
#pragma once

#include <cstdint>

#include "net/base/units.h"

namespace sluice {

/// What a bucket may hold; shared by many buckets.
struct TokenRate {
  uint32_t bytes_per_second = 0;  ///< refill; 0: no limit
  uint32_t burst_bytes = 0;       ///< content of a full bucket; at most 2^30
};

/// Full when new. Counts in milliseconds, which wrap after 49 days: a bucket that was left alone for longer
/// may then find less in it than there should be, once.
struct TokenBucket {
  uint32_t spent = 0;    ///< bytes below full
  uint32_t seen_ms = 0;  ///< when `spent` was right

  static constexpr uint32_t ms(Micros now) { return static_cast<uint32_t>(now.millis()); }

  /// Precondition: the rate is limited.
  void refill(const TokenRate& rate, uint32_t now_ms) {
    const uint32_t elapsed_ms = now_ms - seen_ms;
    const uint64_t credit = uint64_t{elapsed_ms} * rate.bytes_per_second / 1000;
    if (credit >= spent) {
      spent = 0;
      seen_ms = now_ms;
      return;
    }
    spent -= static_cast<uint32_t>(credit);
    // Only the time that bought whole bytes is used up, or frequent calls would starve a slow bucket.
    seen_ms += static_cast<uint32_t>(credit * 1000 / rate.bytes_per_second);
  }

  /// True and charged if so much is left, else false and not charged.
  bool take(const TokenRate& rate, uint32_t bytes, uint32_t now_ms) {
    if (rate.bytes_per_second == 0) return true;
    refill(rate, now_ms);
    if (bytes > rate.burst_bytes - spent) return false;
    spent += bytes;
    return true;
  }
};
static_assert(sizeof(TokenBucket) == 8);

}  // namespace sluice
