#include "net/rtp/receive_stats.h"

#include <algorithm>

namespace sluice::rtp {
namespace {

// RFC 3550 A.1.
constexpr int kMaxDropout = 3000;
constexpr int kMaxMisorder = 100;
constexpr int kSeenBits = 64;
constexpr int32_t kMaxLost = 0x7fffff, kMinLost = -0x800000;

}  // namespace

Arrival ReceiveStats::on_packet(SeqNo seq, RtpTime timestamp, Micros arrived, uint32_t bytes) {
  const Arrival where = place(seq);
  if (where == Arrival::suspect) return where;
  ++received_;
  bytes_ += bytes;
  if (where == Arrival::duplicate) {
    ++duplicates_;
    return where;
  }
  if (where == Arrival::restarted) ++restarts_, has_transit_ = false;
  last_arrival_ = arrived;
  update_jitter(timestamp, arrived);
  return where;
}

Arrival ReceiveStats::place(SeqNo seq) {
  if (!started_) {
    started_ = true;
    highest_ = base_ = seq.v;
    seen_ = 1;
    return Arrival::first;
  }
  const int ahead = seq.minus(SeqNo{static_cast<uint16_t>(highest_)});
  if (ahead > 0 && ahead < kMaxDropout) {
    has_suspect_ = false;
    advance_to(highest_ + ahead);
    return ahead == 1 ? Arrival::in_order : Arrival::gap;
  }
  if (ahead <= 0 && ahead > -kMaxMisorder) {
    // Older than the first packet: it was not expected, so it must not be received either.
    if (highest_ + ahead < base_ && restarts_ == 0) base_ = highest_ + ahead;
    if (-ahead >= kSeenBits) return Arrival::reordered;
    const uint64_t bit = uint64_t{1} << -ahead;
    const bool seen = (seen_ & bit) != 0;
    seen_ |= bit;
    return seen ? Arrival::duplicate : Arrival::reordered;
  }
  // RFC 3550 A.1: two packets in sequence make a jump believable.
  if (has_suspect_ && seq == suspect_next_) {
    start_at(seq);
    return Arrival::restarted;
  }
  has_suspect_ = true;
  suspect_next_ = seq + 1;
  return Arrival::suspect;
}

void ReceiveStats::advance_to(int64_t extended) {
  const int64_t by = extended - highest_;
  seen_ = (by >= kSeenBits ? 0 : seen_ << by) | 1;
  highest_ = extended;
}

/// The extended number goes on growing and what was expected so far stays expected, so that totals outlive a
/// restart.
void ReceiveStats::start_at(SeqNo seq) {
  const int64_t expected_so_far = static_cast<int64_t>(expected());
  const int64_t cycle = highest_ >> 16 << 16;
  const int64_t extended = cycle + seq.v;
  highest_ = extended > highest_ ? extended : extended + 0x10000;
  base_ = highest_ - expected_so_far;
  seen_ = 1;
  has_suspect_ = false;
}

/// RFC 3550 A.8, in 1/16 tick.
void ReceiveStats::update_jitter(RtpTime timestamp, Micros arrived) {
  const uint32_t transit = static_cast<uint32_t>(ticks(arrived, clock_rate_)) - timestamp.v;
  const auto change = static_cast<int32_t>(transit - transit_);
  transit_ = transit;
  if (!has_transit_) {
    has_transit_ = true;
    return;
  }
  const uint32_t d = change < 0 ? 0u - static_cast<uint32_t>(change) : static_cast<uint32_t>(change);
  // A step of more than 5 s is a new timestamp origin, not jitter.
  if (d > uint64_t{clock_rate_} * 5) return;
  const int64_t next = int64_t{jitter_q4_} + d - ((int64_t{jitter_q4_} + 8) >> 4);
  jitter_q4_ = static_cast<uint32_t>(std::max<int64_t>(next, 0));
}

ReportBlock ReceiveStats::report(Micros now) {
  const uint64_t expected_interval = expected() - expected_prior_;
  const uint64_t received_interval = received_ - received_prior_;
  expected_prior_ = expected();
  received_prior_ = received_;
  // RFC 3550 A.3: no loss, or more duplicates than losses, is 0.
  fraction_lost_ = 0;
  if (expected_interval > received_interval)
    fraction_lost_ = static_cast<uint8_t>(
        std::min<uint64_t>(255, ((expected_interval - received_interval) << 8) / expected_interval));

  ReportBlock b;
  b.source = source_;
  b.fraction_lost = fraction_lost_;
  b.cumulative_lost = static_cast<int32_t>(std::clamp<int64_t>(lost(), kMinLost, kMaxLost));
  b.highest_seq = highest_seq();
  b.jitter = jitter_ticks();
  b.lsr = lsr_;
  // RFC 3550 §6.4.1: both are 0 if no SR has come.
  if (lsr_ != 0) b.dlsr = to_compact_ntp(std::max(now - sr_arrived_, Micros{}));
  return b;
}

}  // namespace sluice::rtp
