#include "engine/relay/ports.h"

#include <algorithm>
#include <cassert>

namespace sluice::engine::relay {
namespace {

constexpr uint32_t kRefusals = 32;

}  // namespace

std::optional<uint16_t> PortPool::claim(ShardId shard) {
  const uint32_t lo = range_.lo / io::kPortBlock, n = range_.hi / io::kPortBlock - lo + 1;
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

bool LocalPorts::borrow(io::Backend& io) {
  if (all_claimed_) return false;
  const auto first = pool_->claim(shard_);
  all_claimed_ = !first;
  // A block that the backend refuses is lost: it would refuse it again.
  if (!first || !io.claim_block(*first)) return false;
  blocks_[blocks_n_++] = *first;
  return true;
}

bool LocalPorts::open_exclusive(io::Backend& io, uint8_t a, uint16_t port) {
  if (!is_free(a, port) || !io.open_port({addresses_[a], port})) return false;
  users(a, port) = kExclusive;
  ++open_;
  return true;
}

std::optional<uint16_t> LocalPorts::take(io::Backend& io, uint8_t a, bool even, bool next, uint32_t random) {
  const uint32_t step = even || next ? 2 : 1;
  // Where the backend has no socket left, every other port would be refused as well.
  uint32_t refused = 0;
  // At three quarters four tries find a port, and ports that are hard to guess want a choice.
  if (open_ >= ports_n() * addresses_.size() / 4 * 3) borrow(io);
  for (uint32_t tries = 0; refused < kRefusals; tries += step) {
    const bool borrows = ports_n() == 0 || (tries > 0 && tries % io::kPortBlock == 0);
    if (borrows && borrow(io))
      random = (blocks_n_ - 1) * io::kPortBlock - tries;
    else if (borrows && tries >= ports_n())
      return {};
    const auto port = static_cast<uint16_t>(port_at(random + tries) & ~(step - 1));
    const auto above = static_cast<uint16_t>(port + 1);
    if (!is_free(a, port) || (next && !is_free(a, above))) continue;
    ++refused;
    if (!open_exclusive(io, a, port)) continue;
    if (!next || open_exclusive(io, a, above)) return port;
    give_back(io, a, port);
  }
  return {};
}

void LocalPorts::give_back(io::Backend& io, uint8_t a, uint16_t port) {
  uint16_t& n = users(a, port);
  assert(n > 0);
  n = n == kExclusive ? uint16_t{0} : static_cast<uint16_t>(n - 1);
  if (n > 0) return;
  io.close_port({addresses_[a], port});
  --open_;
}

size_t LocalPorts::index_of(const Address& a) const {
  return static_cast<size_t>(std::ranges::find(addresses_, a) - addresses_.begin());
}

}  // namespace sluice::engine::relay
