// What the users of a shard have: one account per user with an allocation. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/token_bucket.h"

namespace sluice::turn {

struct Usage {
  uint32_t allocations = 0;
  uint64_t bytes = 0;  ///< relayed since the user's first allocation, of those that are still there
};

/// A user is the keyed 64-bit hash of a name: two that collide (one chance in 10^9 with 100 000 users, and
/// nobody can aim) share a quota and a rate, never a key. Owner thread only.
class Accounts {
 public:
  struct Account {
    uint64_t user = 0;
    uint64_t bytes = 0;
    TokenBucket up;
    TokenBucket down;
    uint32_t allocations = 0;
    uint32_t next = 0;  ///< in its chain or the free list; index + 1
  };
  static_assert(sizeof(Account) == 40);

  static size_t bytes_for(uint32_t capacity);
  Accounts() = default;
  /// `memory` zeroed, 8-byte aligned. `capacity`: users at once.
  Accounts(std::span<std::byte> memory, uint32_t capacity);

  /// Counts one more allocation of the user. Precondition: fewer than `capacity` allocations are counted.
  uint32_t join(uint64_t user);
  /// Counts one less.
  void leave(uint32_t account);
  Account& operator[](uint32_t account) { return accounts_[account]; }
  /// nullptr if the user has nothing.
  const Account* find(uint64_t user) const;

 private:
  uint32_t& chain(uint64_t user) const { return chains_[user & (chain_count_ - 1)]; }

  uint32_t* chains_ = nullptr;  ///< index + 1
  Account* accounts_ = nullptr;
  uint32_t chain_count_ = 1;
  uint32_t capacity_ = 0;
  uint32_t untouched_ = 0;
  uint32_t free_list_ = 0;
};

}  // namespace sluice::turn
