// RTP header extensions (RFC 8285): which ones Sluice knows, their ids in a session, their contents. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/units.h"

namespace sluice::rtp {

enum class ExtKind : uint8_t {
  mid,
  rid,
  repaired_rid,
  audio_level,
  abs_send_time,
  transport_cc,
  toffset,
  video_orientation,
  playout_delay,
  video_content_type,
  video_timing,
  color_space,
};
inline constexpr size_t kExtKinds = 12;

/// What `a=extmap` calls them; index: ExtKind.
inline constexpr std::array<std::string_view, kExtKinds> kExtUris{
    "urn:ietf:params:rtp-hdrext:sdes:mid",                                        // RFC 9143 §14
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",                              // RFC 8852 §3.1
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",                     // RFC 8852 §3.2
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",                                // RFC 6464
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",                 //
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",  //
    "urn:ietf:params:rtp-hdrext:toffset",                                         // RFC 5450
    "urn:3gpp:video-orientation",                                                 // 3GPP TS 26.114 §7.4.5
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",                 //
    "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",            //
    "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",                  //
    "http://www.webrtc.org/experiments/rtp-hdrext/color-space",                   //
};

constexpr std::string_view uri_of(ExtKind k) { return kExtUris[static_cast<size_t>(k)]; }

constexpr std::optional<ExtKind> ext_kind_of(std::string_view uri) {
  for (size_t i = 0; i < kExtKinds; ++i)
    if (kExtUris[i] == uri) return static_cast<ExtKind>(i);
  return {};
}

/// The ids that one session, or one of its m-lines, negotiated. 0: not negotiated; 1..14 fit the one-byte
/// form, 1..255 the two-byte form.
class ExtMap {
 public:
  constexpr uint8_t id(ExtKind k) const { return ids_[static_cast<size_t>(k)]; }
  /// An id names one kind and a kind has one id: what either meant before is forgotten. Id 0 takes the kind
  /// out.
  constexpr void set(ExtKind k, uint8_t id) {
    for (uint8_t& other : ids_)
      if (other == id) other = 0;
    ids_[static_cast<size_t>(k)] = id;
  }
  constexpr std::optional<ExtKind> kind(uint8_t id) const {
    if (id == 0) return {};
    for (size_t i = 0; i < kExtKinds; ++i)
      if (ids_[i] == id) return static_cast<ExtKind>(i);
    return {};
  }
  constexpr bool operator==(const ExtMap&) const = default;

 private:
  std::array<uint8_t, kExtKinds> ids_{};
};

/// RFC 6464 §3. `level` 0..127 is -dBov: 0 the loudest, 127 silence.
struct AudioLevel {
  bool voice = false;
  uint8_t level = 127;
  constexpr bool operator==(const AudioLevel&) const = default;
};

// Contents of an element; nothing if it has not the length it must have.

constexpr std::optional<AudioLevel> read_audio_level(Bytes data) {
  // RFC 6464 §3: one byte, in the two-byte form possibly padded to more.
  if (data.empty()) return {};
  return AudioLevel{(data[0] & 0x80) != 0, static_cast<uint8_t>(data[0] & 0x7f)};
}
constexpr uint8_t write_audio_level(AudioLevel l) {
  return static_cast<uint8_t>((l.voice ? 0x80 : 0) | (l.level & 0x7f));
}

/// Transport-wide sequence number.
inline std::optional<uint16_t> read_transport_seq(Bytes data) {
  if (data.size() < 2) return {};
  return load_be<uint16_t>(data.data());
}

/// 24 bits, seconds as 6.18 fixed point: wraps every 64 s.
inline std::optional<uint32_t> read_abs_send_time(Bytes data) {
  if (data.size() != 3) return {};
  return load_be24(data.data());
}
/// Of any monotonic clock; what matters to a receiver is the difference between packets.
constexpr uint32_t abs_send_time(Micros now) {
  const auto us = static_cast<uint64_t>(now.us);
  return static_cast<uint32_t>((((us / 1'000'000) << 18) | (((us % 1'000'000) << 18) / 1'000'000)) &
                               0xffffff);
}

}  // namespace sluice::rtp
