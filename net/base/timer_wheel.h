// Deadlines of a fixed set of nodes. Pure: the nodes are handed in, nothing is allocated or called back.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/units.h"

namespace sluice {

/// Hierarchical timing wheel: 7 levels of 64 slots, ticks of 1 ms, 139 years. A node is an index into an
/// array that the owner hands in, so "session 5's timer" is node 5 and has one deadline or none. Owner thread
/// only.
///
/// Invariant: a node that is due after `elapsed_` sits at the level of the highest 6-bit digit in which its
/// tick differs from `elapsed_`. So slots of a lower level are always due before those of a higher one, and
/// the first occupied slot of the lowest occupied level is the earliest.
class TimerWheel {
  static constexpr int kDigit = 6, kSlots = 1 << kDigit, kLevels = 7;
  static constexpr uint64_t kMaxTick = (uint64_t{1} << (kDigit * kLevels)) - 1;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint16_t kIdle = UINT16_MAX;
  static constexpr int64_t kTickUs = 1000;

 public:
  /// 16 bytes per timer; contents are the wheel's.
  struct Node {
    uint32_t next = kNone;
    uint32_t prev = kNone;
    uint64_t packed = kIdle;  ///< tick << 16 | list
  };

  TimerWheel() { heads_.fill(kNone); }
  /// `now`: earliest time that will ever be given to advance().
  TimerWheel(std::span<Node> nodes, Micros now) : nodes_(nodes), origin_(now) {
    heads_.fill(kNone);
    for (Node& n : nodes_) n = Node{};
  }

  size_t capacity() const { return nodes_.size(); }
  /// How many nodes have a deadline.
  uint32_t scheduled() const { return scheduled_; }
  bool scheduled(uint32_t index) const { return list_of(index) != kIdle; }
  /// Rounded up to the tick; kNever without one.
  Micros deadline(uint32_t index) const { return scheduled(index) ? at(tick_of(index)) : kNever; }

  /// Gives node `index` its only deadline, replacing one it has. O(1). Rounded up to the next tick, so never
  /// early; a time that has passed is due at the next advance(); kNever cancels.
  void schedule(uint32_t index, Micros deadline) {
    if (deadline == kNever) return cancel(index);
    const uint64_t tick = std::max(ceil_tick(deadline), elapsed_);
    if (scheduled(index)) {
      if (tick_of(index) == tick) return;
      unlink(index);
    } else {
      ++scheduled_;
    }
    link(index, tick);
  }

  /// Moves a deadline forward in time only: for "at the latest then" conditions that several causes set.
  void schedule_no_later(uint32_t index, Micros deadline) {
    if (deadline < this->deadline(index)) schedule(index, deadline);
  }

  /// O(1); no effect without a deadline.
  void cancel(uint32_t index) {
    if (!scheduled(index)) return;
    unlink(index);
    --scheduled_;
  }

  /// Writes the indices of due nodes (deadline <= now), earliest tick first and in no order within one, to
  /// `out` and takes their deadlines away; returns how many. If `out` is filled, call again: the rest is
  /// still due. `now` must not go backwards (if it does, nothing is due that was not).
  size_t advance(Micros now, std::span<uint32_t> out) {
    const uint64_t target = floor_tick(now);
    size_t n = 0;
    for (;;) {
      const Slot s = first();
      if (s.level < 0 || s.start > target) break;
      elapsed_ = std::max(elapsed_, s.start);
      if (s.level > 0) {
        cascade(s.list());
        continue;
      }
      while (heads_[s.list()] != kNone) {
        if (n == out.size()) return n;
        const uint32_t index = heads_[s.list()];
        unlink(index);
        --scheduled_;
        out[n++] = index;
      }
    }
    elapsed_ = std::max(elapsed_, target);
    return n;
  }

  /// Time before which nothing is due: exact within 64 ms, else a lower bound that advance() refines (a
  /// node's bound moves at most kLevels - 1 times before it is due). kNever if nothing is scheduled.
  Micros next_deadline() const {
    const Slot s = first();
    return s.level < 0 ? kNever : at(s.start);
  }

 private:
  struct Slot {
    int level = -1;
    int slot = 0;
    uint64_t start = 0;  ///< first tick of the slot
    size_t list() const { return static_cast<size_t>(level * kSlots + slot); }
  };

  uint64_t floor_tick(Micros t) const {
    return t <= origin_ ? 0 : static_cast<uint64_t>((t - origin_).us / kTickUs);
  }
  uint64_t ceil_tick(Micros t) const {
    if (t <= origin_) return 0;
    const auto us = static_cast<uint64_t>((t - origin_).us);
    return std::min((us + kTickUs - 1) / kTickUs, kMaxTick);
  }
  Micros at(uint64_t tick) const { return origin_ + Micros{static_cast<int64_t>(tick) * kTickUs}; }
  uint16_t list_of(uint32_t i) const { return static_cast<uint16_t>(nodes_[i].packed); }
  uint64_t tick_of(uint32_t i) const { return nodes_[i].packed >> 16; }

  Slot first() const {
    for (int level = 0; level < kLevels; ++level) {
      if (occupied_[static_cast<size_t>(level)] == 0) continue;
      const int slot = std::countr_zero(occupied_[static_cast<size_t>(level)]);
      const int shift = level * kDigit;
      const uint64_t block = elapsed_ >> (shift + kDigit) << (shift + kDigit);
      return {level, slot, block | (static_cast<uint64_t>(slot) << shift)};
    }
    return {};
  }

  void link(uint32_t index, uint64_t tick) {
    assert(index < nodes_.size() && tick >= elapsed_);
    const uint64_t differs = (tick ^ elapsed_) | (kSlots - 1);
    const int level = std::min((63 - std::countl_zero(differs)) / kDigit, kLevels - 1);
    const auto slot = static_cast<int>((tick >> (level * kDigit)) & (kSlots - 1));
    const auto list = static_cast<uint16_t>(level * kSlots + slot);
    nodes_[index] = {heads_[list], kNone, (tick << 16) | list};
    if (heads_[list] != kNone) nodes_[heads_[list]].prev = index;
    heads_[list] = index;
    occupied_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
  }

  void unlink(uint32_t index) {
    const Node n = nodes_[index];
    const auto list = static_cast<uint16_t>(n.packed);
    if (n.next != kNone) nodes_[n.next].prev = n.prev;
    if (n.prev != kNone)
      nodes_[n.prev].next = n.next;
    else
      heads_[list] = n.next;
    if (heads_[list] == kNone) occupied_[list / kSlots] &= ~(uint64_t{1} << (list % kSlots));
    nodes_[index] = Node{};
  }

  /// Every node of a slot that `elapsed_` has entered belongs to a lower level now.
  void cascade(size_t list) {
    uint32_t i = heads_[list];
    heads_[list] = kNone;
    occupied_[list / kSlots] &= ~(uint64_t{1} << (list % kSlots));
    while (i != kNone) {
      const uint32_t next = nodes_[i].next;
      link(i, tick_of(i));
      i = next;
    }
  }

  std::span<Node> nodes_;
  Micros origin_;
  uint64_t elapsed_ = 0;
  uint32_t scheduled_ = 0;
  std::array<uint64_t, kLevels> occupied_{};
  std::array<uint32_t, kLevels * kSlots> heads_;
};
static_assert(sizeof(TimerWheel::Node) == 16);

}  // namespace sluice
