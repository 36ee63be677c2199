// Which packets a receiver misses, and when to ask for them again (RFC 4585 §6.2.1). Pure.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/units.h"

namespace sluice::rtp {

struct NackConfig {
  Micros reorder_wait = millis(10);  ///< before the first request: most gaps are packets on their way
  Micros min_interval = millis(20);  ///< between requests for one packet, if the round-trip time is less
  Micros give_up = millis(800);      ///< after the gap was seen; later it would be played no more
  uint8_t max_requests = 8;          ///< per packet
};

/// Missing sequence numbers among the last `kWindow` (a power of two, at least 64). What leaves the window,
/// is too old or was asked for often enough is given up; a decoder that cannot go on without it (video) then
/// needs a key frame. Owner thread only.
template <size_t kWindow = 256>
class NackTracker {
  static_assert(std::has_single_bit(kWindow) && kWindow >= 64 && kWindow <= 16384);

 public:
  explicit NackTracker(NackConfig config = {}) : config_(config) {}

  /// Every packet that arrived, in order of arrival, retransmitted ones too (under their original number).
  /// True if it had been missing.
  bool on_packet(SeqNo seq, Micros now) {
    latest_ = std::max(latest_, now);
    if (!started_) {
      started_ = true, highest_ = seq;
      return false;
    }
    const int ahead = seq.minus(highest_);
    if (ahead <= 0) return clear(seq);
    if (ahead > static_cast<int>(kWindow)) {
      // RFC 3550 A.1 calls this a dropout; asking for all of it would be a storm.
      given_up_ += static_cast<uint64_t>(missing()) + static_cast<uint64_t>(ahead - 1);
      missing_.fill(0);
      key_frame_needed_ = true;
      highest_ = seq;
      return false;
    }
    for (int i = 1; i <= ahead; ++i) {
      const SeqNo at = highest_ + i;
      if (clear(at - static_cast<int>(kWindow))) give_up_one();
      if (i < ahead) miss(at);
    }
    highest_ = seq;
    return false;
  }

  /// Writes the numbers to ask for now, oldest first, and notes that they were asked for; returns how many.
  /// What does not fit is due at the next call. `rtt`: 0 if unknown.
  size_t take_due(Micros now, Micros rtt, std::span<SeqNo> out) {
    latest_ = std::max(latest_, now);
    size_t n = 0;
    for_each_missing([&](SeqNo seq, Entry& e) {
      if (now - full(e.since) >= config_.give_up ||
          (e.requests >= config_.max_requests && now >= due(e, rtt))) {
        clear(seq);
        give_up_one();
      } else if (n < out.size() && now >= due(e, rtt)) {
        out[n++] = seq;
        e.last = short_of(latest_);
        ++e.requests;
        ++requested_;
      }
    });
    return n;
  }

  /// When take_due() will next have something to do; kNever if nothing is missing.
  Micros next_deadline(Micros rtt) {
    Micros at = kNever;
    for_each_missing(
        [&](SeqNo, Entry& e) { at = std::min({at, due(e, rtt), full(e.since) + config_.give_up}); });
    return at;
  }

  /// True once after something was given up.
  bool take_key_frame_needed() {
    const bool needed = key_frame_needed_;
    key_frame_needed_ = false;
    return needed;
  }

  int missing() const {
    int n = 0;
    for (uint64_t w : missing_) n += std::popcount(w);
    return n;
  }
  uint64_t requested() const { return requested_; }
  uint64_t given_up() const { return given_up_; }
  /// The stream starts anew: nothing is missing.
  void reset() {
    missing_.fill(0);
    started_ = key_frame_needed_ = false;
  }

 private:
  /// Times are the low 32 bits of microseconds, up to 71 minutes before latest_: half the memory.
  struct Entry {
    uint32_t since = 0;  ///< when the gap was seen
    uint32_t last = 0;   ///< last request
    uint8_t requests = 0;
  };

  static size_t slot(SeqNo s) { return s.v % kWindow; }
  Micros due(const Entry& e, Micros rtt) const {
    return e.requests == 0 ? full(e.since) + config_.reorder_wait
                           : full(e.last) + std::max(rtt, config_.min_interval);
  }
  static uint32_t short_of(Micros t) { return static_cast<uint32_t>(t.us); }
  Micros full(uint32_t low) const { return latest_ - Micros{int64_t{short_of(latest_) - low}}; }
  void miss(SeqNo seq) {
    missing_[slot(seq) / 64] |= uint64_t{1} << (slot(seq) % 64);
    entries_[slot(seq)] = {short_of(latest_), 0, 0};
  }
  /// `seq` not after highest_. False if it was not missing.
  bool clear(SeqNo seq) {
    if (highest_.minus(seq) >= static_cast<int>(kWindow)) return false;
    uint64_t& word = missing_[slot(seq) / 64];
    const uint64_t bit = uint64_t{1} << (slot(seq) % 64);
    const bool was = (word & bit) != 0;
    word &= ~bit;
    return was;
  }
  void give_up_one() {
    ++given_up_;
    key_frame_needed_ = true;
  }
  /// Oldest first.
  template <class F>
  void for_each_missing(F&& f) {
    const SeqNo oldest = highest_ - static_cast<int>(kWindow - 1);
    const size_t start = slot(oldest);
    for (size_t k = 0; k <= kWindow / 64; ++k) {
      const size_t w = (start / 64 + k) % (kWindow / 64);
      uint64_t bits = missing_[w];
      if (k == 0) bits &= ~uint64_t{0} << (start % 64);
      if (k == kWindow / 64) bits &= (uint64_t{1} << (start % 64)) - 1;
      for (; bits != 0; bits &= bits - 1) {
        const size_t s = w * 64 + static_cast<size_t>(std::countr_zero(bits));
        f(oldest + static_cast<int>((s - start) % kWindow), entries_[s]);
      }
    }
  }

  NackConfig config_;
  bool started_ = false;
  bool key_frame_needed_ = false;
  SeqNo highest_;
  Micros latest_;
  uint64_t requested_ = 0;
  uint64_t given_up_ = 0;
  std::array<uint64_t, kWindow / 64> missing_{};
  std::array<Entry, kWindow> entries_;
};

}  // namespace sluice::rtp
