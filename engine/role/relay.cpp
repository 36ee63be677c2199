// The relay's packet path: straight passes over packets whose flows are known.

#include "engine/role/relay.h"

#include "engine/role/trunk.h"
#include "engine/role/turn.h"

namespace sluice::engine::relay {
namespace {

bool is_stun(const Packet& p) { return p.kind == static_cast<uint8_t>(wire::PacketClass::stun); }

/// What a client's STUN message changes. none: it may pass.
Drop note_request(Core& c, const Packet& p, RelayFlow& f) {
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view) return view.error();
  if (!view->is_binding(stun::Class::request)) return f.confirmed ? Drop::none : Drop::flow_unconfirmed;
  State& r = c.relay;
  if (!r.shared->replays.first_from(view->transaction_id(), p.remote)) return Drop::stun_replayed;
  if (f.confirmed) return Drop::none;
  if (!r.admission.admit(p.remote.addr, p.len, c.now)) return Drop::rate_limited;
  f.pending = r.tid_hash(view->transaction_id());
  return Drop::none;
}

/// Whether this is the server's answer to the check that the client's address waits for; a success confirms
/// it. One answer per check goes to an address that has proven nothing, so nobody gets more than it sent for.
Drop note_answer(Core& c, const Packet& p, const FlowKey& client, RelayFlow& f) {
  if (!is_stun(p)) return Drop::flow_unconfirmed;
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view) return view.error();
  const bool success = view->is_binding(stun::Class::success);
  if (!success && !view->is_binding(stun::Class::error)) return Drop::flow_unconfirmed;
  if (f.pending == 0 || f.pending != c.relay.tid_hash(view->transaction_id()))
    return Drop::stun_unexpected_response;
  f.pending = 0;
  if (success) confirm(c, client, f);
  return Drop::none;
}

void frame_up(Core& c, const Packet& p, const RelayFlow& f, ServerLine& s) {
  const trunk::Frame frame{.client = p.remote, .local = p.local, .ecn = p.ecn, .payload = c.pool.payload(p)};
  const Drop why = frame_out(c, c.trunk.peer_of(f.server), frame);
  if (why != Drop::none) return c.drop(p, why);
  ++s.n.up_packets;
  s.n.up_bytes += p.len;
  c.release(p);
}

void send_up(Core& c, Packet& p, const RelayFlow& f, ServerLine& s) {
  if (f.trunk) return frame_up(c, p, f, s);
  ++s.n.up_packets;
  s.n.up_bytes += p.len;
  p.remote = s.address;
  p.local = {c.relay.ports.addresses()[f.relay_address], f.relay_port};
  p.ifindex = 0;
  c.transmit(p);
}

void send_down(Core& c, const Packet& p, ServerLine& s) {
  ++s.n.down_packets;
  s.n.down_bytes += p.len;
  c.transmit(p);
}

/// The interface that a link-local client speaks through.
uint32_t interface_of(const State& r, const FlowKey& client) {
  if (!client.remote.addr.is_link_local()) return 0;
  for (const LocalLine& l : r.locals.first(r.locals_n))
    if (l.local == client.local) return l.ifindex;
  return 0;
}

void on_frame(Core& c, Packet& p, FlowValue* flow) {
  const uint16_t server = c.trunk.server_of[p.ifindex & ~kTrunkInterface];
  if (flow == nullptr || !flow->is(FlowKind::relay) || !flow->relay.trunk || flow->relay.server != server)
    return c.drop(p, Drop::flow_unknown);
  const FlowKey client{p.remote, p.local};
  if (!flow->relay.confirmed) {
    p.kind = static_cast<uint8_t>(wire::classify(c.pool.payload(p)));
    if (const Drop why = note_answer(c, p, client, flow->relay); why != Drop::none) return c.drop(p, why);
  }
  p.ifindex = interface_of(c.relay, client);
  send_down(c, p, c.relay.servers[server]);
}

}  // namespace

void down_frames(Core& c, RxBatch& in) {
  std::array<uint64_t, kRxBurst> hash;
  for (size_t i = 0; i < in.size(); ++i) {
    hash[i] = c.flows.hash({in[i].remote, in[i].local});
    c.flows.prefetch(hash[i]);
  }
  for (size_t i = 0; i < in.size(); ++i) c.flows.prefetch_entry(hash[i]);
  for (size_t i = 0; i < in.size(); ++i)
    on_frame(c, in[i], c.flows.find({in[i].remote, in[i].local}, hash[i]));
  in.clear();
}

void up_batch(Core& c, std::span<const RelayPacket> in) {
  State& r = c.relay;
  const Tick now = tick_of(c.now);
  for (const auto& [packet, flow] : in) {
    RelayFlow& f = flow->relay;
    ServerLine& s = r.servers[f.server];
    if (is_stun(*packet)) {
      if (c.turn.on() && answer_if_plain_binding(c, *packet)) continue;
      if (const Drop why = note_request(c, *packet, f); why != Drop::none) {
        c.drop(*packet, why);
        continue;
      }
    } else if (!f.confirmed) {
      c.drop(*packet, Drop::flow_unconfirmed);
      continue;
    }
    f.seen = now;
    ++f.packets;
    f.bytes += packet->len;
    send_up(c, *packet, f, s);
  }
}

void down_batch(Core& c, std::span<const RelayPacket> in) {
  State& r = c.relay;
  for (const auto& [packet, flow] : in) {
    BackFlow& b = flow->back;
    ServerLine& s = r.servers[b.server];
    const LocalLine& local = r.locals[b.local];
    if (!b.confirmed) {
      const FlowKey client{b.client, local.local};
      FlowValue* f = c.flows.find(client);
      const Drop why = f == nullptr ? Drop::flow_unknown : note_answer(c, *packet, client, f->relay);
      if (why != Drop::none) {
        c.drop(*packet, why);
        continue;
      }
    }
    ++b.packets;
    packet->remote = b.client;
    packet->local = local.local;
    packet->ifindex = local.ifindex;
    send_down(c, *packet, s);
  }
}

}  // namespace sluice::engine::relay
