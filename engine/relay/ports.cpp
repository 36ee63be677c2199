#include "engine/relay/ports.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sluice::engine::relay {
namespace {

constexpr uint32_t kRefusals = 32;

}  // namespace

std::optional<uint16_t> PortPool::claim(ShardId shard) {
  const uint32_t lo = range_.lo / io::kPortBlock, n = blocks_of(range_);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t b = lo + (start_ % n + i) % n;
    uint8_t nobody = 0;
    if (owner_[b].load(std::memory_order_relaxed) == 0 &&
        owner_[b].compare_exchange_strong(nobody, static_cast<uint8_t>(shard.v + 1),
                                          std::memory_order_relaxed))
      return static_cast<uint16_t>(b * io::kPortBlock);
  }
  return {};
}

LocalPorts::LocalPorts(std::span<std::byte> memory, std::span<const Address> addresses, PortPool& pool,
                       ShardId shard)
    : per_address_(PortPool::blocks_of(pool.range())), addresses_(addresses), pool_(&pool), shard_(shard) {
  assert(memory.size() >= bytes_for(addresses.size(), pool.range()));
  busy_ = reinterpret_cast<uint64_t*>(memory.data());
  users_ = reinterpret_cast<uint16_t*>(busy_ + addresses.size() * per_address_);
}

bool LocalPorts::borrow(io::Backend& io) {
  if (all_claimed_) return false;
  const auto first = pool_->claim(shard_);
  all_claimed_ = !first;
  // A block that the backend refuses is lost: it would refuse it again.
  if (!first || !io.claim_block(*first)) return false;
  blocks_[blocks_n_++] = *first;
  uint64_t outside = 0;
  for (uint16_t i = 0; i < io::kPortBlock; ++i)
    if (!in_range(static_cast<uint16_t>(*first + i))) outside |= uint64_t{1} << i;
  for (uint8_t a = 0; a < addresses_.size(); ++a) busy_[place(a, *first)] |= outside;
  return true;
}

bool LocalPorts::open_exclusive(io::Backend& io, uint8_t a, uint16_t port) {
  if (!io.open_port({addresses_[a], port})) return false;
  users(a, port) = kExclusive;
  note_open(a, port);
  return true;
}

/// Of the block's ports those with a bit in `wanted`.
std::optional<uint16_t> LocalPorts::take_of_block(io::Backend& io, uint8_t a, uint16_t first, uint64_t wanted,
                                                  uint32_t random, bool next, uint32_t& refused) {
  const uint64_t busy = busy_[place(a, first)];
  uint64_t free = wanted & ~busy;
  if (next) free &= ~(busy >> 1);
  for (; free != 0 && refused < kRefusals; ++refused) {
    // The first from a random one on.
    const auto turn = static_cast<int>(random % io::kPortBlock);
    const uint32_t i =
        (static_cast<uint32_t>(std::countr_zero(std::rotr(free, turn))) + random) % io::kPortBlock;
    const auto port = static_cast<uint16_t>(first + i), above = static_cast<uint16_t>(port + 1);
    free &= ~(uint64_t{1} << i);
    if (!open_exclusive(io, a, port)) continue;
    if (!next || open_exclusive(io, a, above)) return port;
    give_back(io, a, port);
  }
  return {};
}

std::optional<uint16_t> LocalPorts::take(io::Backend& io, uint8_t a, bool even, bool next, uint32_t random) {
  static_assert(io::kPortBlock == 64, "a word has a bit for each port of a block");
  const uint64_t wanted = even || next ? 0x5555'5555'5555'5555 : ~uint64_t{0};
  // Where the backend has no socket left, every other port would be refused as well.
  uint32_t refused = 0;
  // Ports that are hard to guess want a choice.
  if (blocks_n_ == 0 || open_ >= ports_n() * addresses_.size() / 4 * 3) borrow(io);
  const uint32_t had = blocks_n_;
  auto b = static_cast<uint32_t>(uint64_t{random} * had >> 32);
  for (uint32_t i = 0; i < had && refused < kRefusals; ++i, b = b + 1 < had ? b + 1 : 0)
    if (const auto port = take_of_block(io, a, blocks_[b], wanted, random, next, refused)) return port;
  while (refused < kRefusals && !all_claimed_) {
    if (!borrow(io)) continue;
    const uint16_t first = blocks_[blocks_n_ - 1];
    if (const auto port = take_of_block(io, a, first, wanted, random, next, refused)) return port;
  }
  return {};
}

void LocalPorts::give_back(io::Backend& io, uint8_t a, uint16_t port) {
  uint16_t& n = users(a, port);
  assert(n > 0);
  n = n == kExclusive ? uint16_t{0} : static_cast<uint16_t>(n - 1);
  if (n > 0) return;
  io.close_port({addresses_[a], port});
  busy_[place(a, port)] &= ~(uint64_t{1} << port % io::kPortBlock);
  --open_;
}

size_t LocalPorts::index_of(const Address& a) const {
  return static_cast<size_t>(std::ranges::find(addresses_, a) - addresses_.begin());
}

}  // namespace sluice::engine::relay
