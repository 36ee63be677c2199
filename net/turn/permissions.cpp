// CreatePermission (RFC 8656 §10) and ChannelBind (§12).
#include <algorithm>

#include "net/turn/request.h"

namespace sluice::turn {

using stun::Attr;

// 0, or the error code.
uint16_t Server::check_peer(const Allocation& a, const Endpoint& peer, bool with_port) const {
  if (!a.has(family_of(peer.addr))) return 443;
  const PeerVerdict verdict = policy_.verdict(peer.addr);
  if (verdict == PeerVerdict::allowed) return 0;
  if (verdict == PeerVerdict::denied || (with_port && !policy_.endpoint_allowed(peer))) return 403;
  return 0;
}

// Precondition: check_peer() was content, and there is room.
void Server::permit(Allocation& a, const Address& peer, const Request& rq) {
  peers_.permit(a, peer, ends_at(rq.now, config_.permission_s), rq.now_s());
  if (policy_.verdict(peer) == PeerVerdict::ports_only) a.flags |= Allocation::kPortsOnly;
}

// §10.2: all or nothing.
Result Server::create_permission(Request& rq) {
  Allocation& a = *rq.allocation;
  std::array<Address, stun::kMaxAttributes> peers;
  size_t n = 0;
  uint32_t fresh = 0;
  uint16_t code = 0;
  rq.view.for_each([&](const stun::RawAttribute& raw) {
    if (code != 0 || raw.type != static_cast<uint16_t>(Attr::xor_peer_address)) return;
    const auto peer = rq.view.xor_address(raw);
    code = peer ? check_peer(a, *peer, false) : uint16_t{400};
    const auto end = peers.begin() + static_cast<ptrdiff_t>(n);
    if (code != 0 || std::find(peers.begin(), end, peer->addr) != end) return;
    peers[n++] = peer->addr;
    const auto there = [&](const Peer& p) { return p.address == peer->addr; };
    fresh += peers_.find(a, rq.now_s(), there) == nullptr;
  });
  if (n == 0 && code == 0) code = 400;
  if (code == 0 && fresh > peers_.room(a, rq.now_s())) code = 508;
  if (code != 0) return refuse(rq, code);
  for (const Address& peer : std::span(peers).first(n)) permit(a, peer, rq);
  counters_.permissions += n;
  auto reply = rq.success();
  return answer(rq, reply, rq.index);
}

Result Server::channel_bind(Request& rq) {
  Allocation& a = *rq.allocation;
  const uint32_t now_s = rq.now_s();
  const auto number = rq.view.u32(Attr::channel_number);
  const auto peer = rq.view.xor_address(Attr::xor_peer_address);
  // §12.2; the lower half of CHANNEL-NUMBER is reserved.
  if (!number || !peer || peer->port == 0) return refuse(rq, 400);
  const uint32_t channel = *number >> 16;
  if (channel < kFirstChannel || channel > kLastChannel) return refuse(rq, 400);
  const Peer* by_number =
      peers_.find(a, now_s, [&](const Peer& p) { return p.channel == channel && p.bound(now_s); });
  Peer* by_peer = peers_.find(a, now_s, [&](const Peer& p) {
    return p.address == peer->addr && p.port == peer->port && p.bound(now_s);
  });
  if (by_number != by_peer) return refuse(rq, 400);
  if (const uint16_t code = check_peer(a, *peer, true); code != 0) return refuse(rq, code);
  Peer* p = by_peer;
  if (p == nullptr)
    p = peers_.find(a, now_s, [&](const Peer& q) { return q.address == peer->addr && !q.bound(now_s); });
  if (p == nullptr) p = peers_.add(a, peer->addr, now_s);
  if (p == nullptr) return refuse(rq, 508);
  p->port = peer->port;
  p->channel = static_cast<uint16_t>(channel);
  p->channel_ends = ends_at(rq.now, config_.channel_s);
  permit(a, peer->addr, rq);
  ++counters_.channels;
  auto reply = rq.success();
  return answer(rq, reply, rq.index);
}

}  // namespace sluice::turn
