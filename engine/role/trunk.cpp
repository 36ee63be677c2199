// What arrives by trunk, and what time brings.

#include "engine/role/trunk.h"

#include <algorithm>

namespace sluice::engine {
namespace {

/// A hello or welcome that stands at the beginning of `slot`'s payload.
void send_control(Core& c, SlotIndex slot, size_t len, const Endpoint& to, const Endpoint& from) {
  Packet p;
  p.slot = slot;
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(len);
  p.remote = to;
  p.local = from;
  c.to_socket(p);
}

MutBytes room(Core& c, SlotIndex slot) { return {c.pool.slot_bytes(slot) + kHeadroom, kMaxDatagram}; }

void answer_hello(Core& c, const Packet& hello, trunk::PeerIndex peer) {
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  send_control(c, slot, c.trunk.trunk->write_welcome(peer, room(c, slot)), hello.remote, hello.local);
}

/// Other shards read how to answer the relay; a default Route says that it has gone.
void publish_route(Core& c, trunk::PeerIndex peer) {
  TrunkState& t = c.trunk;
  t.routes->of(c.id.v, peer).store(t.trunk->route(peer).value_or(trunk::Route{}));
}

void remove_peer(Core& c, trunk::PeerIndex peer) {
  TrunkState& t = c.trunk;
  if (t.out[peer].active) flush_frames(c);
  t.trunk->remove(peer);
}

/// Relays of other shards that have gone, or are called otherwise now, make room.
void drop_stale(Core& c) {
  TrunkState& t = c.trunk;
  for (size_t i = 0; i < t.adopted.size(); ++i) {
    TrunkState::Adopted& a = t.adopted[i];
    const auto& route =
        t.routes->of(static_cast<uint32_t>(i / t.peers.size()), static_cast<uint16_t>(i % t.peers.size()));
    if (a.peer == 0 || route.version() == a.version) continue;
    remove_peer(c, static_cast<trunk::PeerIndex>(a.peer - 1));
    a = {};
  }
}

}  // namespace

std::optional<TrunkArrival> open_trunk(Core& c, const Packet& p) {
  TrunkState& t = c.trunk;
  const auto got = t.trunk->receive(c.pool.payload(p), p.remote, p.local, c.now);
  if (!got) {
    c.drop(p, got.error());
    return {};
  }
  c.wheel.schedule_no_later(c.trunk_timer(), t.trunk->deadline());
  if (got->type == trunk::Type::hello) answer_hello(c, p, got->peer);
  const bool to_server = got->type == trunk::Type::to_server;
  if (to_server && got->change != trunk::Change::none) publish_route(c, got->peer);
  if (to_server || got->type == trunk::Type::to_relay) return TrunkArrival{got->peer, to_server, got->body};
  c.release(p);
  return {};
}

Packet packet_of(Core& c, const Packet& datagram, trunk::PeerIndex peer, const trunk::Frame& f) {
  Packet p;
  p.slot = datagram.slot;
  p.offset = static_cast<uint16_t>(f.payload.data() - c.pool.slot_bytes(datagram.slot));
  p.len = static_cast<uint16_t>(f.payload.size());
  p.remote = f.client;
  p.local = f.local;
  p.ifindex = kTrunkInterface | peer;
  p.rx_time = datagram.rx_time;
  p.ecn = f.ecn;
  c.pool.share(p.slot);
  return p;
}

Micros poll_trunk(Core& c) {
  TrunkState& t = c.trunk;
  // Whoever is forgotten below must have nothing under way.
  flush_frames(c);
  for (;;) {
    const SlotIndex slot = c.pool.take();
    if (slot == kNoSlot) return c.now + millis(1);
    const auto due = t.trunk->poll(c.now, room(c, slot));
    if (due && due->change == trunk::Change::forgotten) publish_route(c, due->peer);
    if (due && due->hello != 0) {
      send_control(c, slot, due->hello, (*t.trunk)[due->peer].remote, t.relay_at);
      continue;
    }
    c.pool.drop(slot);
    if (!due) return t.trunk->deadline();
  }
}

void put_trunk_server(Core& c, uint16_t index, uint32_t name, std::optional<Endpoint> address) {
  TrunkState& t = c.trunk;
  if (!t.on() || index >= t.of_server.size()) return;
  const trunk::PeerIndex before = t.peer_of(index);
  if (before != trunk::kNoPeer) {
    const trunk::Peer& p = (*t.trunk)[before];
    if (address && p.remote == *address && p.association.server == name) return;
    remove_peer(c, before);
    t.of_server[index] = 0;
  }
  if (!address || t.relay_at.port == 0) return;
  const auto peer = t.trunk->add_server(name, *address, TrunkLimits::kKeyId, c.now);
  if (!peer) return;
  t.of_server[index] = static_cast<uint16_t>(*peer + 1);
  t.server_of[*peer] = index;
  c.wheel.schedule_no_later(c.trunk_timer(), t.trunk->deadline());
}

std::optional<trunk::PeerIndex> adopt_relay(Core& c, uint32_t from, trunk::PeerIndex peer) {
  TrunkState& t = c.trunk;
  if (!t.on() || peer >= t.peers.size()) return {};
  TrunkState::Adopted& a = t.adopted[from * t.peers.size() + peer];
  const SeqLocked<trunk::Route>& shared = t.routes->of(from, peer);
  const uint32_t version = shared.version();
  if (a.peer != 0 && a.version == version) [[likely]]
    return static_cast<trunk::PeerIndex>(a.peer - 1);
  trunk::Route route;
  if (!shared.load(route) || route.remote.port == 0) return {};
  auto mine = t.trunk->adopt(route);
  if (!mine) {
    drop_stale(c);
    mine = t.trunk->adopt(route);
  }
  // It may have been dropped as stale itself.
  if (a.peer != 0 && (!mine || a.peer - 1 != *mine))
    remove_peer(c, static_cast<trunk::PeerIndex>(a.peer - 1));
  a = {.version = version, .peer = static_cast<uint16_t>(mine ? *mine + 1 : 0)};
  return mine;
}

}  // namespace sluice::engine
