// Builds the datagrams that carry one batch's packets to one peer. Pure.
#pragma once

#include "net/trunk/wire.h"

namespace sluice::trunk {

/// What a datagram is sealed with; trunk.h fills it in.
struct Seal {
  Header header;
  crypto::Gmac gmac;
  uint32_t place = 0;
  std::array<uint8_t, 4> salt{};
};

/// One per peer with packets in the batch; a cache line. Copies each payload once, straight to where it is
/// sent from, and allocates nothing.
///
///     if (!w.open()) w.start(slot);
///     if (!w.add(frame)) {
///       if (!w.empty()) { send(trunk.seal(peer, w, Writer::More::yes)); w.start(another slot); }
///       if (!w.add(frame)) { w.start_single(); if (!w.add(frame)) -> Drop::oversize }
///     }
///     at the end of the batch: if (!w.empty()) send(trunk.seal(peer, w, Writer::More::no)); w.end_batch();
///
/// Equal sizes: datagrams that follow each other to one peer leave in one UDP_SEGMENT send if all but the
/// last are equally long. So the first full one of a batch sets the length; those behind it may not grow
/// longer, and are padded up to it if more follow. Packets of one size need no padding at all.
class Writer {
 public:
  struct Limits {
    uint16_t datagram = kDefaultMaxDatagram;  ///< at least kHeaderBytes + kTagBytes
    uint16_t single = kDefaultMaxSingle;      ///< at least `datagram`
  };
  enum class More : bool { no, yes };  ///< whether another datagram of this batch follows to the same peer

  Writer() = default;
  explicit Writer(Limits limits) : limits_(limits) {}

  /// Begins a datagram in memory that stays until it is sealed, at least Limits::single long; what does not
  /// fit there is not built.
  void start(MutBytes memory);
  /// Lets the open, empty datagram grow to Limits::single, for one packet that is too long for company.
  void start_single();
  bool open() const { return memory_.data() != nullptr; }
  bool empty() const { return frames_ == 0; }
  uint32_t frames() const { return frames_; }
  /// Bytes of the datagram if it were sealed now, header and tag included.
  size_t size() const { return at_ + kTagBytes; }
  MutBytes memory() const { return memory_; }

  /// False if it does not fit; nothing is written then. Precondition: open().
  bool add(const Frame& f);

  /// Header, padding and tag; returns the datagram's length, and the writer is not open any more.
  /// Precondition: open(). The sequence must be fresh.
  size_t finish(const Seal& seal, More more);
  /// The next datagram may have any length again. Discards one that is open.
  void end_batch();

 private:
  MutBytes memory_;
  Endpoint local_;     ///< of the last frame
  uint16_t at_ = 0;    ///< where the next frame goes
  uint16_t room_ = 0;  ///< where the tag must begin at the latest
  uint16_t run_ = 0;   ///< length of the batch's first full datagram; 0: none yet
  uint16_t frames_ = 0;
  bool single_ = false;
  Limits limits_;
};

}  // namespace sluice::trunk
