#include "engine/relay/route_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <vector>

namespace sluice::engine::relay {

// Twice as many places as routes, so that searches stay short.
RouteTable::RouteTable(uint32_t capacity, HashSeed low, HashSeed high)
    : capacity_(capacity),
      mask_(std::bit_ceil(std::max(capacity, 8U) * 2) - 1),
      low_(low),
      high_(high),
      entries_(size_t{mask_} + 1) {}

RouteTable::Key RouteTable::key_of(std::string_view ufrag, bool prefix) const {
  std::array<uint8_t, kMaxUfragChars + 1> text;
  std::ranges::copy(ufrag, text.begin());
  text[ufrag.size()] = prefix ? 1 : 0;
  const Bytes bytes(text.data(), ufrag.size() + 1);
  const uint64_t low = siphash(low_, bytes);
  return {low > kErased ? low : low + 2, siphash(high_, bytes)};
}

RouteTable::Entry* RouteTable::locate(Key k) const {
  for (uint32_t i = 0; i <= mask_; ++i) {
    Entry& e = entries_[(k.low + i) & mask_];
    const uint64_t low = e.low.load(std::memory_order_acquire);
    if (low == kEmpty) return nullptr;
    if (low == k.low && e.high.load(std::memory_order_relaxed) == k.high) return &e;
  }
  return nullptr;
}

void RouteTable::fill(Entry& e, Key k, uint64_t value) {
  e.high.store(k.high, std::memory_order_relaxed);
  e.value.store(value, std::memory_order_relaxed);
  e.low.store(k.low, std::memory_order_release);
}

bool RouteTable::put(std::string_view ufrag, bool prefix, ServerIndex server, uint32_t expires) {
  assert(ufrag.size() <= kMaxUfragChars);
  const Key k = key_of(ufrag, prefix);
  const uint64_t value = (uint64_t{expires} << 16) | server;
  if (Entry* e = locate(k); e != nullptr) {
    e->value.store(value, std::memory_order_release);
    return true;
  }
  if (size() == capacity_) return false;
  if (size() + erased_ > mask_ / 4 * 3) rebuild();
  uint32_t i = 0;
  while (entries_[(k.low + i) & mask_].low.load(std::memory_order_relaxed) > kErased) ++i;
  Entry& e = entries_[(k.low + i) & mask_];
  if (e.low.load(std::memory_order_relaxed) == kErased) --erased_;
  fill(e, k, value);
  size_.fetch_add(1, std::memory_order_relaxed);
  if (prefix && prefixes_[ufrag.size()]++ == 0)
    lengths_[ufrag.size() / 64].fetch_or(uint64_t{1} << (ufrag.size() % 64), std::memory_order_release);
  return true;
}

bool RouteTable::erase(std::string_view ufrag, bool prefix) {
  Entry* e = ufrag.size() > kMaxUfragChars ? nullptr : locate(key_of(ufrag, prefix));
  if (e == nullptr) return false;
  e->low.store(kErased, std::memory_order_release);
  size_.fetch_sub(1, std::memory_order_relaxed);
  ++erased_;
  if (prefix && --prefixes_[ufrag.size()] == 0)
    lengths_[ufrag.size() / 64].fetch_and(~(uint64_t{1} << (ufrag.size() % 64)), std::memory_order_release);
  return true;
}

/// Gets rid of the marks that erased entries left. Readers may miss for the moment that it takes.
void RouteTable::rebuild() {
  struct Saved {
    Key key;
    uint64_t value;
  };
  std::vector<Saved> live;
  live.reserve(size());
  for (uint32_t i = 0; i <= mask_; ++i) {
    Entry& e = entries_[i];
    const uint64_t low = e.low.load(std::memory_order_relaxed);
    if (low > kErased)
      live.push_back(
          {{low, e.high.load(std::memory_order_relaxed)}, e.value.load(std::memory_order_relaxed)});
    e.low.store(kEmpty, std::memory_order_release);
  }
  erased_ = 0;
  for (const Saved& s : live) {
    uint32_t i = 0;
    while (entries_[(s.key.low + i) & mask_].low.load(std::memory_order_relaxed) != kEmpty) ++i;
    fill(entries_[(s.key.low + i) & mask_], s.key, s.value);
  }
}

std::optional<ServerIndex> RouteTable::lookup(Key k, uint32_t now) const {
  const Entry* e = locate(k);
  if (e == nullptr) return {};
  const uint64_t value = e->value.load(std::memory_order_acquire);
  // The entry may have become another's since it was found.
  if (e->low.load(std::memory_order_acquire) != k.low || e->high.load(std::memory_order_relaxed) != k.high)
    return {};
  if ((value >> 16) <= now) return {};
  return static_cast<ServerIndex>(value & 0xffff);
}

std::optional<ServerIndex> RouteTable::find(std::string_view ufrag, uint32_t now) const {
  if (size() == 0 || ufrag.empty() || ufrag.size() > kMaxUfragChars) return {};
  if (const auto exact = lookup(key_of(ufrag, false), now)) return exact;
  for (size_t word = ufrag.size() / 64 + 1; word-- > 0;) {
    uint64_t lengths = lengths_[word].load(std::memory_order_acquire);
    while (lengths != 0) {
      const auto bit = static_cast<size_t>(63 - std::countl_zero(lengths));
      lengths &= ~(uint64_t{1} << bit);
      const size_t n = word * 64 + bit;
      if (n > ufrag.size()) continue;
      if (const auto server = lookup(key_of(ufrag.substr(0, n), true), now)) return server;
    }
  }
  return {};
}

}  // namespace sluice::engine::relay
