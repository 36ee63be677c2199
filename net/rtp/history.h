// The last packets of a source, kept to answer NACKs. Pure: the memory is handed in.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/packet.h"

namespace sluice::rtp {

/// A ring by packet index (RFC 3711 §3.3.1), so that a packet from one cycle of sequence numbers ago is never
/// taken for the one that is asked for. It holds one reference of each slot it knows: put() passes it in, and
/// whatever comes back, from put() or drain(), is the owner's to drop. One History per source: drain() it
/// when the source changes, for indices of two sources do not compare. Owner thread only.
class History {
 public:
  struct Entry {
    uint64_t index = 0;
    SlotIndex slot = kNoSlot;
    uint16_t offset = 0;
    uint16_t len = 0;
  };

  History() = default;
  /// `memory.size()`: a power of two.
  explicit History(std::span<Entry> memory) : ring_(memory) {
    assert(std::has_single_bit(memory.size()));
    for (Entry& e : ring_) e = Entry{};
  }

  size_t capacity() const { return ring_.size(); }
  size_t size() const { return size_; }

  /// Keeps a packet; returns the slot that the owner has to drop now: the one that fell out, or the new one
  /// if it is older than the whole ring or its index is there already; kNoSlot if none.
  SlotIndex put(uint64_t index, SlotIndex slot, uint16_t offset, uint16_t len) {
    if (ring_.empty()) return slot;
    Entry& e = ring_[index & (ring_.size() - 1)];
    if (size_ == 0 || index > newest_) {
      newest_ = index;
    } else if (!covers(index) || (e.slot != kNoSlot && e.index == index)) {
      return slot;
    }
    const SlotIndex out = e.slot;
    if (out == kNoSlot) ++size_;
    e = {index, slot, offset, len};
    return out;
  }

  /// nullptr if it is not there (any more). Good until the next put() or drain().
  const Entry* find(uint64_t index) const {
    if (size_ == 0 || !covers(index)) return nullptr;
    const Entry& e = ring_[index & (ring_.size() - 1)];
    return e.slot != kNoSlot && e.index == index ? &e : nullptr;
  }

  /// f(SlotIndex) for every packet, and forgets them all.
  template <class F>
  void drain(F&& f) {
    for (Entry& e : ring_) {
      if (e.slot != kNoSlot) f(e.slot);
      e = Entry{};
    }
    size_ = 0;
  }

 private:
  bool covers(uint64_t index) const { return index <= newest_ && newest_ - index < ring_.size(); }

  std::span<Entry> ring_;
  size_t size_ = 0;
  uint64_t newest_ = 0;
};

}  // namespace sluice::rtp
