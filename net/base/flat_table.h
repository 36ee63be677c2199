// The flow table: (remote, local) endpoint -> value. Pure: the memory is handed in, it never grows or
// rehashes.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "net/base/endpoint.h"
#include "net/base/siphash.h"

namespace sluice {

/// Both ends of a UDP flow. Compared in full, always: a tag or hash that matches proves nothing.
struct FlowKey {
  Endpoint remote;
  Endpoint local;

  bool operator==(const FlowKey& o) const { return std::memcmp(this, &o, sizeof *this) == 0; }
};
static_assert(sizeof(FlowKey) == 36 && std::has_unique_object_representations_v<FlowKey>);

/// Open addressing. A bucket is one line of 16 bytes, 15 tags (8 bits of the hash, 0: empty) and a count,
/// beside 15 entries of one cache line each; tags are dense, so they mostly stay in cache. A key sits in its
/// home bucket or, if that was full, in the first one after it with room; every full bucket passed on the way
/// counts it, and a search goes on past a bucket only while that count is not 0. So erase() clears a tag and
/// takes the key off those counts: no tombstones, no moves, and pointers to values stay good until their key
/// is erased.
///
/// Flood resistance: an attacker who chooses source addresses and ports cannot aim them at one bucket without
/// the 128-bit seed, since SipHash is a pseudo-random function and hashes never leave the process. Timing
/// could at best show him single collisions, which a bucket of 15 swallows.
///
/// Owner thread only.
template <class V = uint32_t>
class FlatTable {
  static_assert(std::is_trivially_copyable_v<V> && sizeof(V) <= 28, "an entry is one cache line");
  static constexpr uint32_t kWays = 15;

 public:
  /// Bytes of memory for `capacity` keys at a load of 0.9; the memory must be 64-byte aligned.
  static constexpr size_t bytes_for(uint32_t capacity) {
    return entries_offset(buckets_for(capacity)) + size_t{buckets_for(capacity)} * kWays * sizeof(Entry);
  }

  FlatTable() = default;
  FlatTable(std::span<std::byte> memory, uint32_t capacity, HashSeed seed)
      : buckets_(buckets_for(capacity)), capacity_(capacity), seed_(seed) {
    assert(memory.size() >= bytes_for(capacity) && reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
    tags_ = reinterpret_cast<Tags*>(memory.data());
    entries_ = reinterpret_cast<Entry*>(memory.data() + entries_offset(buckets_));
    std::memset(static_cast<void*>(tags_), 0, size_t{buckets_} * sizeof(Tags));
  }

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }

  uint64_t hash(const FlowKey& key) const {
    return siphash(seed_, {reinterpret_cast<const uint8_t*>(&key), sizeof key});
  }

  /// For a batch: hash all and prefetch() each, then prefetch_entry() each, then find() each.
  void prefetch(uint64_t hash) const { __builtin_prefetch(tags_ + home(hash)); }
  /// The entries of the home bucket whose tags match; reads the tags.
  void prefetch_entry(uint64_t hash) const {
    const uint32_t b = home(hash);
    for (uint32_t hits = match(tags_[b], tag(hash)); hits != 0; hits &= hits - 1)
      __builtin_prefetch(entry(b, hits));
  }

  /// nullptr if it is not there. `hash` is hash(key).
  V* find(const FlowKey& key, uint64_t hash) { return value_of(locate(key, hash)); }
  V* find(const FlowKey& key) { return find(key, hash(key)); }
  const V* find(const FlowKey& key, uint64_t hash) const { return value_of(locate(key, hash)); }
  const V* find(const FlowKey& key) const { return find(key, hash(key)); }

  /// Adds the key or, if it is there, replaces its value. nullptr when capacity() keys are there already.
  V* insert(const FlowKey& key, uint64_t hash, const V& value) {
    if (const Place p = locate(key, hash); p.entry != nullptr) {
      p.entry->value = value;
      return &p.entry->value;
    }
    if (size_ == capacity_) return nullptr;
    for (uint32_t b = home(hash);; b = next(b)) {
      const uint32_t empty = match(tags_[b], 0);
      if (empty == 0) {
        // A count that reached its end stays there: searches pass on in vain, but none stops short.
        if (tags_[b].passed < kPassedMax) ++tags_[b].passed;
        continue;
      }
      tags_[b].tag[std::countr_zero(empty)] = tag(hash);
      Entry* e = entry(b, empty);
      e->key = key;
      e->value = value;
      ++size_;
      return &e->value;
    }
  }
  V* insert(const FlowKey& key, const V& value) { return insert(key, hash(key), value); }

  /// False if it was not there.
  bool erase(const FlowKey& key, uint64_t hash) {
    const Place p = locate(key, hash);
    if (p.entry == nullptr) return false;
    tags_[p.bucket].tag[p.way] = 0;
    for (uint32_t b = home(hash); b != p.bucket; b = next(b))
      if (tags_[b].passed < kPassedMax) --tags_[b].passed;
    --size_;
    return true;
  }
  bool erase(const FlowKey& key) { return erase(key, hash(key)); }

  uint32_t buckets() const { return buckets_; }
  /// f(const FlowKey&, V&) for every entry of bucket `b` of buckets(); f may erase, this entry and others,
  /// and insert: what it inserts may be visited or not.
  template <class F>
  void visit_bucket(uint32_t b, F&& f) {
    for (uint32_t w = 0; w < kWays; ++w)
      if (tags_[b].tag[w] != 0) f(entries_[size_t{b} * kWays + w].key, entries_[size_t{b} * kWays + w].value);
  }

  /// f(const FlowKey&, V&) for every entry, in no order; f must not insert or erase.
  template <class F>
  void for_each(F&& f) {
    for (uint32_t b = 0; b < buckets_; ++b)
      for (uint32_t w = 0; w < kWays; ++w)
        if (tags_[b].tag[w] != 0) f(entries_[b * kWays + w].key, entries_[b * kWays + w].value);
  }

 private:
  static constexpr uint8_t kPassedMax = UINT8_MAX;

  struct alignas(16) Tags {
    uint8_t tag[kWays];
    uint8_t passed;  ///< keys whose home is here or earlier and that sit later
  };
  struct alignas(64) Entry {
    FlowKey key;
    V value;
  };
  static_assert(sizeof(Tags) == 16 && sizeof(Entry) == 64);

  struct Place {
    Entry* entry = nullptr;
    uint32_t bucket = 0;
    uint32_t way = 0;
  };

  static constexpr uint32_t buckets_for(uint32_t capacity) {
    return static_cast<uint32_t>((uint64_t{capacity} * 10 + 9) / 9 / kWays) + 1;
  }
  static constexpr size_t entries_offset(uint32_t buckets) {
    return (size_t{buckets} * sizeof(Tags) + 63) / 64 * 64;
  }

  static V* value_of(Place p) { return p.entry != nullptr ? &p.entry->value : nullptr; }
  uint32_t home(uint64_t hash) const { return static_cast<uint32_t>(((hash & UINT32_MAX) * buckets_) >> 32); }
  uint32_t next(uint32_t b) const { return b + 1 == buckets_ ? 0 : b + 1; }
  static uint8_t tag(uint64_t hash) {
    const auto t = static_cast<uint8_t>(hash >> 56);
    return t != 0 ? t : 1;
  }
  Entry* entry(uint32_t b, uint32_t hits) const {
    return entries_ + size_t{b} * kWays + std::countr_zero(hits);
  }

  /// Bit i: tag i equals t.
  static uint32_t match(const Tags& tags, uint8_t t) {
#if defined(__SSE2__)
    const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i*>(&tags));
    const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(t))));
    return static_cast<uint32_t>(hits) & 0x7fff;
#else
    uint32_t hits = 0;
    for (uint32_t i = 0; i < kWays; ++i) hits |= static_cast<uint32_t>(tags.tag[i] == t) << i;
    return hits;
#endif
  }

  Place locate(const FlowKey& key, uint64_t hash) const {
    uint32_t b = home(hash);
    for (uint32_t seen = 0; seen < buckets_; ++seen, b = next(b)) {
      for (uint32_t hits = match(tags_[b], tag(hash)); hits != 0; hits &= hits - 1)
        if (Entry* e = entry(b, hits); e->key == key)
          return {e, b, static_cast<uint32_t>(std::countr_zero(hits))};
      if (tags_[b].passed == 0) break;
    }
    return {};
  }

  Tags* tags_ = nullptr;
  Entry* entries_ = nullptr;
  uint32_t buckets_ = 0;
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
  HashSeed seed_;
};

}  // namespace sluice
