// When each packet of each session is meant to leave: fixed before the run, whatever the system under test
// does (open loop), so that a stall delays no measurement.
#pragma once

#include <cstdint>

namespace sluice::load {

/// Nanoseconds of CLOCK_MONOTONIC.
using Nanos = int64_t;
inline constexpr Nanos kNanosNever = INT64_MAX;
inline constexpr Nanos kSecond = 1'000'000'000;

/// `sessions` streams of one packet per `interval`, evenly spread over it: slot k of session s lies at
/// start + k * interval + s * interval / sessions.
class Schedule {
 public:
  struct Slot {
    uint32_t session = 0;
    uint32_t round = 0;  ///< k
    Nanos at = kNanosNever;
  };

  Schedule() = default;
  Schedule(uint32_t sessions, Nanos interval, Nanos start)
      : sessions_(sessions), interval_(interval), round_(start) {
    place();
  }

  /// The next slot; `at` is kNanosNever when there are no sessions.
  const Slot& next() const { return next_; }
  void advance() {
    if (++next_.session == sessions_) {
      next_.session = 0;
      ++next_.round;
      round_ += interval_;
    }
    place();
  }

 private:
  void place() {
    if (sessions_ == 0) return;
    next_.at = round_ + static_cast<Nanos>(static_cast<__uint128_t>(interval_) * next_.session / sessions_);
  }

  uint32_t sessions_ = 0;
  Nanos interval_ = 0;
  Nanos round_ = 0;
  Slot next_;
};

}  // namespace sluice::load
