// Who owns which session. Entries are written by the control thread; ownership is taken, once in a session's
// life, by the shard on which its first authenticated check arrives.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "engine/shard/seqlock.h"
#include "engine/spec.h"

namespace sluice::engine {

class Directory {
 public:
  explicit Directory(uint32_t capacity) : capacity_(capacity), entries_(new Entry[capacity]) {}

  ~Directory() {
    for (uint32_t i = 0; i < capacity_; ++i)
      if (gen_of(entries_[i].owner.load(std::memory_order_relaxed)) != 0) entries_[i].spec.store({});
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  uint32_t capacity() const { return capacity_; }

  /// Control thread: makes a session known, or replaces its spec (ICE restart).
  void publish(const SessionSpec& spec) {
    Entry& e = entries_[spec.key.index];
    e.spec.store(spec);
    if (gen_of(e.owner.load(std::memory_order_relaxed)) != spec.key.gen)
      e.owner.store(word(spec.key.gen, kUnowned), std::memory_order_release);
  }

  /// Control thread: no shard can adopt it from here on. Returns the owner, which must be told, if there is
  /// one.
  std::optional<ShardId> retire(SessionKey key) {
    Entry& e = entries_[key.index];
    uint64_t expected = word(key.gen, kUnowned);
    if (e.owner.compare_exchange_strong(expected, word(key.gen, kRetired), std::memory_order_acq_rel))
      return {};
    const auto owner = static_cast<uint32_t>(expected);
    if (gen_of(expected) != key.gen || owner >= kRetired) return {};
    return ShardId{static_cast<uint8_t>(owner)};
  }
  /// Control thread: the index may be used again. The client's password goes.
  void erase(SessionKey key) {
    entries_[key.index].spec.store({});
    entries_[key.index].owner.store(word(key.gen, kRetired), std::memory_order_release);
  }

  enum class Claim : uint8_t { mine, other, gone };
  struct Owner {
    Claim claim;
    ShardId shard;
  };

  /// Any shard: takes an unowned session, or says who has it.
  Owner claim(SessionKey key, ShardId me) {
    if (key.index >= capacity_ || key.gen == 0) return {Claim::gone, {}};
    Entry& e = entries_[key.index];
    uint64_t now = e.owner.load(std::memory_order_acquire);
    if (now == word(key.gen, kUnowned) &&
        e.owner.compare_exchange_strong(now, word(key.gen, me.v), std::memory_order_acq_rel))
      return {Claim::mine, me};
    const auto owner = static_cast<uint32_t>(now);
    if (gen_of(now) != key.gen || owner >= kRetired) return {Claim::gone, {}};
    const ShardId shard{static_cast<uint8_t>(owner)};
    return {shard == me ? Claim::mine : Claim::other, shard};
  }

  /// Any thread; false if the entry is being rewritten or names another session by now.
  bool read(SessionKey key, SessionSpec& out) const {
    return key.index < capacity_ && entries_[key.index].spec.load(out) && out.key == key;
  }

 private:
  static constexpr uint32_t kUnowned = 0xffff'ffff;
  static constexpr uint32_t kRetired = 0xffff'fffe;
  static_assert(kMaxShards < kRetired);

  struct Entry {
    alignas(64) std::atomic<uint64_t> owner{word(0, kRetired)};
    alignas(64) SeqLocked<SessionSpec> spec;
  };

  static constexpr uint64_t word(uint32_t gen, uint32_t owner) { return (uint64_t{gen} << 32) | owner; }
  static constexpr uint32_t gen_of(uint64_t w) { return static_cast<uint32_t>(w >> 32); }

  uint32_t capacity_;
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace sluice::engine
