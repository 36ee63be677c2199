// Where first packets go whose ufrag Sluice did not mint: written by the control thread, read by every shard.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/relay/zero_pages.h"
#include "net/base/siphash.h"

namespace sluice::engine::relay {

/// Index of a server on every shard.
using ServerIndex = uint16_t;

/// Keys are 128-bit keyed hashes of ufrags, not their text: two ufrags that meet are not to be had without
/// the seed. Readers never wait; one that meets a write may miss the entry, and a client sends its check
/// again.
class RouteTable {
 public:
  static constexpr size_t kMaxUfragChars = 256;  ///< RFC 8839 §5.4

  /// Memory for `capacity` routes, at start. `seeds`: secret.
  RouteTable(uint32_t capacity, HashSeed low, HashSeed high);

  // Control thread.
  uint32_t capacity() const { return capacity_; }
  /// Adds or replaces; false when full. `expires`: seconds of the wall clock.
  bool put(std::string_view ufrag, bool prefix, ServerIndex server, uint32_t expires);
  /// False if it was not there.
  bool erase(std::string_view ufrag, bool prefix);

  /// Any thread.
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  /// Any thread: the exact route, else that of the longest prefix, if it has not expired.
  std::optional<ServerIndex> find(std::string_view ufrag, uint32_t now) const;

 private:
  struct Key {
    uint64_t low, high;
  };
  struct Entry {
    std::atomic<uint64_t> low{0};  ///< kEmpty, kErased or the key
    std::atomic<uint64_t> high{0};
    std::atomic<uint64_t> value{0};  ///< expires << 16 | server
  };
  static constexpr uint64_t kEmpty = 0, kErased = 1;

  Key key_of(std::string_view ufrag, bool prefix) const;
  Entry* locate(Key k) const;
  std::optional<ServerIndex> lookup(Key k, uint32_t now) const;
  void fill(Entry& e, Key k, uint64_t value);
  void rebuild();

  uint32_t capacity_;
  uint32_t mask_;
  std::atomic<uint32_t> size_{0};
  uint32_t erased_ = 0;
  HashSeed low_, high_;
  ZeroPages<Entry> entries_;
  /// Prefix routes by length, and for readers a bit per length that occurs.
  std::array<uint32_t, kMaxUfragChars + 1> prefixes_{};
  std::array<std::atomic<uint64_t>, (kMaxUfragChars + 64) / 64> lengths_{};
};

}  // namespace sluice::engine::relay
