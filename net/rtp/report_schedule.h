// When to send RTCP reports. Pure.
#pragma once

#include <cstdint>

#include "net/base/units.h"

namespace sluice::rtp {

inline constexpr Micros kAudioReportInterval = seconds(1);
inline constexpr Micros kVideoReportInterval = millis(500);

/// Uniform in 0.5 to 1.5 times `mean` (RFC 3550 §6.3.1: so that peers do not fall into step); the first after
/// half of that (§6.2). `random`: 32 random bits. Of §6.3's rules the rest scales the interval with the
/// number of members and takes back what comes of their arriving and leaving together; there are two members
/// here, for good, so there is nothing to scale or reconsider. Feedback messages need not wait for it:
/// between two members RFC 4585 §3.4 allows them at any time (T_dither_max = 0).
constexpr Micros report_delay(Micros mean, uint32_t random, bool first = false) {
  const Micros delay{mean.us / 2 + static_cast<int64_t>((static_cast<uint64_t>(mean.us) * random) >> 32)};
  return first ? delay / 2 : delay;
}

}  // namespace sluice::rtp
