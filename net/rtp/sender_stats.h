// What a sender counts, reports and learns about one SSRC that it sends (RFC 3550 §6.4). Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "net/base/units.h"
#include "net/rtp/report_block.h"

namespace sluice::rtp {

/// An instant on two clocks.
struct ClockPair {
  NtpTime ntp;  ///< ours
  RtpTime rtp;  ///< of the output stream
};

/// The sender's part of an SR.
struct SenderInfo {
  NtpTime ntp;
  RtpTime rtp;
  uint32_t packets = 0;
  uint32_t octets = 0;
};

/// An NTP time later by a span, which may be negative.
constexpr NtpTime later(NtpTime t, Micros span) {
  // 2^32 fractions per second, in two steps so that nothing overflows.
  const int64_t s = span.us / 1'000'000, us = span.us % 1'000'000;
  return {t.v + (static_cast<uint64_t>(s) << 32) +
          static_cast<uint64_t>(us * (int64_t{1} << 32) / 1'000'000)};
}
/// Signed, exact to a microsecond up to 68 years.
constexpr Micros between(NtpTime end, NtpTime start) {
  const auto d = static_cast<int64_t>(end.v - start.v);
  const int64_t s = d >> 32;
  return {s * 1'000'000 + (((d - (s << 32)) * 1'000'000) >> 32)};
}

/// One publisher's NTP clock told in ours. All tracks of one publishing session share one, so audio and video
/// get the same constant offset and stay in sync with each other; a publisher that takes a room over has
/// another, and since both are told in our clock, receivers see no jump of the sender's clock at the
/// takeover. The offset is taken from the first sender report and kept: updating it would move audio against
/// video by the jitter of the network.
class PublisherClock {
 public:
  /// An NTP time of the publisher's in ours. `arrived`: our NTP time when the report came; the first fixes
  /// the offset.
  NtpTime to_ours(NtpTime theirs, NtpTime arrived) {
    if (!fixed_) offset_ = arrived.v - theirs.v, fixed_ = true;
    return {theirs.v + offset_};
  }
  bool fixed() const { return fixed_; }

 private:
  uint64_t offset_ = 0;
  bool fixed_ = false;
};

/// Smallest and largest round-trip times that are believed; what lies beyond is a broken report.
inline constexpr Micros kMaxRtt = seconds(60);

/// RFC 3550 §6.4.1: A - LSR - DLSR. Nothing if the report answers no SR or its figures cannot be. `now` on
/// the NTP clock that our SRs were stamped with.
std::optional<Micros> round_trip(uint32_t lsr, uint32_t dlsr, NtpTime now);

/// Owner thread only.
class SenderStats {
 public:
  SenderStats() = default;
  SenderStats(Ssrc ssrc, uint32_t clock_rate) : ssrc_(ssrc), clock_rate_(clock_rate) {}

  /// `payload`: bytes without header and padding (RFC 3550 §6.4.1 counts those). `at`: our NTP time. Not for
  /// retransmissions: they would pull the extrapolated timestamp back; count those with on_retransmission().
  void on_sent(RtpTime timestamp, uint32_t payload, NtpTime at);
  void on_retransmission(uint32_t payload) { ++packets_, octets_ += payload, ++retransmitted_; }
  /// Translates the publisher's SR: `at.rtp` by Splice::map_time(), `at.ntp` by PublisherClock::to_ours().
  /// Until the source changes, SRs extrapolate from the last of these rather than from the last packet.
  void anchor(ClockPair at) { anchor_ = at, anchored_ = true; }
  /// The source changed: back to the last packet until its first SR comes.
  void drop_anchor() { anchored_ = false; }

  /// Nothing before the first packet: who sent nothing sends RRs (RFC 3550 §6.4).
  std::optional<SenderInfo> sender_info(NtpTime now) const;

  /// A block about our SSRC out of an SR or RR; false if it is about another.
  bool on_report(const ReportBlock& block, NtpTime now);

  Ssrc ssrc() const { return ssrc_; }
  uint32_t clock_rate() const { return clock_rate_; }
  uint64_t packets() const { return packets_; }
  uint64_t octets() const { return octets_; }
  uint64_t retransmitted() const { return retransmitted_; }
  // Of the receiver's last report.
  uint64_t reports() const { return reports_; }
  uint8_t fraction_lost() const { return last_.fraction_lost; }  ///< in 1/256
  int32_t lost() const { return last_.cumulative_lost; }
  uint32_t jitter_ticks() const { return last_.jitter; }
  Micros jitter() const { return from_ticks(last_.jitter, clock_rate_); }
  /// Smoothed by 1/8, as RFC 6298 §2 does; nothing before the first.
  std::optional<Micros> rtt() const { return has_rtt_ ? std::optional(rtt_) : std::nullopt; }

 private:
  Ssrc ssrc_;
  uint32_t clock_rate_ = 48'000;
  uint64_t packets_ = 0;
  uint64_t octets_ = 0;
  uint64_t retransmitted_ = 0;
  uint64_t reports_ = 0;
  ReportBlock last_;
  ClockPair newest_;
  ClockPair anchor_;
  bool anchored_ = false;
  bool has_rtt_ = false;
  Micros rtt_;
};

}  // namespace sluice::rtp
