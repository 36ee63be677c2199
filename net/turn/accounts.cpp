#include "net/turn/accounts.h"

#include <bit>
#include <cassert>

namespace sluice::turn {

size_t Accounts::bytes_for(uint32_t capacity) {
  return std::bit_ceil(capacity | 1U) * sizeof(uint32_t) + 8 + size_t{capacity} * sizeof(Account);
}

Accounts::Accounts(std::span<std::byte> memory, uint32_t capacity)
    : chains_(reinterpret_cast<uint32_t*>(memory.data())),
      chain_count_(std::bit_ceil(capacity | 1U)),
      capacity_(capacity) {
  assert(memory.size() >= bytes_for(capacity));
  const size_t chains = (chain_count_ * sizeof(uint32_t) + 7) / 8 * 8;
  accounts_ = reinterpret_cast<Account*>(memory.data() + chains);
}

uint32_t Accounts::join(uint64_t user) {
  uint32_t& head = chain(user);
  for (uint32_t i = head; i != 0; i = accounts_[i - 1].next)
    if (accounts_[i - 1].user == user) return ++accounts_[i - 1].allocations, i - 1;
  uint32_t i = free_list_;
  if (i != 0)
    free_list_ = accounts_[i - 1].next;
  else
    i = ++untouched_;
  assert(i <= capacity_);
  accounts_[i - 1] = {.user = user, .bytes = 0, .up = {}, .down = {}, .allocations = 1, .next = head};
  head = i;
  return i - 1;
}

void Accounts::leave(uint32_t account) {
  Account& gone = accounts_[account];
  assert(gone.allocations > 0);
  if (--gone.allocations != 0) return;
  uint32_t* link = &chain(gone.user);
  while (*link != account + 1) link = &accounts_[*link - 1].next;
  *link = gone.next;
  gone.next = free_list_;
  free_list_ = account + 1;
}

const Accounts::Account* Accounts::find(uint64_t user) const {
  for (uint32_t i = chain(user); i != 0; i = accounts_[i - 1].next)
    if (accounts_[i - 1].user == user) return &accounts_[i - 1];
  return nullptr;
}

}  // namespace sluice::turn
