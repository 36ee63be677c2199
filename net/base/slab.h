// Fixed sets of elements named by index and generation. Pure: the memory is handed in.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "net/base/units.h"

namespace sluice {

/// Hands out indices 0..capacity-1 with generations, so that a handle kept past its element's end is noticed.
/// For data that is spread over several arrays by index; Slab<T> adds one array. Last freed, first reused:
/// its lines are the warmest. A generation is 1..max_generation and comes back after that many reuses of one
/// index. Owner thread only.
class HandleTable {
 public:
  static constexpr size_t bytes_for(uint32_t capacity) { return size_t{capacity} * 2 * sizeof(uint32_t); }

  HandleTable() = default;
  /// `memory` 4-byte aligned; `capacity` below 2^32 - 2; `max_generation` for handles that must fit into few
  /// bits elsewhere.
  HandleTable(std::span<std::byte> memory, uint32_t capacity, uint32_t max_generation = UINT32_MAX)
      : gen_(reinterpret_cast<uint32_t*>(memory.data())),
        next_(gen_ + capacity),
        capacity_(capacity),
        max_generation_(max_generation),
        free_(capacity == 0 ? kEnd : 0) {
    assert(memory.size() >= bytes_for(capacity) && max_generation > 0);
    for (uint32_t i = 0; i < capacity; ++i) gen_[i] = 1, next_[i] = i + 1 < capacity ? i + 1 : kEnd;
  }

  uint32_t capacity() const { return capacity_; }
  uint32_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }

  /// The zero handle when full.
  Handle take() {
    if (free_ == kEnd) return {};
    const uint32_t i = free_;
    free_ = next_[i];
    next_[i] = kLive;
    ++size_;
    return {i, gen_[i]};
  }
  /// False, and nothing happens, if the handle is stale.
  bool drop(Handle h) {
    if (!live(h)) return false;
    gen_[h.index] = h.gen == max_generation_ ? 1 : h.gen + 1;
    next_[h.index] = free_;
    free_ = h.index;
    --size_;
    return true;
  }
  /// For any bit pattern.
  bool live(Handle h) const { return live_index(h.index) && gen_[h.index] == h.gen; }
  bool live_index(uint32_t index) const { return index < capacity_ && next_[index] == kLive; }
  /// The zero handle if nothing lives there.
  Handle at(uint32_t index) const { return live_index(index) ? Handle{index, gen_[index]} : Handle{}; }

 private:
  static constexpr uint32_t kEnd = UINT32_MAX, kLive = UINT32_MAX - 1;

  uint32_t* gen_ = nullptr;
  uint32_t* next_ = nullptr;  ///< of the free list, kLive while taken
  uint32_t capacity_ = 0;
  uint32_t max_generation_ = UINT32_MAX;
  uint32_t free_ = kEnd;
  uint32_t size_ = 0;
};

/// A HandleTable with one T per index, constructed by take() and destroyed by drop(). Elements never move.
/// Owner thread only. Elements that are alive when the slab goes are not destroyed: whoever owns them drops
/// them.
template <class T>
class Slab {
  static constexpr size_t kAlign = alignof(T) > 64 ? alignof(T) : 64;
  static constexpr size_t table_bytes(uint32_t capacity) {
    return (HandleTable::bytes_for(capacity) + kAlign - 1) / kAlign * kAlign;
  }

 public:
  static constexpr size_t bytes_for(uint32_t capacity) {
    return table_bytes(capacity) + size_t{capacity} * sizeof(T);
  }

  Slab() = default;
  /// `memory` aligned to 64 bytes, or to T's alignment if that is more.
  Slab(std::span<std::byte> memory, uint32_t capacity, uint32_t max_generation = UINT32_MAX)
      : table_(memory, capacity, max_generation),
        elements_(reinterpret_cast<T*>(memory.data() + table_bytes(capacity))) {
    assert(memory.size() >= bytes_for(capacity));
    assert(reinterpret_cast<uintptr_t>(memory.data()) % kAlign == 0);
  }

  uint32_t capacity() const { return table_.capacity(); }
  uint32_t size() const { return table_.size(); }
  bool full() const { return table_.full(); }

  /// The zero handle when full; then the arguments are untouched.
  template <class... Args>
  Handle take(Args&&... args) {
    const Handle h = table_.take();
    if (h) std::construct_at(elements_ + h.index, std::forward<Args>(args)...);
    return h;
  }
  /// False, and nothing happens, if the handle is stale.
  bool drop(Handle h) {
    T* e = find(h);
    if (e == nullptr) return false;
    std::destroy_at(e);
    return table_.drop(h);
  }
  /// nullptr if the handle is stale; any bit pattern is allowed.
  T* find(Handle h) { return table_.live(h) ? elements_ + h.index : nullptr; }
  const T* find(Handle h) const { return table_.live(h) ? elements_ + h.index : nullptr; }
  /// The element at an index that is known to be alive.
  T& operator[](uint32_t index) {
    assert(table_.live_index(index));
    return elements_[index];
  }
  /// The zero handle if nothing lives there.
  Handle at(uint32_t index) const { return table_.at(index); }
  void prefetch(uint32_t index) const { __builtin_prefetch(elements_ + index); }

  /// f(Handle, T&) for every element, by index; f may drop the element it is given.
  template <class F>
  void for_each(F&& f) {
    for (uint32_t i = 0; i < capacity(); ++i)
      if (const Handle h = table_.at(i)) f(h, elements_[i]);
  }

 private:
  HandleTable table_;
  T* elements_ = nullptr;
};

}  // namespace sluice
