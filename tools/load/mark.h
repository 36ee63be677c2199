// What every media packet says about itself, and what arrived of a stream.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "tools/load/schedule.h"

namespace sluice::load {

enum class Way : uint8_t { up, down };  ///< from the client to the far side, and back

struct Mark {
  uint32_t run = 0;      ///< random, so that what is left over from another run is not counted
  uint32_t session = 0;  ///< below 2^31
  Way way = Way::up;
  uint32_t number = 0;  ///< packets of this stream before it
  Nanos intended = 0;   ///< when it was meant to leave
};

inline constexpr size_t kRtpHeader = 12;
inline constexpr size_t kMarkBytes = 20;
inline constexpr size_t kMinPacket = kRtpHeader + kMarkBytes;

/// kMarkBytes: the last of every media packet, since a server may change a header and its length.
inline void write_mark(uint8_t* at, const Mark& m) {
  store_be<uint32_t>(at, m.run);
  store_be<uint32_t>(at + 4, m.session | (m.way == Way::down ? 1U << 31 : 0U));
  store_be<uint32_t>(at + 8, m.number);
  store_be<uint64_t>(at + 12, static_cast<uint64_t>(m.intended));
}
/// Of a packet of at least kMarkBytes.
inline Mark read_mark(Bytes packet) {
  const uint8_t* const at = packet.data() + packet.size() - kMarkBytes;
  const auto session = load_be<uint32_t>(at + 4);
  return {load_be<uint32_t>(at), session & ~(1U << 31), session >> 31 != 0 ? Way::down : Way::up,
          load_be<uint32_t>(at + 8), static_cast<Nanos>(load_be<uint64_t>(at + 12))};
}

/// Of a stream.
constexpr uint32_t rtp_ssrc(uint32_t session, Way way) {
  return 0x51000000U + (session << 1) + (way == Way::down ? 1U : 0U);
}
/// An RTP header (payload type 111, 20 ms of Opus at 48 kHz) and the mark at the end; what is between stays.
/// To a relay it looks like SRTP. `packet` is at least kMinPacket long.
inline void write_rtp(MutBytes packet, const Mark& m) {
  uint8_t* const at = packet.data();
  at[0] = 0x80;
  at[1] = 111;
  store_be<uint16_t>(at + 2, static_cast<uint16_t>(m.number));
  store_be<uint32_t>(at + 4, m.number * 960);
  store_be<uint32_t>(at + 8, rtp_ssrc(m.session, m.way));
  write_mark(at + packet.size() - kMarkBytes, m);
}
inline bool is_rtp(Bytes b) { return b.size() >= kMinPacket && (b[0] & 0xC0) == 0x80; }

enum class Arrival : uint8_t {
  newest,
  reordered,  ///< for the first time, but behind a later one
  duplicate,
  stale  ///< too far behind the newest to know whether it came before
};

/// Which numbers of a stream have arrived: the newest and the 128 before it.
class Sequence {
 public:
  Arrival on(uint32_t number) {
    if (!any_) {
      any_ = true;
      newest_ = number;
      seen_[0] = 1;
      return Arrival::newest;
    }
    const auto ahead = static_cast<int32_t>(number - newest_);
    if (ahead > 0) {
      shift(static_cast<uint32_t>(ahead));
      newest_ = number;
      seen_[0] |= 1;
      return Arrival::newest;
    }
    const uint32_t behind = newest_ - number;
    if (behind >= 128) return Arrival::stale;
    uint64_t& word = seen_[behind / 64];
    const uint64_t bit = uint64_t{1} << behind % 64;
    if ((word & bit) != 0) return Arrival::duplicate;
    word |= bit;
    return Arrival::reordered;
  }

 private:
  void shift(uint32_t n) {
    if (n >= 128) {
      seen_ = {};
    } else if (n >= 64) {
      seen_[1] = seen_[0] << (n - 64);
      seen_[0] = 0;
    } else {
      seen_[1] = (seen_[1] << n) | (seen_[0] >> (64 - n));
      seen_[0] <<= n;
    }
  }

  std::array<uint64_t, 2> seen_{};  // bit k of the pair: newest_ - k
  uint32_t newest_ = 0;
  bool any_ = false;
};

}  // namespace sluice::load
