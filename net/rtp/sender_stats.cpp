#include "net/rtp/sender_stats.h"

namespace sluice::rtp {

std::optional<Micros> round_trip(uint32_t lsr, uint32_t dlsr, NtpTime now) {
  if (lsr == 0) return {};
  const uint32_t rtt = now.compact() - lsr - dlsr;
  // A negative result is a clock of finite steps on a fast path: next to nothing, but not "unknown".
  if (static_cast<int32_t>(rtt) < 0) {
    if (0u - rtt > to_compact_ntp(millis(10))) return {};
    return Micros{};
  }
  const Micros span = from_compact_ntp(rtt);
  if (span > kMaxRtt) return {};
  return span;
}

void SenderStats::on_sent(RtpTime timestamp, uint32_t payload, NtpTime at) {
  // Of packets out of order, and of a frame's many packets, the first of the latest frame tells the time
  // best. After a second without one, whatever comes: the source may have moved its timestamps back.
  const bool later = timestamp.minus(newest_.rtp) > 0 || between(at, newest_.ntp) > seconds(1);
  if (packets_ == retransmitted_ || later) newest_ = {at, timestamp};
  ++packets_;
  octets_ += payload;
}

std::optional<SenderInfo> SenderStats::sender_info(NtpTime now) const {
  if (packets_ == 0) return {};
  const ClockPair& from = anchored_ ? anchor_ : newest_;
  const int64_t elapsed = ticks(between(now, from.ntp), clock_rate_);
  return SenderInfo{now, from.rtp + static_cast<uint32_t>(elapsed), static_cast<uint32_t>(packets_),
                    static_cast<uint32_t>(octets_)};
}

bool SenderStats::on_report(const ReportBlock& block, NtpTime now) {
  if (block.source != ssrc_) return false;
  last_ = block;
  ++reports_;
  const auto sample = round_trip(block.lsr, block.dlsr, now);
  if (!sample) return true;
  rtt_ = has_rtt_ ? rtt_ + (*sample - rtt_) / 8 : *sample;
  has_rtt_ = true;
  return true;
}

}  // namespace sluice::rtp
