// A queue between two threads. Pure: the memory is handed in, nothing is allocated, nobody waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace sluice {

/// Single producer, single consumer, first in first out. Exactly one thread calls the functions under
/// "producer" and exactly one those under "consumer"; they may be the same. Each side writes one cache line
/// that the other reads only when its own cached copy of the other's index says "full" or "empty", so that a
/// batch costs one transfer of each line. An element pushed is visible, with everything its producer wrote
/// before, to whoever pops it.
template <class T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  /// Bytes of memory that `capacity` elements need; the memory must be 64-byte aligned.
  static constexpr size_t size_for(uint32_t capacity) {
    return (size_t{capacity} * sizeof(T) + 63) / 64 * 64;
  }

  SpscRing() = default;
  /// `capacity`: a power of two, 1..2^31. All of it can be used.
  SpscRing(std::span<std::byte> memory, uint32_t capacity) { attach(memory, capacity); }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  /// Gives a default-constructed ring its memory, before any other thread sees it.
  void attach(std::span<std::byte> memory, uint32_t capacity) {
    assert(std::has_single_bit(capacity) && memory.size() >= size_for(capacity));
    assert(reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
    producer_.slots = consumer_.slots = reinterpret_cast<T*>(memory.data());
    producer_.capacity = consumer_.capacity = capacity;
  }

  uint32_t capacity() const { return consumer_.capacity; }
  /// Any thread. Exact for a thread that is both sides; else a moment old.
  uint32_t size_approx() const {
    const uint32_t head = consumer_.index.load(std::memory_order_acquire);
    return producer_.index.load(std::memory_order_acquire) - head;
  }

  // Producer

  /// False when full.
  bool try_push(const T& v) { return push_many({&v, 1}) == 1; }

  /// Pushes as many of the first elements as there is room for, published at once; returns how many.
  size_t push_many(std::span<const T> in) {
    const uint32_t tail = producer_.index.load(std::memory_order_relaxed);
    uint32_t room = producer_.capacity - (tail - producer_.other);
    if (room < in.size()) {
      producer_.other = consumer_.index.load(std::memory_order_acquire);
      room = producer_.capacity - (tail - producer_.other);
    }
    const auto n = static_cast<uint32_t>(std::min<size_t>(room, in.size()));
    if (n == 0) return 0;
    const uint32_t at = tail & (producer_.capacity - 1), first = std::min(n, producer_.capacity - at);
    std::memcpy(static_cast<void*>(producer_.slots + at), in.data(), first * sizeof(T));
    if (n > first)
      std::memcpy(static_cast<void*>(producer_.slots), in.data() + first, (n - first) * sizeof(T));
    producer_.index.store(tail + n, std::memory_order_release);
    return n;
  }

  /// As try_push(), with the element written in place, so that of a large one only what counts is copied:
  /// fill(T&), which finds there what an earlier element left.
  template <class F>
  bool try_emplace(F&& fill) {
    const uint32_t tail = producer_.index.load(std::memory_order_relaxed);
    if (tail - producer_.other == producer_.capacity) {
      producer_.other = consumer_.index.load(std::memory_order_acquire);
      if (tail - producer_.other == producer_.capacity) return false;
    }
    fill(producer_.slots[tail & (producer_.capacity - 1)]);
    producer_.index.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Consumer

  /// False when empty.
  bool try_pop(T& out) { return pop_many({&out, 1}) == 1; }

  /// Pops up to out.size() elements; returns how many.
  size_t pop_many(std::span<T> out) {
    size_t n = 0;
    return for_each(out.size(), [&](const T& v) { out[n++] = v; });
  }

  /// Calls f(T&) on up to `max` elements in place, oldest first, and then gives all their room back at once;
  /// returns how many. `f` must not use this ring's consumer side.
  template <class F>
  size_t for_each(size_t max, F&& f) {
    const uint32_t head = consumer_.index.load(std::memory_order_relaxed);
    uint32_t there = consumer_.other - head;
    if (there < max) {
      consumer_.other = producer_.index.load(std::memory_order_acquire);
      there = consumer_.other - head;
    }
    const auto n = static_cast<uint32_t>(std::min<size_t>(there, max));
    if (n == 0) return 0;
    for (uint32_t i = 0; i < n; ++i) f(consumer_.slots[(head + i) & (consumer_.capacity - 1)]);
    consumer_.index.store(head + n, std::memory_order_release);
    return n;
  }

 private:
  /// Indices run freely and wrap at 2^32. The constants are kept twice so that neither side touches a third
  /// line.
  struct alignas(64) Side {
    std::atomic<uint32_t> index{0};
    uint32_t other = 0;  ///< the other side's index, when last looked
    T* slots = nullptr;
    uint32_t capacity = 0;
  };

  Side producer_;
  Side consumer_;
};

}  // namespace sluice
