// Which address sent a STUN request first. A check that somebody captured and sends again from another
// address must not open a flow there, whichever shard the kernel gives it to, so this one table is shared by
// all.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/relay/zero_pages.h"
#include "net/base/endpoint.h"
#include "net/base/siphash.h"
#include "net/stun/message.h"

namespace sluice::engine::relay {

/// Touched once per STUN request, that is every few seconds per call, never by media; a line is shared only
/// by transactions that hash to it. Any shard's thread; relaxed atomics, because a lost race costs one memory
/// of one transaction.
class ReplayFilter {
 public:
  /// `seed`: secret, so that nobody can aim at a line to make it forget. `log2_slots` words of 8 bytes.
  ReplayFilter(HashSeed seed, unsigned log2_slots)
      : seed_(seed), mask_((size_t{1} << log2_slots) - 1), slots_(size_t{1} << log2_slots) {}

  /// False if another address has used the transaction id lately. Remembers it otherwise.
  bool first_from(const stun::TransactionId& tid, const Endpoint& from) {
    const uint64_t h = siphash(seed_, tid);
    const uint64_t where = siphash(seed_, {reinterpret_cast<const uint8_t*>(&from), sizeof from});
    const uint64_t word = (h & kIdMask) | (where & ~kIdMask);
    std::atomic<uint64_t>& slot = slots_[(h >> 40) & mask_];
    const uint64_t seen = slot.load(std::memory_order_relaxed);
    if (seen == word) return true;
    if ((seen & kIdMask) == (word & kIdMask) && seen != 0) return false;
    slot.store(word, std::memory_order_relaxed);
    return true;
  }

 private:
  /// Bits of a word that name the transaction; the others name the address.
  static constexpr uint64_t kIdMask = 0xff'ffff'ffff;

  HashSeed seed_;
  size_t mask_;
  ZeroPages<std::atomic<uint64_t>> slots_;
};

}  // namespace sluice::engine::relay
