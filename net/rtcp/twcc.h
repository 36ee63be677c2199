// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

/// Arrival times count in these.
inline constexpr Micros kTwccTick = micros(250);
/// The reference time counts in these: 64 ms.
inline constexpr int64_t kTwccTicksPerReference = 256;

/// One packet of a feedback message.
struct TwccStatus {
  uint16_t seq = 0;
  bool received = false;
  int64_t arrival_ticks =
      0;  ///< of 250 us since the origin of the reference time; meaningless if not received
};

/// A feedback message whose chunks and deltas are known to be complete, so that iteration cannot fail.
class Twcc {
 public:
  Ssrc sender;
  Ssrc media;
  uint16_t base_seq = 0;
  uint16_t status_count = 0;
  int32_t reference_time = 0;  ///< 24 bits signed, of 64 ms
  uint8_t feedback_count = 0;

  /// f(const TwccStatus&), status_count times, in order of sequence.
  template <class F>
  void for_each(F&& f) const {
    size_t chunk = 0, delta = 0;
    int64_t at = int64_t{reference_time} * kTwccTicksPerReference;
    for (uint32_t done = 0; done < status_count; chunk += 2) {
      const uint16_t bits = load_be<uint16_t>(chunks_.data() + chunk);
      const uint32_t n = symbols_in(bits);
      for (uint32_t i = 0; i < n && done < status_count; ++i, ++done) {
        const uint8_t symbol = symbol_at(bits, i);
        TwccStatus s{static_cast<uint16_t>(base_seq + done), symbol != 0, 0};
        if (symbol == 1) at += deltas_[delta], delta += 1;
        if (symbol == 2) at += static_cast<int16_t>(load_be<uint16_t>(deltas_.data() + delta)), delta += 2;
        s.arrival_ticks = at;
        f(s);
      }
    }
  }

 private:
  friend std::optional<Twcc> parse_twcc(const View&);
  static uint32_t symbols_in(uint16_t chunk) {
    if ((chunk & 0x8000) == 0) return chunk & 0x1fff;
    return (chunk & 0x4000) == 0 ? 14 : 7;
  }
  static uint8_t symbol_at(uint16_t chunk, uint32_t i) {
    if ((chunk & 0x8000) == 0) return (chunk >> 13) & 3;
    if ((chunk & 0x4000) == 0) return (chunk >> (13 - i)) & 1;
    return (chunk >> (12 - 2 * i)) & 3;
  }

  Bytes chunks_;
  Bytes deltas_;
};

/// Nothing if it is no such message, the chunks do not cover status_count, a delta is missing, or a packet
/// has the reserved symbol 3. A message may name 65535 packets in 16 bytes of chunks: bound what you do per
/// packet.
std::optional<Twcc> parse_twcc(const View& packet);

/// `arrival_ticks` of consecutive sequence numbers starting at `base_seq`; kTwccLost: not received.
inline constexpr int64_t kTwccLost = INT64_MIN;
struct TwccWritten {
  size_t bytes = 0;  ///< 0: not even one packet fits
  size_t packets =
      0;  ///< how many of the list it covers; fewer if a delta exceeds 16 bits or `dst` is too short
};
/// Writes one message that covers as many of the first arrivals as it can. The first must have been received;
/// no time is negative.
TwccWritten write_twcc(MutBytes dst, Ssrc sender, Ssrc media, uint16_t base_seq, uint8_t feedback_count,
                       std::span<const int64_t> arrival_ticks);

}  // namespace sluice::rtcp
