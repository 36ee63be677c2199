// An allocation, and its permissions and channels. Pure. 320 bytes, of which a packet touches three lines.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/slab.h"
#include "net/base/token_bucket.h"
#include "net/stun/message.h"
#include "net/turn/credentials.h"
#include "net/turn/types.h"

namespace sluice::turn {

/// Seconds of the monotonic clock.
constexpr uint32_t seconds_of(Micros now) { return static_cast<uint32_t>(now.us / 1'000'000); }
/// When something that lasts so long from now on ends; the second that has begun is not counted, so that
/// nothing ends early.
constexpr uint32_t ends_at(Micros now, uint32_t lifetime_s) { return seconds_of(now) + lifetime_s + 1; }

/// A permission (RFC 8656 §9) and perhaps a channel (§12) to one peer. Invariant: all peers of an allocation
/// that have the same address have the same permission_ends.
struct Peer {
  Address address;
  uint16_t port = 0;     ///< of the channel
  uint16_t channel = 0;  ///< 0: none
  uint32_t permission_ends = 0;
  uint32_t channel_ends = 0;

  bool permitted(uint32_t now_s) const { return now_s < permission_ends; }
  bool bound(uint32_t now_s) const { return channel != 0 && now_s < channel_ends; }
  bool live(uint32_t now_s) const { return permitted(now_s) || bound(now_s); }
};
static_assert(sizeof(Peer) == 28);

inline constexpr uint32_t kNoNode = 0;

struct alignas(64) PeerPair {
  std::array<Peer, 2> peers;
  uint32_t next = kNoNode;  ///< node number + 1
  uint32_t spare = 0;
};
static_assert(sizeof(PeerPair) == 64);

struct Allocation {
  static constexpr uint8_t kMobile = 1;     ///< has a ticket
  static constexpr uint8_t kMorePeers = 2;  ///< peers beyond `near`
  static constexpr uint8_t kPortsOnly = 4;  ///< a permission rests on an exception of the policy
  static constexpr uint8_t kReserved = 8;   ///< `reservation` names the port above

  // The line of every packet.
  alignas(64) ClientKey client;
  std::array<uint16_t, 2> relay_port{};    ///< IPv4, IPv6; 0: none
  std::array<uint8_t, 2> relay_address{};  ///< index into Config::relay_addresses
  uint8_t flags = 0;
  uint8_t failed_family = 0;  ///< code - 400 of the ADDRESS-ERROR-CODE that the client was told; 0: none
  uint32_t ends = 0;
  TokenBucket up;
  uint32_t bytes = 0;  ///< not yet added to the account
  // The line of most packets.
  std::array<Peer, 2> near{};
  TokenBucket down;
  // Further peers.
  PeerPair far;
  // Requests only.
  AuthKey key;
  uint16_t reservation = 0;
  uint32_t account = 0;
  uint64_t name_hash = 0;
  uint32_t ticket = 0;  ///< how often one was issued
  stun::TransactionId tid{};
  // A line that packets only add to.
  alignas(64) Traffic traffic;
  uint32_t made = 0;  ///< seconds_of()

  bool is(uint8_t flag) const { return (flags & flag) != 0; }
  bool has(Family f) const { return relay_port[static_cast<size_t>(f) - 1] != 0; }
};
static_assert(sizeof(Allocation) == 320 && offsetof(Allocation, near) == 64);

/// Fixed number of allocations. Owner thread only.
class Allocations {
  static constexpr size_t table_bytes(uint32_t n) { return (HandleTable::bytes_for(n) + 63) / 64 * 64; }

 public:
  static constexpr size_t bytes_for(uint32_t n) { return table_bytes(n) + size_t{n} * sizeof(Allocation); }
  Allocations() = default;
  /// `memory` zeroed and 64-byte aligned.
  Allocations(std::span<std::byte> memory, uint32_t n)
      : table_(memory, n), all_(reinterpret_cast<Allocation*>(memory.data() + table_bytes(n))) {
    assert(memory.size() >= bytes_for(n) && reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
  }

  uint32_t capacity() const { return table_.capacity(); }
  uint32_t size() const { return table_.size(); }
  /// A new one, all zero; the zero handle when full.
  Handle take() {
    const Handle h = table_.take();
    if (h) all_[h.index] = Allocation{};
    return h;
  }
  /// Its key is overwritten.
  void drop(uint32_t i);
  Handle handle(uint32_t i) const { return table_.at(i); }
  /// nullptr if nothing lives there; any index.
  Allocation* find(uint32_t i) { return table_.live_index(i) ? all_ + i : nullptr; }
  const Allocation* find(uint32_t i) const { return table_.live_index(i) ? all_ + i : nullptr; }
  /// The same, and nullptr if it has expired; looks at nothing but the allocation.
  Allocation* live(uint32_t i, uint32_t now_s) {
    return i < table_.capacity() && now_s < all_[i].ends ? all_ + i : nullptr;
  }
  void prefetch(uint32_t i) const {
    if (i >= table_.capacity()) return;
    __builtin_prefetch(&all_[i].client);
    __builtin_prefetch(&all_[i].near);
    __builtin_prefetch(&all_[i].traffic, 1);
  }

 private:
  HandleTable table_;
  Allocation* all_ = nullptr;  ///< `ends` is 0 where nothing lives
};

/// Permissions and channels: four inside an allocation, more in nodes of a pool that all allocations share.
/// Owner thread only.
class Peers {
 public:
  static constexpr size_t bytes_for(uint32_t nodes) { return size_t{nodes} * sizeof(PeerPair); }
  Peers() = default;
  /// `memory` zeroed and 64-byte aligned. `limit`: peers of one allocation.
  Peers(std::span<std::byte> memory, uint32_t nodes, uint32_t limit);

  /// A free place, set to the address without a permission; nullptr if the limit or the end of the pool is
  /// reached.
  Peer* add(Allocation& a, const Address& address, uint32_t now_s);
  /// How many add() would succeed now.
  uint32_t room(Allocation& a, uint32_t now_s);
  /// Permissions and channels; of them channels.
  struct Count {
    uint32_t peers = 0;
    uint32_t channels = 0;
  };
  Count count(Allocation& a, uint32_t now_s);
  /// Installs or refreshes the permission for an address; false if there is no room for another.
  bool permit(Allocation& a, const Address& address, uint32_t ends, uint32_t now_s);
  /// Gives nodes back in which nothing lives any more.
  void compact(Allocation& a, uint32_t now_s);
  /// Gives all nodes back.
  void release(Allocation& a);
  uint32_t free_nodes() const { return free_; }

  /// The first live peer for which `f(Peer&)` is true, else nullptr.
  template <class F>
  Peer* find(Allocation& a, uint32_t now_s, F&& f) {
    return first(a, [&](Peer& p) { return p.live(now_s) && f(p); });
  }

 private:
  template <class F>
  Peer* first(Allocation& a, F&& f) {
    for (Peer& p : a.near)
      if (f(p)) return &p;
    if (!a.is(Allocation::kMorePeers)) return nullptr;
    for (PeerPair* pair = &a.far; pair != nullptr; pair = at(pair->next))
      for (Peer& p : pair->peers)
        if (f(p)) return &p;
    return nullptr;
  }
  PeerPair* at(uint32_t node) { return node == kNoNode ? nullptr : nodes_ + (node - 1); }
  uint32_t take_node();
  void free_node(uint32_t node);

  PeerPair* nodes_ = nullptr;
  uint32_t limit_ = 0;
  uint32_t capacity_ = 0;
  uint32_t untouched_ = 0;  ///< nodes from here on were never used
  uint32_t free_list_ = kNoNode;
  uint32_t free_ = 0;
};

}  // namespace sluice::turn
