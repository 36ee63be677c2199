// Strong types for the units of the wire. Pure: no allocation, clock, system call or exception.
#pragma once

#include <compare>
#include <cstdint>

namespace sluice {

/// A point on, or a distance along, the monotonic clock. Unit: microseconds. Origin: whatever the backend
/// says; virtual time in the simulator starts at 1 s, because zero hides bugs.
struct Micros {
  int64_t us = 0;

  constexpr auto operator<=>(const Micros&) const = default;
  constexpr Micros operator+(Micros o) const { return {us + o.us}; }
  constexpr Micros operator-(Micros o) const { return {us - o.us}; }
  constexpr Micros operator*(int64_t k) const { return {us * k}; }
  constexpr Micros operator/(int64_t k) const { return {us / k}; }
  constexpr Micros& operator+=(Micros o) { return us += o.us, *this; }
  constexpr int64_t millis() const { return us / 1000; }
};

inline constexpr Micros kNever{INT64_MAX};

constexpr Micros micros(int64_t n) { return {n}; }
constexpr Micros millis(int64_t n) { return {n * 1000}; }
constexpr Micros seconds(int64_t n) { return {n * 1'000'000}; }

/// RTP sequence number, RFC 3550 §5.1. Ordered by RFC 1982 serial arithmetic, so `<` is not transitive over
/// more than half the number space: never put it in an ordered container.
struct SeqNo {
  uint16_t v = 0;

  constexpr bool operator==(const SeqNo&) const = default;
  constexpr SeqNo operator+(int n) const { return {static_cast<uint16_t>(v + n)}; }
  constexpr SeqNo operator-(int n) const { return {static_cast<uint16_t>(v - n)}; }
  /// Signed distance from `o` to this, in -32768..32767.
  constexpr int16_t minus(SeqNo o) const { return static_cast<int16_t>(v - o.v); }
  constexpr bool newer_than(SeqNo o) const { return minus(o) > 0; }
};

/// RTP timestamp in ticks of the stream's clock, RFC 3550 §5.1; wraps.
struct RtpTime {
  uint32_t v = 0;

  constexpr bool operator==(const RtpTime&) const = default;
  constexpr RtpTime operator+(uint32_t n) const { return {v + n}; }
  constexpr int32_t minus(RtpTime o) const { return static_cast<int32_t>(v - o.v); }
};

/// Synchronisation source, RFC 3550 §3.
struct Ssrc {
  uint32_t v = 0;
  constexpr auto operator<=>(const Ssrc&) const = default;
};

/// 64-bit NTP timestamp: seconds since 1900 in the upper half, fractions in the lower (RFC 3550 §4).
struct NtpTime {
  uint64_t v = 0;

  constexpr auto operator<=>(const NtpTime&) const = default;
  /// The middle 32 bits, as LSR and DLSR carry it.
  constexpr uint32_t compact() const { return static_cast<uint32_t>(v >> 16); }
  /// `unix_us`: microseconds since 1970-01-01 UTC.
  static constexpr NtpTime from_unix_us(uint64_t unix_us) {
    constexpr uint64_t kUnixEpochInNtp = 2'208'988'800;
    const uint64_t s = unix_us / 1'000'000, frac = unix_us % 1'000'000;
    return {((s + kUnixEpochInNtp) << 32) | ((frac << 32) / 1'000'000)};
  }
};

/// Index of a shard, 0..kMaxShards-1.
struct ShardId {
  uint8_t v = 0;
  constexpr auto operator<=>(const ShardId&) const = default;
};

/// Index + generation into a slab. Generation 0 never names a live element, so a zeroed handle is "none".
struct Handle {
  uint32_t index = 0;
  uint32_t gen = 0;
  constexpr bool operator==(const Handle&) const = default;
  constexpr explicit operator bool() const { return gen != 0; }
};

}  // namespace sluice
