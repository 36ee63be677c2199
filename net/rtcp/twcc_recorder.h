// Arrival times of packets with transport-wide sequence numbers, told to the sender now and then. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/units.h"
#include "net/rtcp/twcc.h"

namespace sluice::rtcp {

/// One per session, for all its SSRCs (the numbers are transport-wide). Feedback goes out every 100 ms while
/// packets arrive. Each message starts after the last packet that was reported; a packet that arrives later
/// than its report is reported again with all that follow it, as senders expect. Owner thread only.
class TwccRecorder {
 public:
  static constexpr size_t kWindow =
      512;  ///< packets between two reports; above 5 000/s older ones stay unreported
  static constexpr Micros kInterval = millis(100);

  void on_packet(uint16_t transport_seq, Ssrc media, Micros arrived);
  /// When take_feedback() will have something to say; kNever while there is nothing.
  Micros next_deadline() const { return unreported() ? due_ : kNever; }
  /// Writes one message if one is due and returns its length; 0 if none is (or `dst` is shorter than 24
  /// bytes). Call until it returns 0: what does not fit one message comes in the next.
  size_t take_feedback(MutBytes dst, Ssrc sender, Micros now);

  uint64_t lost() const { return lost_; }  ///< reported as not received, at the time
  uint64_t received() const { return received_; }

 private:
  static constexpr int64_t kNone = kTwccLost;
  bool unreported() const { return started_ && next_ <= highest_; }
  int64_t& slot(int64_t extended) { return arrivals_[static_cast<size_t>(extended) % kWindow]; }

  bool started_ = false;
  uint8_t feedback_count_ = 0;
  Ssrc media_;
  Micros due_;
  int64_t highest_ = 0;   ///< extended
  int64_t next_ = 0;      ///< first that the next message covers, extended
  int64_t reported_ = 0;  ///< highest that a message has covered, extended
  uint64_t lost_ = 0;
  uint64_t received_ = 0;
  std::array<int64_t, kWindow> arrivals_;
};

}  // namespace sluice::rtcp
