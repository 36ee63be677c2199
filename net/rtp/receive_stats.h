// What a receiver knows and reports about one SSRC that it receives (RFC 3550 §6.4 and appendix A). Pure.
#pragma once

#include <cstdint>

#include "net/base/units.h"
#include "net/rtp/report_block.h"

namespace sluice::rtp {

/// Where a packet stands in its stream.
enum class Arrival : uint8_t {
  first,      ///< of the stream
  in_order,   ///< the one after the highest
  gap,        ///< newer than that: some are missing before it
  reordered,  ///< older than the highest, not seen before
  duplicate,  ///< seen before
  suspect,    ///< far from the highest: counted once its successor confirms that the sender jumped
  restarted,  ///< that successor: sequence tracking starts anew here
};

/// RFC 3550 A.1, A.3 and A.8, without A.1's probation: it guards against packets of strangers and against
/// SSRC guesses from misdelivered data, and every packet that comes here has passed SRTP authentication. Feed
/// it every authenticated packet except retransmissions under an SSRC of their own. Owner thread only.
class ReceiveStats {
 public:
  ReceiveStats() = default;
  ReceiveStats(Ssrc source, uint32_t clock_rate) : source_(source), clock_rate_(clock_rate) {}

  /// `arrived`: when the batch that brought it was read. `bytes`: RTP header and payload.
  Arrival on_packet(SeqNo seq, RtpTime timestamp, Micros arrived, uint32_t bytes);
  /// A sender report of this SSRC.
  void on_sender_report(NtpTime ntp, Micros arrived) { lsr_ = ntp.compact(), sr_arrived_ = arrived; }

  /// The block to be sent now. Starts the next interval of fraction_lost.
  ReportBlock report(Micros now);

  Ssrc source() const { return source_; }
  uint32_t clock_rate() const { return clock_rate_; }
  bool started() const { return started_; }
  uint64_t packets() const { return received_; }  ///< duplicates and reordered ones included
  uint64_t bytes() const { return bytes_; }
  uint64_t duplicates() const { return duplicates_; }
  uint64_t restarts() const { return restarts_; }
  /// Expected minus received; negative when duplicates outnumber losses (RFC 3550 §6.4.1).
  int64_t lost() const { return static_cast<int64_t>(expected() - received_); }
  /// Over all restarts.
  uint64_t expected() const { return started_ ? static_cast<uint64_t>(highest_ - base_ + 1) : 0; }
  /// Of the interval that the last report() ended, in 1/256.
  uint8_t fraction_lost() const { return fraction_lost_; }
  uint32_t jitter_ticks() const { return jitter_q4_ >> 4; }
  Micros jitter() const { return from_ticks(jitter_ticks(), clock_rate_); }
  /// The low 32 bits of the extended highest sequence number.
  uint32_t highest_seq() const { return static_cast<uint32_t>(highest_); }
  Micros last_arrival() const { return last_arrival_; }

 private:
  Arrival place(SeqNo seq);
  void advance_to(int64_t extended);
  void start_at(SeqNo seq);
  void update_jitter(RtpTime timestamp, Micros arrived);

  Ssrc source_;
  uint32_t clock_rate_ = 48'000;
  bool started_ = false;
  bool has_transit_ = false;
  bool has_suspect_ = false;
  uint8_t fraction_lost_ = 0;
  SeqNo suspect_next_;   ///< A.1's bad_seq
  int64_t highest_ = 0;  ///< extended; low 16 bits are the sequence number
  int64_t base_ = 0;     ///< such that highest - base + 1 were expected
  uint64_t seen_ = 0;    ///< bit i: highest - i has arrived
  uint64_t received_ = 0;
  uint64_t bytes_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t restarts_ = 0;
  uint64_t expected_prior_ = 0;
  uint64_t received_prior_ = 0;
  uint32_t transit_ = 0;
  uint32_t jitter_q4_ = 0;  ///< times 16
  uint32_t lsr_ = 0;
  Micros sr_arrived_;
  Micros last_arrival_;
};

}  // namespace sluice::rtp
