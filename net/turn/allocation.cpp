#include "net/turn/allocation.h"

#include <algorithm>
#include <cassert>

#include "net/crypto/secret.h"

namespace sluice::turn {

void Allocations::drop(uint32_t i) {
  crypto::cleanse(all_[i].key.b);
  all_[i] = Allocation{};
  table_.drop(table_.at(i));
}

Peers::Peers(std::span<std::byte> memory, uint32_t nodes, uint32_t limit)
    : nodes_(reinterpret_cast<PeerPair*>(memory.data())), limit_(limit), capacity_(nodes), free_(nodes) {
  assert(memory.size() >= bytes_for(nodes) &&
         reinterpret_cast<uintptr_t>(memory.data()) % alignof(PeerPair) == 0);
}

Peers::Count Peers::count(Allocation& a, uint32_t now_s) {
  Count n;
  first(a, [&](const Peer& p) {
    n.peers += p.live(now_s);
    n.channels += p.bound(now_s);
    return false;
  });
  return n;
}

uint32_t Peers::room(Allocation& a, uint32_t now_s) {
  const uint32_t live = count(a, now_s).peers;
  uint32_t places = static_cast<uint32_t>(a.near.size() + a.far.peers.size());
  for (const PeerPair* pair = at(a.far.next); pair != nullptr; pair = at(pair->next)) places += 2;
  return std::min(limit_ - std::min(limit_, live), places - live + 2 * free_);
}

Peer* Peers::add(Allocation& a, const Address& address, uint32_t now_s) {
  if (room(a, now_s) == 0) return nullptr;
  const auto dead = [&](const Peer& p) { return !p.live(now_s); };
  Peer* place = std::find_if(a.near.begin(), a.near.end(), dead);
  if (place == a.near.end()) {
    a.flags |= Allocation::kMorePeers;
    place = first(a, dead);
  }
  if (place == nullptr) {
    const uint32_t node = take_node();
    at(node)->next = a.far.next;
    a.far.next = node;
    place = at(node)->peers.data();
  }
  *place = Peer{.address = address};
  return place;
}

bool Peers::permit(Allocation& a, const Address& address, uint32_t ends, uint32_t now_s) {
  bool found = false;
  first(a, [&](Peer& p) {
    if (p.address == address && p.live(now_s)) p.permission_ends = ends, found = true;
    return false;
  });
  if (found) return true;
  Peer* p = add(a, address, now_s);
  if (p != nullptr) p->permission_ends = ends;
  return p != nullptr;
}

void Peers::compact(Allocation& a, uint32_t now_s) {
  const auto any_live = [&](const PeerPair& pair) {
    return std::any_of(pair.peers.begin(), pair.peers.end(), [&](const Peer& p) { return p.live(now_s); });
  };
  for (uint32_t* link = &a.far.next; *link != kNoNode;) {
    const uint32_t node = *link;
    if (any_live(*at(node))) {
      link = &at(node)->next;
      continue;
    }
    *link = at(node)->next;
    free_node(node);
  }
  if (a.far.next == kNoNode && !any_live(a.far)) a.flags &= static_cast<uint8_t>(~Allocation::kMorePeers);
}

void Peers::release(Allocation& a) {
  while (a.far.next != kNoNode) {
    const uint32_t node = a.far.next;
    a.far.next = at(node)->next;
    free_node(node);
  }
}

uint32_t Peers::take_node() {
  assert(free_ > 0);
  --free_;
  uint32_t node = free_list_;
  if (node != kNoNode)
    free_list_ = at(node)->next;
  else
    node = ++untouched_;
  assert(node <= capacity_);
  *at(node) = PeerPair{};
  return node;
}

void Peers::free_node(uint32_t node) {
  at(node)->next = free_list_;
  free_list_ = node;
  ++free_;
}

}  // namespace sluice::turn
