// RTP whose payload says who sent it and which packet it is, and the record of what arrived.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/units.h"
#include "net/crypto/primitives.h"
#include "net/rtp/header.h"
#include "tests/client/offer.h"

namespace sluice::test {

/// What every payload begins with; the rest follows from it.
struct Mark {
  uint32_t source = 0;   ///< id of the peer
  uint32_t counter = 0;  ///< packets of this track before it
  Kind kind = kAudio;
  bool key_frame = false;
  SeqNo seq;  ///< as sent by the source
  RtpTime timestamp;
};
inline constexpr size_t kMarkBytes = 20;
/// `size` >= kMarkBytes.
std::vector<uint8_t> write_payload(const Mark& mark, size_t size);
/// Nothing if a byte is wrong.
std::optional<Mark> read_payload(Bytes payload);

struct TalkerOptions {
  Micros interval = millis(20);
  size_t payload = 80;
  /// Talk and silence in turns, as DTX makes of speech; 0: without a pause.
  Micros talk, silence;
  /// Packets per frame; they share a timestamp.
  int burst = 1;
};

/// One outgoing track.
class Talker {
 public:
  Talker(uint32_t source, Kind kind, Ssrc ssrc, uint32_t clock_rate, const TalkerOptions& options,
         crypto::Random random);

  void start(Micros now) { next_ = begun_ = now; }
  void stop() { next_ = kNever; }
  Micros deadline() const { return next_; }
  /// Plain RTP packets that are due.
  std::vector<std::vector<uint8_t>> due(Micros now, const AnsweredMedia& to);
  void ask_key_frame() { key_frame_ = true; }

  Ssrc ssrc() const { return ssrc_; }
  uint32_t sent() const { return counter_; }
  uint64_t octets() const { return octets_; }
  RtpTime rtp_at(Micros now) const;

 private:
  bool talks(Micros now) const;

  uint32_t source_;
  Kind kind_;
  Ssrc ssrc_;
  uint32_t clock_rate_;
  TalkerOptions options_;
  SeqNo seq_;
  RtpTime first_ts_;
  uint32_t counter_ = 0;
  uint64_t octets_ = 0;
  uint16_t transport_seq_ = 0;
  bool key_frame_ = true;
  bool silent_before_ = true;
  Micros begun_;
  Micros next_ = kNever;
};

struct Heard {
  Micros at;
  SeqNo seq;
  RtpTime timestamp;
  Ssrc ssrc;
  bool marker = false;
  Mark mark;
};

/// One incoming track.
class Listener {
 public:
  /// An authentic packet; false, and `problem`, if its payload is not what a peer sent.
  bool on_packet(const rtp::Header& header, Bytes payload, Micros now);

  const std::vector<Heard>& heard() const { return heard_; }
  /// Missing numbers that may be asked for again, at most three times each and 100 ms apart.
  std::vector<SeqNo> take_missing(Micros now);
  size_t missing() const { return missing_.size(); }
  const std::string& problem() const { return problem_; }

  std::optional<SeqNo> highest() const { return highest_; }
  std::optional<Ssrc> ssrc() const { return heard_.empty() ? std::nullopt : std::optional(heard_[0].ssrc); }

 private:
  struct Miss {
    SeqNo seq;
    Micros next;
    int tries = 0;
  };
  void track(SeqNo seq, Micros now);
  bool fail(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }
  bool check(const Heard& h);

  std::vector<Heard> heard_;
  std::deque<Miss> missing_;
  std::optional<SeqNo> highest_;
  /// By source: how its numbers and timestamps are shifted. A source keeps its shift for as long as it is on.
  struct Shift {
    int16_t seq = 0;
    uint32_t timestamp = 0;
  };
  std::map<uint32_t, Shift> shifts_;
  uint32_t newest_source_ = 0;
  std::string problem_;
};

}  // namespace sluice::test
