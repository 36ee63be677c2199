// Which local sessions play which room: short lists in chunks of one cache line out of a fixed supply, so
// that a fan-out reads indices side by side. Owner thread only.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <span>

namespace sluice::engine {

class MemberLists {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kAhead = 3;  ///< how many members before their turn for_each_ahead() names them

  struct alignas(64) Chunk {
    static constexpr uint32_t kMembers = 14;
    uint32_t next;
    uint32_t n;
    uint32_t member[kMembers];
  };
  static_assert(sizeof(Chunk) == 64);

  /// An empty list is a zeroed one.
  struct List {
    uint32_t head_plus_1 = 0;
    uint32_t size = 0;
  };

  /// Enough for `members` memberships in `lists` lists: one part-filled chunk each, the others full.
  static constexpr uint32_t chunks_for(uint32_t members, uint32_t lists) {
    return members / Chunk::kMembers + lists + 1;
  }

  MemberLists() = default;
  explicit MemberLists(std::span<Chunk> memory) : chunks_(memory) {}

  /// False if the supply is used up.
  bool add(List& list, uint32_t member) {
    if (list.head_plus_1 == 0 || chunks_[list.head_plus_1 - 1].n == Chunk::kMembers) {
      const uint32_t fresh = take();
      if (fresh == kNone) return false;
      chunks_[fresh].next = list.head_plus_1;
      chunks_[fresh].n = 0;
      list.head_plus_1 = fresh + 1;
    }
    Chunk& head = chunks_[list.head_plus_1 - 1];
    head.member[head.n++] = member;
    ++list.size;
    return true;
  }

  /// False if it was not there. Only the head chunk is ever part-filled: its last member takes the place.
  bool remove(List& list, uint32_t member) {
    for (uint32_t at = list.head_plus_1; at != 0; at = chunks_[at - 1].next) {
      Chunk& c = chunks_[at - 1];
      for (uint32_t i = 0; i < c.n; ++i) {
        if (c.member[i] != member) continue;
        Chunk& head = chunks_[list.head_plus_1 - 1];
        c.member[i] = head.member[--head.n];
        --list.size;
        if (head.n == 0) drop_head(list);
        return true;
      }
    }
    return false;
  }

  void clear(List& list) {
    while (list.head_plus_1 != 0) drop_head(list);
    list.size = 0;
  }

  template <class F>
  void for_each(const List& list, F&& f) const {
    for (uint32_t at = list.head_plus_1; at != 0; at = chunks_[at - 1].next)
      for (uint32_t i = 0; i < chunks_[at - 1].n; ++i) f(chunks_[at - 1].member[i]);
  }

  /// Calls ahead(member) a few members before f(member); not of the very first.
  template <class Ahead, class F>
  void for_each_ahead(const List& list, Ahead&& ahead, F&& f) const {
    for (uint32_t at = list.head_plus_1; at != 0; at = chunks_[at - 1].next) {
      const Chunk& c = chunks_[at - 1];
      if (c.next != 0) __builtin_prefetch(&chunks_[c.next - 1]);
      for (uint32_t i = at == list.head_plus_1 ? 1 : 0; i < std::min(kAhead, c.n); ++i) ahead(c.member[i]);
      for (uint32_t i = 0; i < c.n; ++i) {
        if (i + kAhead < c.n) ahead(c.member[i + kAhead]);
        f(c.member[i]);
      }
    }
  }
  void prefetch(const List& list) const { __builtin_prefetch(&chunks_[list.head_plus_1 - 1]); }
  /// Calls f(member) of those that for_each_ahead() comes to first. Precondition: the list is not empty.
  template <class F>
  void for_first(const List& list, F&& f) const {
    const Chunk& c = chunks_[list.head_plus_1 - 1];
    for (uint32_t i = 0; i < std::min(kAhead, c.n); ++i) f(c.member[i]);
  }

  uint32_t chunks_in_use() const { return in_use_; }

 private:
  uint32_t take() {
    if (free_plus_1_ != 0) {
      const uint32_t at = free_plus_1_ - 1;
      free_plus_1_ = chunks_[at].next;
      ++in_use_;
      return at;
    }
    // Chunks never used before are not touched until they are.
    if (fresh_ == chunks_.size()) return kNone;
    ++in_use_;
    return fresh_++;
  }
  void drop_head(List& list) {
    const uint32_t at = list.head_plus_1 - 1;
    list.head_plus_1 = chunks_[at].next;
    chunks_[at].next = free_plus_1_;
    free_plus_1_ = at + 1;
    --in_use_;
  }

  std::span<Chunk> chunks_;
  uint32_t free_plus_1_ = 0;
  uint32_t fresh_ = 0;
  uint32_t in_use_ = 0;
};

}  // namespace sluice::engine
