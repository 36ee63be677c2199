// Feedback messages: generic NACK (RFC 4585 §6.2.1), PLI (§6.3.1), FIR (RFC 5104 §4.3.1), REMB
// (draft-alvestrand-rmcat-remb-03 §2.2). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

/// Sequence numbers that a receiver misses.
class Nack {
 public:
  Ssrc sender;
  Ssrc media;

  /// Pairs of packet id and bitmask of lost packets after it; each names 1..17 numbers.
  size_t pairs() const { return fci_.size() / 4; }
  /// f(SeqNo) for every number, as written; a hostile list may name one twice.
  template <class F>
  void for_each(F&& f) const {
    for (size_t i = 0; i + 4 <= fci_.size(); i += 4) {
      const SeqNo first{load_be<uint16_t>(fci_.data() + i)};
      f(first);
      for (uint32_t mask = load_be<uint16_t>(fci_.data() + i + 2); mask != 0; mask &= mask - 1)
        f(first + (1 + __builtin_ctz(mask)));
    }
  }

 private:
  friend std::optional<Nack> parse_nack(const View&);
  Bytes fci_;
};
std::optional<Nack> parse_nack(const View& packet);
/// `missing`: ascending in serial order; as few pairs as that allows. Bytes written; 0 if `dst` is too short
/// for all of them or the list is empty.
size_t write_nack(MutBytes dst, Ssrc sender, Ssrc media, std::span<const SeqNo> missing);

struct Pli {
  Ssrc sender;
  Ssrc media;
};
std::optional<Pli> parse_pli(const View& packet);
size_t write_pli(MutBytes dst, const Pli& pli);

struct FirEntry {
  Ssrc media;
  uint8_t seq = 0;  ///< RFC 5104 §4.3.1.1: repeated with a retransmission, increased with a new request
};
class Fir {
 public:
  Ssrc sender;
  size_t size() const { return fci_.size() / 8; }
  FirEntry operator[](size_t i) const { return {{load_be<uint32_t>(fci_.data() + 8 * i)}, fci_[8 * i + 4]}; }

 private:
  friend std::optional<Fir> parse_fir(const View&);
  Bytes fci_;
};
std::optional<Fir> parse_fir(const View& packet);
/// 0 if `dst` is too short or the list is empty.
size_t write_fir(MutBytes dst, Ssrc sender, std::span<const FirEntry> entries);

/// Receiver estimated maximum bitrate.
class Remb {
 public:
  Ssrc sender;
  uint64_t bits_per_second = 0;
  size_t size() const { return sources_.size() / 4; }
  Ssrc operator[](size_t i) const { return {load_be<uint32_t>(sources_.data() + 4 * i)}; }

 private:
  friend std::optional<Remb> parse_remb(const View&);
  Bytes sources_;
};
std::optional<Remb> parse_remb(const View& packet);
/// Rounded down to 18 significant bits. 0..255 sources. 0 if something does not fit.
size_t write_remb(MutBytes dst, Ssrc sender, uint64_t bits_per_second, std::span<const Ssrc> sources);

}  // namespace sluice::rtcp
