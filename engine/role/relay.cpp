// The relay's packet path: straight passes over packets whose flows are known.

#include "engine/role/relay.h"

#include "engine/role/role.h"
#include "engine/role/trunk.h"
#include "engine/role/turn.h"

namespace sluice::engine::relay {
namespace {

bool is_stun(const Packet& p) { return p.kind == static_cast<uint8_t>(wire::PacketClass::stun); }

/// A client that lives speaks to its server every few seconds, RFC 7675 §5.1; longer than that at its
/// longest.
constexpr Micros kSilence = seconds(7);

/// A check on its way to a server that has not answered the client yet.
Drop note_unanswered(Core& c, const Packet& p, const stun::TransactionId& tid, RelayFlow& f) {
  State& r = c.relay;
  if (!r.admission.admit(p.remote.addr, p.len, c.now)) return Drop::rate_limited;
  f.pending = r.tid_hash(tid);
  return Drop::none;
}

enum class Next : uint8_t { pass, drop, anew };
struct Verdict {
  Next next = Next::pass;
  Drop why = Drop::none;
};

/// The ufrag leads to another server than the flow: the address has become another client's, as NATs give out
/// their ports again, or the client has begun another call. Whoever merely writes the client's address on his
/// own check does not end the flow of one who lives.
Verdict on_other_call(const Core& c, const RelayFlow& f) {
  const bool silent = tick_of(c.now) - f.seen > tick_of(kSilence);
  if (f.confirmed && !silent) return {Next::drop, Drop::ufrag_elsewhere};
  return {Next::anew, Drop::none};
}

/// What becomes of a client's STUN message.
Verdict judge(Core& c, const Packet& p, RelayFlow& f) {
  const auto refuse = [](Drop why) { return Verdict{why == Drop::none ? Next::pass : Next::drop, why}; };
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view) return refuse(view.error());
  if (!view->is_binding(stun::Class::request))
    return refuse(f.confirmed ? Drop::none : Drop::flow_unconfirmed);
  const auto routed = ice::route_request(*view, c.keys.keys(), c.expiry_now(), ice::Expiry::report);
  const Target t = target_of(c, *view, routed);
  // A route that has expired meanwhile, or been removed, leaves its flows alone.
  if (t.drop == Drop::none && (t.here || t.server != f.server)) return on_other_call(c, f);
  if (!c.relay.shared->replays.first_from(view->transaction_id(), p.remote))
    return refuse(Drop::stun_replayed);
  return refuse(f.confirmed ? Drop::none : note_unanswered(c, p, view->transaction_id(), f));
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

void pass_up(Core& c, Packet& p, RelayFlow& f) {
  f.seen = tick_of(c.now);
  ++f.packets;
  f.bytes += p.len;
  send_up(c, p, f, c.relay.servers[f.server]);
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
  for (const auto& [packet, flow] : in) {
    RelayFlow& f = flow->relay;
    Verdict v;
    if (is_stun(*packet) && c.turn.on() && answer_if_plain_binding(c, *packet)) continue;
    if (is_stun(*packet))
      v = judge(c, *packet, f);
    else if (!f.confirmed)
      v = {Next::drop, Drop::flow_unconfirmed};
    switch (v.next) {
      case Next::pass:
        pass_up(c, *packet, f);
        break;
      case Next::drop:
        c.drop(*packet, v.why);
        break;
      case Next::anew:
        c.relay.anew.push(*packet);
    }
  }
}

namespace {

/// Whether the client of the session that had the address so far gives no sign of life there.
bool has_left(Core& c, uint32_t session, const Packet& p) {
  const auto speaks = [&](MediaKind kind) {
    const RxTrack& t = c.rx_track(session, kind);
    return t.used && t.codec != 0 && c.now - t.last_rtp <= kSilence;
  };
  const bool checks = c.now - c.agents[session].fresh_at(path_of(p)) <= kSilence;
  return !checks && !speaks(MediaKind::audio) && !speaks(MediaKind::video);
}

}  // namespace

bool first_packet(Core& c, const Packet& p, const stun::View& view, const Routed& routed) {
  const auto refuse = [&](Drop why) {
    c.drop(p, why);
    return true;
  };
  const FlowKey key{p.remote, p.local};
  const FlowValue* known = c.flows.find(key);
  const bool session = known != nullptr && known->is(FlowKind::session) && c.owns(known->session.key);
  if (session && !has_left(c, known->session.key.index, p)) return false;
  const Target t = target_of(c, view, routed);
  // Another packet of the same batch may have made the flow.
  const bool same = known != nullptr && known->is(FlowKind::relay) && known->relay.server == t.server;
  if (t.here || (session && t.drop != Drop::none)) return false;
  if (t.drop != Drop::none) return refuse(t.drop);
  if (session) c.flows.erase(key);
  if (!same) end_flow(c, key);
  if (!c.relay.shared->replays.first_from(view.transaction_id(), p.remote))
    return refuse(Drop::stun_replayed);
  if (const Drop why = same ? Drop::none : make_flow(c, p, t.server); why != Drop::none) return refuse(why);
  RelayFlow& f = c.flows.find(key)->relay;
  if (const Drop why = note_unanswered(c, p, view.transaction_id(), f); why != Drop::none) return refuse(why);
  Packet copy = p;
  pass_up(c, copy, f);
  return true;
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
      // A session of this process may have been given the client's address since.
      const bool known = f != nullptr && f->is(FlowKind::relay);
      const Drop why = known ? note_answer(c, *packet, client, f->relay) : Drop::flow_unknown;
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
