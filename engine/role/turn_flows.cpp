// TURN's requests, and the flows that they make and end.

#include <algorithm>

#include "engine/relay/state.h"
#include "engine/role/turn.h"
#include "engine/role/turn_reports.h"
#include "net/wire/classify.h"

namespace sluice::engine {
namespace {

/// A client that another shard has is forgotten here once it has been silent for longer than an allocation
/// lives without a refresh.
constexpr Micros kElsewhereIdle = seconds(3660);
constexpr Micros kSweepInterval = seconds(60);
constexpr uint32_t kSweepSteps = 60;

turn::ClientKey client_of(const Packet& p) { return {p.remote, p.local, p.ifindex}; }

std::optional<Endpoint> take_port(void* self, turn::Family family, turn::PortWish wish) {
  Core& c = *static_cast<Core*>(self);
  const auto addresses = c.relay.ports.addresses();
  const crypto::Random random = c.random.view();
  const uint32_t first = random.u32();
  const bool even = wish != turn::PortWish::any, next = wish == turn::PortWish::even_and_next;
  for (uint32_t i = 0; i < addresses.size(); ++i) {
    const auto a = static_cast<uint8_t>((first + i) % addresses.size());
    if (turn::family_of(addresses[a]) != family) continue;
    const auto port = c.relay.ports.take(*c.backend, a, even, next, random.u32());
    if (port) return Endpoint{addresses[a], *port};
  }
  ++c.turn.without_port;
  return {};
}

void give_back(void* self, const Endpoint& local) {
  Core& c = *static_cast<Core*>(self);
  c.relay.ports.give_back(*c.backend, static_cast<uint8_t>(c.relay.ports.index_of(local.addr)), local.port);
}

void note_deadline(Core& c) {
  c.wheel.schedule_no_later(c.turn_timer(), std::min(c.turn.server->next_deadline(), c.turn.sweep_due));
}

bool insert_flow(Core& c, const turn::ClientKey& client, const TurnFlow& flow) {
  const FlowKey key = turn_key(client);
  const FlowValue* before = c.flows.find(key);
  const bool was_elsewhere = before != nullptr && before->turn.elsewhere;
  FlowValue v;
  v.turn = flow;
  if (c.flows.insert(key, v) == nullptr) return false;
  c.turn.elsewhere += uint32_t{flow.elsewhere} - uint32_t{was_elsewhere};
  return true;
}

/// False: there is no room for the client's flow, and its allocation has ended.
bool apply(Core& c, const turn::ClientKey& client, const turn::Result& r) {
  using turn::Event;
  if (r.event == Event::none) return true;
  if (r.event == Event::closed || r.event == Event::moved) erase_turn_flow(c, r.previous);
  if (r.event == Event::closed) return true;
  TurnFlow flow;
  flow.owner = c.id;
  flow.allocation = r.allocation;
  if (insert_flow(c, client, flow)) return true;
  c.turn.server->close(r.allocation, turn_ports(c));
  return false;
}

/// By the shard that the client's packets arrive at, if that is another one and has to know the way from now
/// on.
void send_reply(Core& c, const Packet& reply, const turn::ClientKey& client, uint16_t lender) {
  const FlowValue* flow = lender != 0 ? c.flows.find(turn_key(client)) : nullptr;
  if (flow == nullptr || flow->turn.elsewhere) return c.transmit(reply);
  PeerMessage m;
  m.kind = PeerMessage::Kind::turn_reply;
  m.packet = reply;
  c.lend(ShardId{static_cast<uint8_t>(lender - 1)}, m);
}

void answer(Core& c, const Packet& p, uint32_t allocation, const stun::View& view) {
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return c.pool.drop(p.slot);
  const turn::ClientKey client = client_of(p);
  const turn::Result r =
      c.turn.server->on_request(client, allocation, view, c.now, turn_ports(c),
                                MutBytes(c.pool.slot_bytes(slot) + kHeadroom, turn::kMaxReply));
  const bool kept = apply(c, client, r);
  if (r.allocation != turn::kNoAllocation)
    report_allocation(c, r.allocation, r.event == turn::Event::created ? &view : nullptr);
  note_deadline(c);
  if (r.drop != Drop::none || !kept) {
    c.pool.drop(slot);
    return c.drop(p, kept ? r.drop : Drop::flows_full);
  }
  Packet reply;
  reply.slot = slot;
  reply.offset = kHeadroom;
  reply.len = r.reply;
  reply.remote = p.remote;
  reply.local = p.local;
  reply.ifindex = p.ifindex;
  send_reply(c, reply, client, p.aux);
  c.release(p);
}

void hand_over(Core& c, const Packet& p, ShardId to) {
  PeerMessage m;
  m.kind = PeerMessage::Kind::datagram;
  m.packet = p;
  if (c.lend(to, m)) ++c.handed_over;
}

void on_request(Core& c, const Packet& p) {
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view) return c.drop(p, view.error());
  // A relay endpoint is nobody's client: relays would nest without end.
  if (is_inside(p.ifindex)) return c.drop(p, Drop::turn_peer_denied);
  FlowValue* flow = c.flows.find(turn_key(client_of(p)));
  const bool lent = p.aux != 0;
  if (flow != nullptr && flow->turn.elsewhere) {
    if (!lent) return turn_hand_over(c, p, flow->turn);
    flow = nullptr;
  }
  if (flow == nullptr && !lent)
    if (const auto shard = turn::Server::shard_of(*view); shard && *shard != c.id.v && *shard < c.shards)
      return hand_over(c, p, ShardId{*shard});
  answer(c, p, flow != nullptr ? flow->turn.allocation : turn::kNoAllocation, *view);
}

/// The next part of the table.
void sweep(Core& c) {
  TurnState& t = c.turn;
  const relay::Tick now = relay::tick_of(c.now);
  const uint32_t step = c.flows.buckets() / kSweepSteps + 1;
  for (uint32_t i = 0; i < step && t.elsewhere > 0; ++i) {
    c.flows.visit_bucket(t.sweep_at, [&](const FlowKey& key, const FlowValue& v) {
      if (!v.is(FlowKind::turn) || !v.turn.elsewhere) return;
      if (now - v.turn.seen <= relay::tick_of(kElsewhereIdle)) return;
      --t.elsewhere;
      c.flows.erase(FlowKey(key));
    });
    t.sweep_at = t.sweep_at + 1 == c.flows.buckets() ? 0 : t.sweep_at + 1;
  }
  t.sweep_due = t.elsewhere > 0 ? c.now + kSweepInterval : kNever;
}

}  // namespace

turn::PortSource turn_ports(Core& c) { return {&c, take_port, give_back}; }

void erase_turn_flow(Core& c, const turn::ClientKey& client) {
  const FlowKey key = turn_key(client);
  const FlowValue* v = c.flows.find(key);
  if (v == nullptr) return;
  c.turn.elsewhere -= v->turn.elsewhere;
  c.flows.erase(key);
}

void turn_requests(Core& c, std::span<const TurnPacket> in) {
  for (const TurnPacket& t : in) on_request(c, *t.packet);
}

void turn_hand_over(Core& c, const Packet& p, TurnFlow& flow) {
  flow.seen = relay::tick_of(c.now);
  hand_over(c, p, flow.owner);
}

void turn_reply(Core& c, const Packet& p, ShardId owner) {
  TurnFlow flow;
  flow.elsewhere = true;
  flow.owner = owner;
  flow.seen = relay::tick_of(c.now);
  const FlowValue* before = c.flows.find(turn_key(client_of(p)));
  // What has an allocation here stays, and a full table means one more request of the client's.
  const bool here = before != nullptr && !before->turn.elsewhere;
  if (!here && (before != nullptr || c.turn.elsewhere < c.limits.turn.server.allocations))
    insert_flow(c, client_of(p), flow);
  if (c.turn.elsewhere > 0 && c.turn.sweep_due == kNever) {
    c.turn.sweep_due = c.now + kSweepInterval;
    note_deadline(c);
  }
  c.transmit(p);
}

void answer_binding(Core& c, const Packet& p, const stun::View& view) {
  answer(c, p, turn::kNoAllocation, view);
}

bool answer_if_plain_binding(Core& c, const Packet& p) {
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view || !view->is_binding(stun::Class::request) || view->username()) return false;
  answer_binding(c, p, *view);
  return true;
}

void turn_stream_closed(Core& c, const turn::ClientKey& client) {
  const FlowValue* flow = c.flows.find(turn_key(client));
  if (flow == nullptr) return;
  if (!flow->turn.elsewhere) {
    const uint32_t allocation = flow->turn.allocation;
    c.turn.server->leave(allocation, turn_ports(c));
    report_allocation(c, allocation);
  } else {
    PeerMessage m;
    m.kind = PeerMessage::Kind::turn_closed;
    m.packet.remote = client.remote;
    m.packet.local = client.local;
    m.packet.ifindex = client.ifindex;
    const ShardId owner = flow->turn.owner;
    // A full ring leaves the allocation to its lifetime.
    if (c.ports.to_peer[owner.v]->try_push(m)) c.peers_to_wake |= uint64_t{1} << owner.v;
  }
  erase_turn_flow(c, client);
}

Micros turn_expire(Core& c) {
  std::array<turn::Closed, 64> over;
  size_t n = 0;
  do {
    n = c.turn.server->expire(c.now, turn_ports(c), over);
    for (const turn::Closed& o : std::span(over).first(n)) {
      erase_turn_flow(c, o.client);
      report_allocation(c, o.allocation);
    }
  } while (n == over.size());
  if (c.turn.sweep_due <= c.now) sweep(c);
  return std::min(c.turn.server->next_deadline(), c.turn.sweep_due);
}

}  // namespace sluice::engine
