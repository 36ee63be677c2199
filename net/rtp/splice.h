// One continuous RTP stream out of a succession of sources. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "net/base/units.h"

namespace sluice::rtp {

/// Where packets come from: two publishers may use the same SSRC, one publisher several.
struct Source {
  uint64_t publisher = 0;  ///< whatever tells publishing sessions apart for as long as the subscriber lives
  Ssrc ssrc;
  constexpr bool operator==(const Source&) const = default;
};

/// For one track of one subscriber: gives every packet of the current source its sequence number and
/// timestamp in an output stream with a fixed SSRC, such that a change of source is no event for the
/// receiver: the first packet of the new source has the next sequence number, and a timestamp later than the
/// newest sent by the wall time that has passed, at least one frame. Within a source both are shifted by a
/// constant, so reordering stays reordering and loss stays a visible gap. Packets of any other source, and of
/// the current one from before its first forwarded packet (their numbers belong to the source before), are
/// refused. Owner thread only.
///
/// A source's packets are named by their 48-bit index (RFC 3711 §3.3.1), which no two of them share, not by
/// the sequence number, which comes back after 65536 packets: so no two packets ever get the same output
/// number, whatever a publisher does, and output numbers may be used as SRTP nonces.
class Splice {
 public:
  struct Out {
    SeqNo seq;
    RtpTime timestamp;
  };

  Splice() = default;
  /// `first_seq`, `first_timestamp`: random (RFC 3550 §5.1). `frame`: the least step between timestamps at a
  /// switch, in ticks: 960 for Opus at 20 ms, 3000 for video at 30 frames/s.
  Splice(uint32_t clock_rate, uint32_t frame, SeqNo first_seq, RtpTime first_timestamp);

  /// From now on only packets of `source` pass, the first of them joined on. No effect if it is current
  /// already.
  void switch_to(Source source);
  Source source() const { return source_; }

  /// Nothing: refused. A packet more than 3000 numbers away is refused too, unless it follows upon another
  /// such: then the source has begun anew and is joined on. The same input gives the same output for as long
  /// as the source stays current. `index` < 2^48.
  std::optional<Out> map(Source source, uint64_t index, RtpTime timestamp, Micros now);

  /// The current source's index of a packet that was sent as `out`, to answer a NACK; nothing if that number
  /// was sent for an earlier source or is not sent yet.
  std::optional<uint64_t> source_index(SeqNo out) const;
  /// What map() gave for the packet that source_index() names; changes nothing.
  Out map_again(uint64_t index, RtpTime timestamp) const;
  /// The output timestamp of an instant of the current source, for sender reports; nothing before its first
  /// packet.
  std::optional<RtpTime> map_time(RtpTime timestamp) const;
  /// The newest packet sent; only meaningful once started().
  Out newest() const { return {SeqNo{static_cast<uint16_t>(highest_out_)}, newest_timestamp_}; }
  bool started() const { return started_; }
  /// How many times the stream was joined, the first source not counted.
  uint32_t switches() const { return switches_; }

 private:
  bool must_join(int64_t index);
  void join(int64_t index, RtpTime timestamp, Micros now);

  Source source_;
  bool started_ = false;  ///< something was sent
  bool joined_ = false;   ///< of the current source
  bool has_suspect_ = false;
  uint32_t clock_rate_ = 48'000;
  uint32_t frame_ = 960;
  uint32_t switches_ = 0;
  int64_t highest_out_ = 0;  ///< extended
  int64_t first_out_ = 0;    ///< of the current source, extended
  int64_t highest_in_ = 0;
  int64_t suspect_next_ = 0;
  uint32_t timestamp_shift_ = 0;
  RtpTime newest_timestamp_;
  Micros newest_at_;
};

}  // namespace sluice::rtp
