// The control thread's view of allocations.
#include "engine/engine.h"
#include "engine/shard/shard.h"
#include "engine/sluice.h"

namespace sluice::engine {
namespace {

// An allocation's name: shard, index, generation, so that names sort as shards and tables do.
constexpr unsigned kGenBits = 32, kIndexBits = 26;
static_assert(kMaxShards <= 1U << (64 - kGenBits - kIndexBits));

uint64_t name_of(size_t shard, Handle h) {
  return (uint64_t{shard} << (kGenBits + kIndexBits)) | (uint64_t{h.index} << kGenBits) | h.gen;
}
size_t shard_of(uint64_t name) { return name >> (kGenBits + kIndexBits); }
Handle handle_of(uint64_t name) {
  return {static_cast<uint32_t>(name >> kGenBits) & ((1U << kIndexBits) - 1), static_cast<uint32_t>(name)};
}

}  // namespace

size_t Engine::turn_allocations(uint64_t after, std::span<TurnAllocation> out) const {
  if (turn_ == nullptr) return 0;
  size_t n = 0;
  uint32_t index = after == 0 ? 0 : handle_of(after).index + 1;
  for (size_t s = shard_of(after); s < shards_.size(); ++s, index = 0) {
    const TurnState& t = shards_[s]->core().turn;
    const uint32_t end = t.reports_end.load(std::memory_order_acquire);
    for (; index < end && n < out.size(); ++index) {
      TurnReport r;
      if (!t.reports[index].load(r) || !r.info.handle) continue;
      out[n++] = {name_of(s, r.info.handle), ShardId{static_cast<uint8_t>(s)}, r};
    }
  }
  return n;
}

std::expected<void, Failure> Engine::end_allocation(uint64_t name) {
  const Handle h = handle_of(name);
  const size_t s = shard_of(name);
  TurnReport r;
  const bool known = turn_ != nullptr && s < shards_.size() &&
                     h.index < shards_[s]->core().turn.reports_end.load(std::memory_order_acquire) &&
                     shards_[s]->core().turn.reports[h.index].load(r) && r.info.handle == h && h;
  if (!known)
    return std::unexpected(Failure{SLUICE_E_NOT_FOUND, "allocation", "there is no such allocation",
                                   "it may have ended already"});
  Command c;
  c.kind = Command::Kind::turn_close;
  c.session = {h.index, h.gen};
  tell(ShardId{static_cast<uint8_t>(s)}, c);
  push_commands();
  return {};
}

}  // namespace sluice::engine
