#include "net/rtcp/twcc_recorder.h"

#include <algorithm>

namespace sluice::rtcp {

void TwccRecorder::on_packet(uint16_t transport_seq, Ssrc media, Micros arrived) {
  if (!started_) {
    started_ = true;
    // One cycle up, so that numbers before the first are not negative.
    highest_ = next_ = int64_t{0x10000} + transport_seq;
    reported_ = highest_ - 1;
    arrivals_.fill(kNone);
    due_ = arrived + kInterval;
  }
  const auto ahead = static_cast<int16_t>(transport_seq - static_cast<uint16_t>(highest_));
  const int64_t extended = highest_ + ahead;
  if (extended <= highest_ - static_cast<int64_t>(kWindow)) return;
  const bool idle = !unreported();
  if (ahead > 0) {
    const int64_t stale = std::max(highest_ + 1, extended - static_cast<int64_t>(kWindow) + 1);
    for (int64_t i = stale; i <= extended; ++i) slot(i) = kNone;
    highest_ = extended;
    next_ = std::max(next_, highest_ - static_cast<int64_t>(kWindow) + 1);
  }
  if (slot(extended) != kNone) return;
  slot(extended) = arrived.us / kTwccTick.us;
  ++received_;
  media_ = media;
  if (extended < next_) next_ = extended;
  if (idle) due_ = arrived + kInterval;
}

size_t TwccRecorder::take_feedback(MutBytes dst, Ssrc sender, Micros now) {
  if (!unreported() || now < due_) return 0;
  std::array<int64_t, kWindow> list;
  const auto n = static_cast<size_t>(highest_ - next_ + 1);
  for (size_t i = 0; i < n; ++i) list[i] = slot(next_ + static_cast<int64_t>(i));
  const TwccWritten written = write_twcc(dst, sender, media_, static_cast<uint16_t>(next_), feedback_count_,
                                         std::span(list).first(n));
  if (written.bytes == 0) return 0;
  ++feedback_count_;
  for (size_t i = 0; i < written.packets; ++i) {
    const int64_t seq = next_ + static_cast<int64_t>(i);
    if (seq > reported_ && list[i] == kNone) ++lost_;
  }
  next_ += static_cast<int64_t>(written.packets);
  reported_ = std::max(reported_, next_ - 1);
  return written.bytes;
}

}  // namespace sluice::rtcp
