// TURN's payloads, from clients to peers and back.

#include "engine/role/turn.h"

#include <algorithm>

#include "net/wire/classify.h"

namespace sluice::engine {
namespace {

constexpr bool is_stun(const Packet& p) { return p.kind == static_cast<uint8_t>(wire::PacketClass::stun); }

turn::ClientKey client_of(const Packet& p) { return {p.remote, p.local, p.ifindex}; }

/// What a link of 1500 bytes carries whole.
constexpr size_t whole_payload(const Endpoint& to) { return to.is_v4() ? 1500 - 28 : 1500 - 48; }

enum class Origin : uint8_t { received, own };

void refuse(Core& c, const Packet& p, Drop why, Origin origin) {
  origin == Origin::received ? c.drop(p, why) : c.drop_unsent(p, why);
}

/// `p`: to a relay endpoint of this shard.
void to_client(Core& c, const Packet& in, Origin origin) {
  Packet p = in;
  const turn::ToClient to = c.turn.server->from_peer(p.local, p.remote, c.pool.payload(p), c.now);
  if (to.drop != Drop::none) return refuse(c, p, to.drop, origin);
  p.offset = static_cast<uint16_t>(p.offset - to.before);
  p.len = to.len;
  p.remote = to.client.remote;
  p.local = to.client.local;
  p.ifindex = to.client.ifindex;
  c.transmit(p);
}

/// `p`: to a relay endpoint of this process, which needs no way through the kernel.
void join(Core& c, const Packet& p, Origin origin) {
  const auto shard = c.relay.ports.shard_of(p.local);
  if (!shard) return refuse(c, p, Drop::turn_no_allocation, origin);
  if (*shard == c.id) return to_client(c, p, origin);
  PeerMessage m;
  m.kind = PeerMessage::Kind::relayed;
  m.packet = p;
  c.lend(*shard, m);
}

/// `p`: to a public endpoint of this process, as if it had come from outside.
void arrive(Core& c, const Packet& in) {
  Packet p = in;
  if (c.turn.inside.full()) return c.drop(p, Drop::ring_full);
  std::swap(p.remote, p.local);
  p.ifindex = kInsideInterface;
  c.turn.inside.push(p);
}

void to_peer(Core& c, const Packet& in, const turn::ToPeer& to) {
  Packet p = in;
  if (to.drop != Drop::none) return c.drop(p, to.drop);
  p.offset = static_cast<uint16_t>(p.offset + to.offset);
  p.len = to.len;
  p.local = to.relay;
  p.remote = to.peer;
  p.ifindex = 0;
  p.aux = 0;
  if (c.relay.ports.contains(to.peer)) {
    std::swap(p.remote, p.local);
    return join(c, p, Origin::received);
  }
  if (c.turn.shared->is_here(to.peer)) return arrive(c, p);
  // RFC 8656 §14: whatever fits leaves with DF set anyway.
  if (to.dont_fragment && p.len > whole_payload(p.remote)) return c.drop(p, Drop::oversize);
  c.transmit(p);
}

/// More than one holder reads the payload: headers are written around a copy.
bool own_slot(Core& c, Packet& p) {
  if (c.pool.refs(p.slot) == 1) return true;
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return false;
  const Bytes from = c.pool.payload(p);
  std::copy(from.begin(), from.end(), c.pool.slot_bytes(slot) + kHeadroom);
  c.pool.drop(p.slot);
  p.slot = slot;
  p.offset = kHeadroom;
  return true;
}

}  // namespace

bool is_turns(const Core& c, const Packet& p) {
  const Bytes payload = c.pool.payload(p);
  if (payload.size() < 4) return false;
  // TURN has a framing of its own.
  if (is_stream(p.ifindex) && !is_turn_stream(p.ifindex)) return false;
  if (!is_stun(p)) return turn::is_channel_data(payload[0]);
  // RFC 8489 §5: two bits of the type are the class.
  constexpr uint16_t kMethodBits = 0x3eef;
  const uint16_t method = load_be<uint16_t>(payload.data()) & kMethodBits;
  return method != static_cast<uint16_t>(stun::Method::binding);
}

void turn_up_batch(Core& c, std::span<const TurnPacket> in) {
  turn::Server& server = *c.turn.server;
  for (const auto& [packet, allocation] : in) {
    const turn::ClientKey client = client_of(*packet);
    if (!is_stun(*packet)) {
      to_peer(c, *packet, server.from_client(client, allocation, c.pool.payload(*packet), c.now));
      continue;
    }
    const auto view = stun::View::parse(c.pool.payload(*packet));
    if (!view)
      c.drop(*packet, view.error());
    else
      to_peer(c, *packet, server.on_indication(client, allocation, *view, c.now));
  }
}

void turn_down_batch(Core& c, std::span<const TurnPacket> in) {
  for (const TurnPacket& t : in) to_client(c, *t.packet, Origin::received);
}

void transmit_inside(Core& c, const Packet& p) {
  Packet back = p;
  if (!own_slot(c, back)) return c.pool.drop(back.slot);
  std::swap(back.remote, back.local);
  back.ifindex = 0;
  join(c, back, Origin::own);
}

}  // namespace sluice::engine
