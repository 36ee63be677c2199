// Figures over the last second, in fixed memory and with time as an argument. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/units.h"

namespace sluice::rtp {

/// Ten buckets of 100 ms that are forgotten as time passes.
template <class T>
class SlidingBuckets {
 public:
  static constexpr size_t kBuckets = 10;
  static constexpr Micros kBucket = millis(100);

  explicit SlidingBuckets(T empty = {}) : empty_(empty) { bucket_.fill(empty); }

  /// The bucket that `now` falls into; a time before the latest one falls into the latest.
  T& at(Micros now) {
    move_to(now);
    return bucket_[static_cast<size_t>(latest_) % kBuckets];
  }
  const std::array<T, kBuckets>& all(Micros now) {
    move_to(now);
    return bucket_;
  }

 private:
  void move_to(Micros now) {
    const int64_t n = now.us / kBucket.us;
    if (n <= latest_) return;
    if (n - latest_ >= static_cast<int64_t>(kBuckets)) {
      bucket_.fill(empty_);
    } else {
      for (int64_t i = latest_ + 1; i <= n; ++i) bucket_[static_cast<size_t>(i) % kBuckets] = empty_;
    }
    latest_ = n;
  }

  std::array<T, kBuckets> bucket_;
  T empty_;
  int64_t latest_ = 0;
};

/// Bits per second over the last 0.9 to 1 s.
class RateMeter {
 public:
  void add(Micros now, uint32_t bytes) { buckets_.at(now) += bytes; }
  uint64_t bits_per_second(Micros now) {
    uint64_t sum = 0;
    for (uint32_t b : buckets_.all(now)) sum += b;
    return sum * 8;
  }

 private:
  SlidingBuckets<uint32_t> buckets_{0};
};

/// The loudest RFC 6464 level of the last 0.9 to 1 s.
class LevelMeter {
 public:
  /// `level`: 0..127, -dBov.
  void add(Micros now, uint8_t level) {
    uint8_t& b = buckets_.at(now);
    if (level < b) b = level;
  }
  /// -dBov; nothing if no level came.
  std::optional<uint8_t> loudest(Micros now) {
    uint8_t best = kNone;
    for (uint8_t b : buckets_.all(now))
      if (b < best) best = b;
    if (best == kNone) return {};
    return best;
  }

 private:
  static constexpr uint8_t kNone = 255;
  SlidingBuckets<uint8_t> buckets_{kNone};
};

}  // namespace sluice::rtp
