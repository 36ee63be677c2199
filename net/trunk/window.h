// Which 64-bit sequences have been seen (the ring of RFC 6479). Pure.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::trunk {

/// Also counts what is missing: a gap counts as lost when something newer arrives, and is taken back when it
/// arrives late. A jump of more than the window is a sender that began anew, not loss.
class Window {
 public:
  static constexpr uint64_t kRing = 2048;
  /// Sequences older than this many behind the newest are refused.
  static constexpr uint64_t kBits = kRing - 64;

  enum class Freshness : uint8_t { fresh, seen, too_old };

  Freshness check(uint64_t sequence) const {
    if (received_ == 0 || sequence > newest_) return Freshness::fresh;
    if (newest_ - sequence >= kBits) return Freshness::too_old;
    return (word(sequence) >> (sequence & 63) & 1) != 0 ? Freshness::seen : Freshness::fresh;
  }

  /// Precondition: check(sequence) == fresh, and the datagram was authentic.
  void mark(uint64_t sequence);

  uint64_t newest() const { return newest_; }
  uint64_t received() const { return received_; }
  uint64_t lost() const { return lost_; }

 private:
  uint64_t word(uint64_t sequence) const { return ring_[sequence / 64 % ring_.size()]; }

  std::array<uint64_t, kRing / 64> ring_{};
  uint64_t newest_ = 0;
  uint64_t first_ = 0;  ///< what lies before it was never expected
  uint64_t received_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace sluice::trunk
