// STUN on the shared port: checks of known and unknown sessions, answers to our challenges.

#include <algorithm>

#include "engine/role/relay.h"
#include "engine/role/role.h"
#include "engine/role/turn.h"
#include "engine/shard/lifecycle.h"

namespace sluice::engine {
namespace {

/// What an unproven address may make us spend on one check: about the price of its HMACs, in bytes.
constexpr uint32_t kCheckCost = 200;

void reply(Core& c, const Packet& to, uint32_t session, const ice::CheckedRequest& rq) {
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  const MutBytes out(c.pool.slot_bytes(slot) + kHeadroom, kMaxDatagram);
  const auto& crypto = c.keys.keys().crypto;
  const size_t n =
      rq.error != 0 ? ice::write_error(out, rq, crypto) : ice::write_success(out, rq, to.remote, crypto);
  if (n == 0) return c.pool.drop(slot);
  c.transmit_to(path_of(to), slot, n, session);
}

/// The ufrag names a newer ICE generation than the agent knows: the control thread has restarted ICE.
void take_restart(Core& c, uint32_t session, uint8_t generation) {
  SessionCold& cold = c.cold[session];
  SessionSpec spec;
  if (!c.directory.read(c.key_of(session), spec) || spec.ice_generation != generation) return;
  cold.previous.generation = cold.spec.ice_generation;
  cold.previous.ufrag = cold.spec.remote_ufrag;
  cold.previous.pwd = cold.spec.remote_pwd;
  cold.spec = spec;
  c.agents[session].restart(generation, spec.remote_ufrag.len);
}

void on_check(Core& c, const Packet& p, uint32_t session, const ice::CheckedRequest& rq) {
  SessionHot& h = c.hot[session];
  ++h.rx_packets;
  h.rx_bytes += p.len;
  if (rq.error != 0) {
    reply(c, p, session, rq);
    return c.release(p);
  }
  if (rq.ufrag.ice_generation != c.agents[session].generation())
    take_restart(c, session, rq.ufrag.ice_generation);
  const ice::PathAddress from = path_of(p);
  const ice::Actions actions = c.agents[session].check(rq, from, c.random.view(), c.now);
  if (actions.drop != Drop::none) return c.drop(p, actions.drop, session);
  // A known path too: another session may have used the address since.
  remember_flow(c, session, from);
  if (actions.respond) reply(c, p, session, rq);
  apply(c, session, actions);
  c.release(p);
}

/// A check that authenticated but whose session this shard does not have.
void on_foreign_check(Core& c, const Packet& p, SessionKey key, const ice::CheckedRequest& rq) {
  if (relay::ServerId{rq.ufrag.region, rq.ufrag.node} != c.node) return c.drop(p, Drop::ufrag_elsewhere);
  if (rq.expired) return c.drop(p, Drop::ufrag_expired);
  if (rq.error != 0) {
    // It changes nothing, so whoever receives it may answer; nothing is taken up for its sake.
    reply(c, p, Core::kNoSession, rq);
    return c.release(p);
  }
  const Directory::Owner owner = c.directory.claim(key, c.id);
  switch (owner.claim) {
    case Directory::Claim::gone:
      return c.drop(p, Drop::ufrag_gone);
    case Directory::Claim::other:
      return hand_over(c, p, key, owner.shard, true);
    case Directory::Claim::mine:
      // A session that ended here a moment ago is still ours in the directory until the control thread hears
      // of it.
      if (c.cold[key.index].ended_gen == key.gen || !adopt(c, key)) return c.drop(p, Drop::ufrag_gone);
      return on_check(c, p, key.index, rq);
  }
}

void on_request(Core& c, const Packet& p, uint32_t session, const stun::View& view) {
  // What comes next could not be told apart without RFC 4571's lengths.
  if (is_turn_stream(p.ifindex) && view.username()) return c.drop(p, Drop::stun_unsupported, session);
  if (c.turn.on() && !view.username()) return answer_binding(c, p, view);
  const auto routed = ice::route_request(view, c.keys.keys(), c.expiry_now(), ice::Expiry::report);
  // What a relay has sent is not relayed again, and to no server behind this relay goes a stream.
  const bool may_relay = c.relay.on() && !is_trunk(p.ifindex) && !is_stream(p.ifindex);
  if (may_relay && relay::first_packet(c, p, view, routed)) return;
  if (!routed) return c.drop(p, routed.error(), session);
  // Opening the ufrag costs one AES block and forging one is hopeless, so only what opens draws on the
  // budget.
  const bool proven = session != Core::kNoSession && c.agents[session].is_proven(path_of(p));
  if (!proven && !c.admission.admit(p.remote.addr, kCheckCost, c.now))
    return c.drop(p, Drop::rate_limited, session);
  const auto rq = ice::authenticate(view, c.keys.keys(), *routed);
  if (!rq) return c.drop(p, rq.error(), session);
  const SessionKey key{rq->ufrag.session_index, rq->ufrag.session_gen};
  if (c.owns(key)) return on_check(c, p, key.index, *rq);
  on_foreign_check(c, p, key, *rq);
}

void on_response(Core& c, const Packet& p, uint32_t session, const stun::View& view) {
  if (session == Core::kNoSession) return c.drop(p, Drop::stun_unexpected_response);
  ice::LiteAgent& agent = c.agents[session];
  const auto generation = agent.awaits(view.transaction_id());
  if (!generation) return c.drop(p, Drop::stun_unexpected_response, session);
  const SessionCold& cold = c.cold[session];
  const bool current = cold.spec.ice_generation == *generation;
  const auto pwd = current ? cold.spec.remote_pwd.view() : cold.previous.pwd.view();
  const auto tid = ice::check_response(view, c.keys.keys().crypto, pwd);
  if (!tid) return c.drop(p, tid.error(), session);
  const ice::Actions actions = agent.response(*tid, path_of(p), c.now);
  if (actions.drop != Drop::none) return c.drop(p, actions.drop, session);
  apply(c, session, actions);
  c.release(p);
}

void on_stun(Core& c, const Packet& p, uint32_t session) {
  const auto view = stun::View::parse(c.pool.payload(p));
  if (!view) return c.drop(p, view.error(), session);
  if (view->is_binding(stun::Class::request)) return on_request(c, p, session, *view);
  if (view->is_binding(stun::Class::success) || view->is_binding(stun::Class::error))
    return on_response(c, p, session, *view);
  // RFC 8445 §11: indications keep NAT bindings alive and want no answer.
  if (view->is_binding(stun::Class::indication) && session != Core::kNoSession) return c.release(p);
  c.drop(p, Drop::stun_unsupported, session);
}

/// Forgets the `n` oldest addresses of a session that another shard owns.
void forget_elsewhere(Core& c, SessionKey session, uint32_t n) {
  HandedOver& h = c.handed[session.index];
  for (uint32_t i = 0; i < n; ++i) {
    const FlowValue* v = c.flows.find(h.flow[i]);
    // The address may be another session's by now.
    if (v != nullptr && v->is(FlowKind::elsewhere) && v->session.key == session) c.flows.erase(h.flow[i]);
  }
  h.n -= n;
  std::copy_n(h.flow.begin() + n, h.n, h.flow.begin());
}

/// True if the address is new.
bool remember_elsewhere(Core& c, const FlowKey& key, SessionKey session, ShardId to) {
  HandedOver& h = c.handed[session.index];
  if (h.gen != session.gen) {
    forget_elsewhere(c, {session.index, h.gen}, h.n);
    h.gen = session.gen;
  }
  const auto end = h.flow.begin() + h.n;
  const bool known = std::find(h.flow.begin(), end, key) != end;
  if (!known && h.n == HandedOver::kMax) {
    if (c.now - h.newest_at < HandedOver::kReplaceInterval) return false;
    forget_elsewhere(c, session, 1);
  }
  relay::end_flow(c, key);
  FlowValue v;
  v.session = {.kind = FlowKind::elsewhere, .owner = to, .key = session};
  if (c.flows.insert(key, v) == nullptr || known) return false;
  h.flow[h.n++] = key;
  h.newest_at = c.now;
  return true;
}

}  // namespace

void stun_batch(Core& c, std::span<const Routed> in) {
  for (const Routed& r : in) {
    // An earlier packet of the batch may have made or ended the session.
    const uint32_t session =
        r.session != Core::kNoSession && c.hot[r.session].gen == 0 ? Core::kNoSession : r.session;
    on_stun(c, *r.packet, session);
  }
}

void hand_over(Core& c, const Packet& p, SessionKey session, ShardId to, bool authenticated) {
  const bool learnt = authenticated && remember_elsewhere(c, flow_key(p), session, to);
  // Only what the kernel delivers can it deliver elsewhere.
  if (learnt && !is_virtual(p.ifindex)) {
    Notice n;
    n.kind = Notice::Kind::steer;
    n.owner = to;
    n.session = session;
    n.time = c.now;
    n.remote = p.remote;
    n.local = p.local;
    c.notice(n);
  }
  PeerMessage m;
  m.kind = PeerMessage::Kind::datagram;
  m.session = session;
  m.packet = p;
  if (c.lend(to, m)) ++c.handed_over;
}

void forget_handed_over(Core& c, SessionKey session) {
  HandedOver& h = c.handed[session.index];
  if (h.gen == session.gen) forget_elsewhere(c, {session.index, h.gen}, h.n);
}

}  // namespace sluice::engine
