// What a receiver says about one source, RFC 3550 §6.4.1. Pure.
#pragma once

#include <cstdint>

#include "net/base/units.h"

namespace sluice::rtp {

struct ReportBlock {
  Ssrc source;
  uint8_t fraction_lost = 0;    ///< of the packets expected since the last report, in 1/256
  int32_t cumulative_lost = 0;  ///< 24-bit signed on the wire
  uint32_t highest_seq = 0;     ///< cycles in the upper 16 bits
  uint32_t jitter = 0;          ///< in ticks of the stream's clock
  uint32_t lsr = 0;             ///< NtpTime::compact() of the last SR; 0: none yet
  uint32_t dlsr = 0;            ///< since that SR arrived, in 1/65536 s
  constexpr bool operator==(const ReportBlock&) const = default;
};

/// Ticks of an RTP clock in a span of time, for any span that fits; rounds towards zero.
constexpr int64_t ticks(Micros span, uint32_t clock_rate) {
  const int64_t rate = clock_rate;
  return span.us / 1'000'000 * rate + span.us % 1'000'000 * rate / 1'000'000;
}
constexpr Micros from_ticks(int64_t n, uint32_t clock_rate) {
  const int64_t rate = clock_rate;
  return {n / rate * 1'000'000 + n % rate * 1'000'000 / rate};
}

/// Spans in 1/65536 s, as LSR and DLSR count them.
constexpr uint32_t to_compact_ntp(Micros span) { return static_cast<uint32_t>(ticks(span, 65536)); }
constexpr Micros from_compact_ntp(uint32_t span) { return from_ticks(span, 65536); }

}  // namespace sluice::rtp
