// Packet index, rollover counter and replay window (RFC 3711 §3.3).
// Pure: no allocation, clock, system call or exception.
#pragma once

#include <cstdint>

namespace sluice::srtp {

/// 48-bit indices are ROC << 16 | sequence number.
inline constexpr uint64_t kIndexEnd = uint64_t{1} << 48;
/// SRTCP indices are 31 bits.
inline constexpr uint32_t kControlIndexEnd = uint32_t{1} << 31;

/// RFC 3711 §3.3.1: which index the packet after (or before) `newest` with the low 16 bits `seq` most likely
/// has. Negative if that lies before the first index, kIndexEnd or more if behind the last one.
constexpr int64_t nearest_index(uint64_t newest, uint16_t seq) {
  const auto roc = static_cast<int64_t>(newest >> 16);
  const auto s_l = static_cast<int32_t>(newest & 0xffff);
  int64_t v = roc;
  if (s_l < 32768) {
    if (seq - s_l > 32768) v = roc - 1;
  } else {
    if (s_l - 32768 > seq) v = roc + 1;
  }
  return v * 65536 + seq;
}

enum class Freshness : uint8_t { fresh, seen, too_old };

/// The newest index and which of those just before it have been seen. Bit 0 of `lo` is the newest itself.
struct ReplayWindow128 {
  static constexpr uint64_t kBits = 128;
  uint64_t newest = 0;
  uint64_t lo = 0;
  uint64_t hi = 0;

  constexpr Freshness check(uint64_t index) const {
    if (index > newest || (lo | hi) == 0) return Freshness::fresh;
    const uint64_t back = newest - index;
    if (back >= kBits) return Freshness::too_old;
    const uint64_t bit = back < 64 ? lo >> back : hi >> (back - 64);
    return (bit & 1) != 0 ? Freshness::seen : Freshness::fresh;
  }

  /// Precondition: check(index) == fresh.
  constexpr void mark(uint64_t index) {
    if ((lo | hi) == 0) newest = index;
    if (index > newest) {
      advance(index - newest);
      newest = index;
    }
    const uint64_t back = newest - index;
    (back < 64 ? lo : hi) |= uint64_t{1} << (back & 63);
  }

 private:
  constexpr void advance(uint64_t n) {
    if (n >= kBits) {
      lo = hi = 0;
    } else if (n >= 64) {
      hi = lo << (n - 64);
      lo = 0;
    } else {
      hi = (hi << n) | (lo >> (64 - n));
      lo <<= n;
    }
  }
};

/// One SSRC that is received from.
struct RxStream {
  ReplayWindow128 window;
  uint32_t ssrc = 0;

  constexpr Freshness check(uint64_t index) const { return window.check(index); }
  constexpr void mark(uint64_t index) { window.mark(index); }
};

/// One SSRC whose SRTCP is received: a window of 64 indices, the least that RFC 3711 §3.3.2 permits.
struct RxControlStream {
  static constexpr uint32_t kBits = 64;
  uint64_t seen = 0;    ///< bit 0 is `newest`
  uint32_t newest = 0;  ///< 31 bits
  uint32_t ssrc = 0;

  constexpr Freshness check(uint64_t index) const {
    if (index > newest || seen == 0) return Freshness::fresh;
    const uint64_t back = newest - index;
    if (back >= kBits) return Freshness::too_old;
    return ((seen >> back) & 1) != 0 ? Freshness::seen : Freshness::fresh;
  }

  /// Precondition: check(index) == fresh.
  constexpr void mark(uint64_t wide_index) {
    const auto index = static_cast<uint32_t>(wide_index);
    if (seen == 0) newest = index;
    if (index > newest) {
      const uint32_t n = index - newest;
      seen = n >= kBits ? 0 : seen << n;
      newest = index;
    }
    seen |= uint64_t{1} << (newest - index);
  }
};

/// One SSRC that is sent from.
struct TxStream {
  uint64_t newest = 0;
  uint32_t ssrc = 0;
};

}  // namespace sluice::srtp
