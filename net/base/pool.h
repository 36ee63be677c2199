// Fixed slots for packet bytes. One owner thread; other shards only read slots lent to them by a ring.
// Pure: the memory is handed in, nothing is allocated.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/bytes.h"
#include "net/base/packet.h"

namespace sluice {

/// Invariant: free() + in_flight() == capacity(). A slot is in flight from take() until its reference count,
/// which starts at 1, falls to 0 by drop(). Owner thread only, except slot_bytes().
class PacketPool {
 public:
  /// Bytes of memory that `capacity` slots need; the memory must be 64-byte aligned.
  static constexpr size_t bytes_for(uint32_t capacity) {
    return size_t{capacity} * (kSlotBytes + sizeof(SlotIndex) + sizeof(uint16_t)) + 64;
  }

  PacketPool() = default;
  PacketPool(std::span<std::byte> memory, uint32_t capacity)
      : slots_(reinterpret_cast<uint8_t*>(memory.data())), capacity_(capacity), free_(capacity) {
    assert(memory.size() >= bytes_for(capacity));
    stack_ = reinterpret_cast<SlotIndex*>(slots_ + size_t{capacity} * kSlotBytes);
    refs_ = reinterpret_cast<uint16_t*>(stack_ + capacity);
    for (uint32_t i = 0; i < capacity; ++i) stack_[i] = capacity - 1 - i, refs_[i] = 0;
  }

  uint32_t capacity() const { return capacity_; }
  uint32_t free() const { return free_; }
  uint32_t in_flight() const { return capacity_ - free_; }

  /// kNoSlot when empty.
  SlotIndex take() {
    if (free_ == 0) return kNoSlot;
    const SlotIndex s = stack_[--free_];
    assert(refs_[s] == 0);
    refs_[s] = 1;
    return s;
  }
  /// One more holder of the same slot.
  void share(SlotIndex s) {
    assert(s < capacity_ && refs_[s] > 0 && refs_[s] < UINT16_MAX);
    ++refs_[s];
  }
  /// One holder fewer; the last one frees the slot.
  void drop(SlotIndex s) {
    assert(s < capacity_ && refs_[s] > 0);
    if (--refs_[s] == 0) stack_[free_++] = s;
  }
  uint16_t refs(SlotIndex s) const { return refs_[s]; }
  /// Holders of all slots together; walks the pool, so for tests.
  uint64_t total_refs() const {
    uint64_t n = 0;
    for (uint32_t i = 0; i < capacity_; ++i) n += refs_[i];
    return n;
  }

  /// All kSlotBytes of a slot.
  uint8_t* slot_bytes(SlotIndex s) const { return slots_ + size_t{s} * kSlotBytes; }
  MutBytes payload(const Packet& p) const { return {slot_bytes(p.slot) + p.offset, p.len}; }
  /// From the payload's first byte to the end of the slot, for what grows in place.
  MutBytes payload_room(const Packet& p) const {
    return {slot_bytes(p.slot) + p.offset, size_t{kSlotBytes} - p.offset};
  }

 private:
  uint8_t* slots_ = nullptr;
  SlotIndex* stack_ = nullptr;
  uint16_t* refs_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t free_ = 0;
};

}  // namespace sluice
