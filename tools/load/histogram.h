// Latencies with a bounded relative error, as HdrHistogram has them: 32 buckets to each power of two.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sluice::load {

/// Counts non-negative 64-bit values (nanoseconds here); negative ones count as 0, those above kLargest as
/// kLargest. A percentile is at most 1/32 above the true one and never above the largest value seen.
class Histogram {
 public:
  static constexpr int kSubBits = 5;
  static constexpr int64_t kLargest = (int64_t{1} << 40) - 1;  // 18 minutes

  void add(int64_t value) {
    value = std::clamp<int64_t>(value, 0, kLargest);
    ++buckets_[bucket_of(static_cast<uint64_t>(value))];
    if (count_ == 0 || value < min_) min_ = value;
    max_ = std::max(max_, value);
    sum_ += value;
    ++count_;
  }

  void merge(const Histogram& o) {
    if (o.count_ == 0) return;
    for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += o.buckets_[i];
    min_ = count_ == 0 ? o.min_ : std::min(min_, o.min_);
    max_ = std::max(max_, o.max_);
    sum_ += o.sum_;
    count_ += o.count_;
  }

  uint64_t count() const { return count_; }
  int64_t min() const { return min_; }
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }

  /// The smallest value that at least `percent` (0..100) of all values do not exceed; 0 without values.
  int64_t percentile(double percent) const {
    if (count_ == 0) return 0;
    const double exact = percent / 100 * static_cast<double>(count_);
    const auto rank = std::clamp<uint64_t>(static_cast<uint64_t>(exact + 0.999999), 1, count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i)
      if ((seen += buckets_[i]) >= rank) return std::clamp(largest_in(i), min_, max_);
    return max_;
  }

 private:
  static constexpr uint64_t kSub = uint64_t{1} << kSubBits;
  static constexpr size_t kBuckets = (40 - kSubBits + 1) * kSub;

  static constexpr size_t bucket_of(uint64_t v) {
    if (v < kSub) return static_cast<size_t>(v);
    const int shift = static_cast<int>(std::bit_width(v)) - 1 - kSubBits;
    return (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(v >> shift);
  }
  static constexpr int64_t largest_in(size_t bucket) {
    if (bucket < 2 * kSub) return static_cast<int64_t>(bucket);
    const size_t shift = (bucket >> kSubBits) - 1;
    const uint64_t sub = (bucket & (kSub - 1)) + kSub;
    return static_cast<int64_t>(((sub + 1) << shift) - 1);
  }

  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t min_ = 0, max_ = 0, sum_ = 0;
};

}  // namespace sluice::load
