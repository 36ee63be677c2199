// Packet index, rollover counter and replay window (RFC 3711 §3.3).
// Pure: no allocation, clock, system call or exception.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>

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

/// What a window remembers of long ago: words of 64 indices each, by word number modulo their number.
using ReplayArchive = std::array<uint64_t, 8>;

/// The newest index and which of the 511 before it have been seen: as far back as anybody keeps packets to
/// send them again (rtp::NackTracker asks 256 back, rooms keep 512). What packets in order touch is here;
/// words complete for a while stand in an archive apart, in a line that one packet of 64 writes. RFC 6479's
/// idea.
struct ReplayWindow {
  static constexpr uint64_t kBits = 512;
  uint64_t newest = 0;
  uint64_t head = 0;    ///< the newest's word, bit = index % 64; 0: nothing was seen yet
  uint64_t before = 0;  ///< the word before it; the archive has the eight before that

  constexpr Freshness check(uint64_t index, const ReplayArchive& old) const {
    if (index > newest || head == 0) return Freshness::fresh;
    if (newest - index >= kBits) return Freshness::too_old;
    const uint64_t back = newest / 64 - index / 64;
    const uint64_t word = back == 0 ? head : back == 1 ? before : old[slot(index)];
    return ((word >> (index % 64)) & 1) != 0 ? Freshness::seen : Freshness::fresh;
  }

  /// Precondition: check(index, old) == fresh.
  constexpr void mark(uint64_t index, ReplayArchive& old) {
    if (head == 0) newest = index;
    if (index > newest) advance(index, old);
    const uint64_t back = newest / 64 - index / 64;
    (back == 0 ? head : back == 1 ? before : old[slot(index)]) |= uint64_t{1} << (index % 64);
  }

  /// It and all before it count as seen.
  constexpr void begin_after(uint64_t index, ReplayArchive& old) {
    newest = index;
    head = ~uint64_t{0} >> (63 - index % 64);
    before = ~uint64_t{0};
    old.fill(before);
  }

 private:
  static constexpr size_t slot(uint64_t index) { return index / 64 % std::tuple_size_v<ReplayArchive>; }

  constexpr void advance(uint64_t index, ReplayArchive& old) {
    const uint64_t steps = index / 64 - newest / 64;
    if (steps >= 2 + old.size()) {
      head = before = 0;
      old.fill(0);
    } else {
      for (uint64_t at = newest, end = at + steps * 64; at != end; at += 64) {
        old[slot(at - 64)] = before;
        before = head;
        head = 0;
      }
    }
    newest = index;
  }
};
static_assert(ReplayWindow::kBits <= 64 * (1 + std::tuple_size_v<ReplayArchive>));

/// One SSRC that is received from.
struct RxStream {
  ReplayWindow window;
  uint32_t ssrc = 0;
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
