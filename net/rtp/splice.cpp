#include "net/rtp/splice.h"

#include <algorithm>

#include "net/rtp/report_block.h"

namespace sluice::rtp {
namespace {

// RFC 3550 A.1: MAX_DROPOUT.
constexpr int kMaxGap = 3000;

}  // namespace

Splice::Splice(uint32_t clock_rate, uint32_t frame, SeqNo first_seq, RtpTime first_timestamp)
    : clock_rate_(clock_rate),
      frame_(frame),
      // One cycle up, so that numbers before the first are not negative.
      highest_out_(int64_t{0x10000} + first_seq.v - 1),
      newest_timestamp_(first_timestamp) {}

void Splice::switch_to(Source source) {
  if (source == source_) return;
  source_ = source;
  joined_ = false;
}

/// RFC 3550 A.1's rule: one packet from far away may be a straggler, two in sequence are a restart.
bool Splice::must_join(int64_t index) {
  if (!joined_) return true;
  const int64_t ahead = index - highest_in_;
  if (ahead >= -kMaxGap && ahead <= kMaxGap) return false;
  if (has_suspect_ && index == suspect_next_) return true;
  has_suspect_ = true;
  suspect_next_ = index + 1;
  return false;
}

void Splice::join(int64_t index, RtpTime timestamp, Micros now) {
  uint32_t step = 0;
  if (started_) {
    ++switches_;
    const int64_t elapsed = ticks(std::max(now - newest_at_, Micros{}), clock_rate_);
    step = static_cast<uint32_t>(std::max<int64_t>(elapsed, frame_));
  }
  timestamp_shift_ = newest_timestamp_.v + step - timestamp.v;
  first_out_ = highest_out_ + 1;
  // map() adds the distance from the newest, which is 1 for the packet that joins.
  highest_in_ = index - 1;
  newest_timestamp_ = newest_timestamp_ + step;
  newest_at_ = now;
  joined_ = started_ = true;
  has_suspect_ = false;
}

std::optional<Splice::Out> Splice::map(Source source, uint64_t packet_index, RtpTime timestamp, Micros now) {
  if (source != source_) return {};
  const auto index = static_cast<int64_t>(packet_index);
  if (must_join(index)) join(index, timestamp, now);

  const int64_t ahead = index - highest_in_;
  if (ahead < -kMaxGap || ahead > kMaxGap) return {};
  const int64_t out = highest_out_ + ahead;
  if (out < first_out_) return {};
  const RtpTime out_timestamp{timestamp.v + timestamp_shift_};
  if (ahead > 0) {
    highest_out_ = out;
    highest_in_ = index;
    has_suspect_ = false;
  }
  // Frames may be sent out of presentation order (B-frames), so newest by number is not latest by time.
  if (out_timestamp.minus(newest_timestamp_) > 0) {
    newest_timestamp_ = out_timestamp;
    newest_at_ = now;
  }
  return Out{SeqNo{static_cast<uint16_t>(out)}, out_timestamp};
}

std::optional<uint64_t> Splice::source_index(SeqNo out) const {
  if (!joined_) return {};
  const int behind = SeqNo{static_cast<uint16_t>(highest_out_)}.minus(out);
  if (behind < 0 || highest_out_ - behind < first_out_) return {};
  return static_cast<uint64_t>(highest_in_ - behind);
}

Splice::Out Splice::map_again(uint64_t index, RtpTime timestamp) const {
  const int64_t out = highest_out_ + static_cast<int64_t>(index) - highest_in_;
  return {SeqNo{static_cast<uint16_t>(out)}, RtpTime{timestamp.v + timestamp_shift_}};
}

std::optional<RtpTime> Splice::map_time(RtpTime timestamp) const {
  if (!joined_) return {};
  return RtpTime{timestamp.v + timestamp_shift_};
}

}  // namespace sluice::rtp
