#include "net/turn/reservations.h"

namespace sluice::turn {

std::optional<uint16_t> Reservations::add(const Endpoint& relay, uint64_t user_hash, uint64_t random) {
  const Handle h = slab_.take();
  if (!h) return std::nullopt;
  const uint64_t token = (uint64_t{shard_} << 56) | (uint64_t{h.index} << 40) | (random >> 24);
  slab_[h.index] = {.token = token, .user_hash = user_hash, .relay = relay};
  return static_cast<uint16_t>(h.index);
}

std::optional<uint16_t> Reservations::find(uint64_t token, uint64_t user_hash) const {
  const auto slot = static_cast<uint16_t>(token >> 40);
  const Reservation* r = at(slot);
  // Both together are compared without a branch on either: the token is a secret.
  if (r == nullptr || ((r->token ^ token) | (r->user_hash ^ user_hash)) != 0) return std::nullopt;
  return slot;
}

}  // namespace sluice::turn
