// The last packets of a source, kept to answer NACKs. Pure: the memory is handed in.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/packet.h"
#include "net/base/units.h"

namespace sluice::rtp {

/// A ring by sequence number. It holds one reference of each slot it knows: put() passes it in, and whatever
/// comes back, from put() or drain(), is the owner's to drop. One History per source: drain() it when the
/// source changes, for numbers of two sources do not compare. Owner thread only.
class History {
 public:
  struct Entry {
    SlotIndex slot = kNoSlot;
    uint16_t offset = 0;
    uint16_t len = 0;
    SeqNo seq;
  };

  History() = default;
  /// `memory.size()`: a power of two, at most 32768.
  explicit History(std::span<Entry> memory) : ring_(memory) {
    assert(std::has_single_bit(memory.size()) && memory.size() <= 32768);
    for (Entry& e : ring_) e = Entry{};
  }

  size_t capacity() const { return ring_.size(); }
  size_t size() const { return size_; }

  /// Keeps a packet; returns the slot that the owner has to drop now: the one that fell out, or the new one
  /// if it is older than the whole ring or its number is there already; kNoSlot if none.
  SlotIndex put(SeqNo seq, SlotIndex slot, uint16_t offset, uint16_t len) {
    if (ring_.empty()) return slot;
    Entry& e = at(seq);
    if (size_ == 0 || seq.newer_than(newest_)) {
      newest_ = seq;
    } else if (!covers(seq) || (e.slot != kNoSlot && e.seq == seq)) {
      return slot;
    }
    const SlotIndex out = e.slot;
    if (out == kNoSlot) ++size_;
    e = {slot, offset, len, seq};
    return out;
  }

  /// nullptr if it is not there (any more). Good until the next put() or drain().
  const Entry* find(SeqNo seq) const {
    if (size_ == 0 || !covers(seq)) return nullptr;
    const Entry& e = ring_[seq.v & (ring_.size() - 1)];
    return e.slot != kNoSlot && e.seq == seq ? &e : nullptr;
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
  Entry& at(SeqNo seq) { return ring_[seq.v & (ring_.size() - 1)]; }
  bool covers(SeqNo seq) const {
    const int behind = newest_.minus(seq);
    return behind >= 0 && behind < static_cast<int>(ring_.size());
  }

  std::span<Entry> ring_;
  size_t size_ = 0;
  SeqNo newest_;
};

}  // namespace sluice::rtp
