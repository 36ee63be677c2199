// Finds the largest load that a system carries: doubles until it fails, then halves the gap. Sans-IO.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sluice::load {

struct SearchLimits {
  uint32_t first = 100;     ///< sessions of the first trial, at least 1
  uint32_t most = 100'000;  ///< never tries more
  double max_loss = 0.001;  ///< share of packets
  double precision = 0.02;  ///< ends when the gap is below this share of the load
  uint32_t max_trials = 24;
};

struct Trial {
  uint32_t sessions = 0;
  double loss = 0;     ///< share of packets, 0..1
  bool valid = false;  ///< the generator kept its schedule; a trial without that says nothing of the system
};

class Search {
 public:
  explicit Search(const SearchLimits& limits) : limits_(limits), next_(std::min(limits.first, limits.most)) {}

  /// Sessions of the next trial; nothing when the search is over.
  std::optional<uint32_t> next() const { return done_ ? std::nullopt : std::optional(next_); }

  void on_result(const Trial& t) {
    ++trials_;
    if (t.valid && t.loss <= limits_.max_loss) {
      good_ = std::max(good_, t.sessions);
    } else {
      bad_ = std::min(bad_, t.sessions);
      // Of two failures the smaller load counts: was it the system's or ours?
      if (t.sessions == bad_) generator_failed_ = !t.valid;
    }
    plan();
  }

  /// The largest load carried; 0 if not even the smallest tried.
  uint32_t best() const { return good_; }
  uint32_t trials() const { return trials_; }
  /// What stopped it was the generator, or the limit given, not the system: best() is a lower bound.
  bool lower_bound() const { return generator_failed_ || bad_ == UINT32_MAX; }
  bool generator_failed() const { return generator_failed_; }

 private:
  void plan() {
    if (trials_ >= limits_.max_trials || good_ == limits_.most) {
      done_ = true;
    } else if (bad_ == UINT32_MAX) {
      next_ = good_ > limits_.most / 2 ? limits_.most : good_ * 2;
    } else {
      const uint32_t gap = bad_ > good_ ? bad_ - good_ : 0;
      next_ = good_ + gap / 2;
      done_ = gap <= 1 || static_cast<double>(gap) <= limits_.precision * static_cast<double>(bad_);
    }
  }

  SearchLimits limits_;
  uint32_t next_;
  uint32_t good_ = 0, bad_ = UINT32_MAX;
  uint32_t trials_ = 0;
  bool generator_failed_ = false;
  bool done_ = false;
};

}  // namespace sluice::load
