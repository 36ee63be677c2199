// What is sent by trunk.

#include "engine/role/trunk.h"

namespace sluice::engine {
namespace {

using Out = TrunkState::Out;

bool start(Core& c, Out& o) {
  o.slot = c.pool.take();
  if (o.slot == kNoSlot) return false;
  o.writer.start({c.pool.slot_bytes(o.slot) + kHeadroom, kMaxDatagram});
  return true;
}

/// Precondition: the writer is open and has a frame, and may be sent.
void seal(Core& c, trunk::PeerIndex peer, Out& o, trunk::Writer::More more) {
  TrunkState& t = c.trunk;
  const auto i = static_cast<uint16_t>(t.sealed_n++);
  const auto len = static_cast<uint16_t>(t.trunk->seal(peer, o.writer, more));
  t.sealed[i] = {.slot = o.slot, .len = len, .next = TrunkState::kNone};
  o.slot = kNoSlot;
  (o.first == TrunkState::kNone ? o.first : t.sealed[o.last].next) = i;
  o.last = i;
}

/// Ends the peer's last datagram and sends all in order.
void flush_peer(Core& c, trunk::PeerIndex peer, Out& o) {
  TrunkState& t = c.trunk;
  if (o.slot != kNoSlot && !o.writer.empty() && t.trunk->can_send(peer))
    seal(c, peer, o, trunk::Writer::More::no);
  if (o.slot != kNoSlot) {
    // Its peer has gone since.
    for (uint32_t i = 0; i < o.writer.frames(); ++i) c.count_unsent(Drop::server_down);
    c.pool.drop(o.slot);
  }
  o.writer.end_batch();
  const trunk::Peer& to = (*t.trunk)[peer];
  Packet p;
  p.offset = kHeadroom;
  p.remote = to.remote;
  p.local = to.role == trunk::Role::server ? t.relay_at : to.local;
  for (uint16_t i = o.first; i != TrunkState::kNone; i = t.sealed[i].next) {
    p.slot = t.sealed[i].slot;
    p.len = t.sealed[i].len;
    c.to_socket(p);
  }
  o.slot = kNoSlot;
  o.first = o.last = TrunkState::kNone;
  o.active = false;
}

}  // namespace

Drop frame_out(Core& c, trunk::PeerIndex peer, const trunk::Frame& f) {
  TrunkState& t = c.trunk;
  if (peer >= t.out.size() || !t.trunk->can_send(peer)) return Drop::server_down;
  Out& o = t.out[peer];
  if (!o.active) {
    o.active = true;
    o.writer = t.trunk->writer(peer);
    t.active[t.active_n++] = peer;
  }
  if (o.slot == kNoSlot && !start(c, o)) return Drop::pool_empty;
  if (o.writer.add(f)) return Drop::none;
  if (o.writer.empty()) return Drop::oversize;
  if (t.sealed_n >= TrunkLimits::kSealed) {
    flush_frames(c);
    return frame_out(c, peer, f);
  }
  seal(c, peer, o, trunk::Writer::More::yes);
  if (!start(c, o)) return Drop::pool_empty;
  return o.writer.add(f) ? Drop::none : Drop::oversize;
}

void transmit_by_trunk(Core& c, const Packet& p) {
  if (!c.trunk.on()) return c.drop_unsent(p, Drop::tx_no_route);
  const auto peer = static_cast<trunk::PeerIndex>(p.ifindex & ~kTrunkInterface);
  const trunk::Frame f{.client = p.remote, .local = p.local, .payload = c.pool.payload(p)};
  if (const Drop why = frame_out(c, peer, f); why != Drop::none) return c.drop_unsent(p, why);
  c.release(p);
}

void flush_frames(Core& c) {
  TrunkState& t = c.trunk;
  for (uint32_t i = 0; i < t.active_n; ++i) flush_peer(c, t.active[i], t.out[t.active[i]]);
  t.active_n = t.sealed_n = 0;
}

}  // namespace sluice::engine
