#include "engine/shard/lifecycle.h"

#include <algorithm>
#include <memory>

#include "engine/role/relay.h"
#include "engine/role/role.h"
#include "net/rtcp/builder.h"

namespace sluice::engine {
namespace {

constexpr Micros kMoveNoticeInterval = millis(100);

void open_tracks(Core& c, uint32_t session, const SessionSpec& spec) {
  for (size_t k = 0; k < kMediaKinds; ++k) {
    const TrackSpec& t = spec.track[k];
    RxTrack& rx = c.rx_track(session, static_cast<MediaKind>(k));
    TxTrack& tx = c.tx_track(session, static_cast<MediaKind>(k));
    std::construct_at(&rx);
    std::construct_at(&tx);
    if (!t.used) continue;
    rx.used = t.receive;
    rx.transport_cc = t.transport_cc;
    rx.nack = t.nack;
    rx.payloads = t.payloads;
    rx.payloads_n = t.payloads_n;
    rx.clock_rate = t.clock_rate;
    rx.ext = t.ext;
    tx.used = t.send;
    tx.nack = t.send && t.nack;
    tx.pt.fill(0xff);
    for (size_t codec = 0; codec < tx.pt.size(); ++codec) tx.pt[codec] = t.pt_of(static_cast<uint8_t>(codec));
    tx.mid = t.mid;
    tx.mid_id = t.ext.id(rtp::ExtKind::mid);
    tx.level_id = t.ext.id(rtp::ExtKind::audio_level);
    tx.orientation_id = t.ext.id(rtp::ExtKind::video_orientation);
    const uint32_t frame = t.clock_rate / (k == 0 ? 50 : 30);
    // Drawn in order: the simulator's seeds mean the same under every compiler.
    const SeqNo first_seq{static_cast<uint16_t>(c.random.view().u32() & 0x7fff)};
    const RtpTime first_time{c.random.view().u32()};
    tx.splice = rtp::Splice(t.clock_rate, frame, first_seq, first_time);
    tx.stats = rtp::SenderStats(t.tx_ssrc, t.clock_rate);
  }
}

/// A client may have given the address to another session since.
void forget_flow(Core& c, uint32_t session, const ice::PathAddress& path) {
  const FlowKey key = flow_key(path.remote, path.local, path.ifindex);
  const FlowValue* v = c.flows.find(key);
  if (v != nullptr && v->is(FlowKind::session) && v->session.key == c.key_of(session)) c.flows.erase(key);
}

const RemoteCredentials* credentials_of(const SessionCold& cold, uint8_t generation,
                                        RemoteCredentials& scratch) {
  if (cold.spec.ice_generation != generation) {
    return cold.previous.generation == generation && cold.previous.ufrag.len != 0 ? &cold.previous : nullptr;
  }
  scratch.ufrag = cold.spec.remote_ufrag;
  scratch.pwd = cold.spec.remote_pwd;
  return &scratch;
}

/// Whether media may leave for the client itself, as from the relay that it came by: only to where the
/// session has proven that its client is, so that nobody has others' addresses flooded in the relay's name.
bool goes_direct(const Core& c, const ice::LiteAgent& agent, const ice::PathAddress& path) {
  if (c.foreign == nullptr || !is_trunk(path.ifindex) || !agent.selected_proven()) return false;
  const bool routable = !path.remote.addr.is_link_local() && !path.local.addr.is_link_local();
  return routable && !path.local.addr.is_unspecified() && path.local.port != 0 &&
         path.local.is_v4() == path.remote.is_v4();
}

void tell(Core& c, uint32_t session, Notice::Kind kind, CloseReason reason = CloseReason::none) {
  const ice::PathAddress& path = c.hot[session].path;
  Notice n;
  n.kind = kind;
  n.reason = reason;
  n.session = c.key_of(session);
  n.time = c.now;
  n.remote = path.remote;
  n.local = path.local;
  c.notice(n);
}

/// A client with two paths may move with every packet, and each notice is work for the control thread.
void tell_moved(Core& c, uint32_t session) {
  SessionCold& cold = c.cold[session];
  if (c.now - cold.move_told < kMoveNoticeInterval) return c.report_soon(session);
  cold.move_told = c.now;
  tell(c, session, Notice::Kind::moved);
  publish_report(c, session);
}

void send_challenge(Core& c, uint32_t session, const ice::Challenge& ch) {
  const SessionCold& cold = c.cold[session];
  RemoteCredentials scratch;
  const RemoteCredentials* remote = credentials_of(cold, ch.generation, scratch);
  if (remote == nullptr) return;
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  const MutBytes out(c.pool.slot_bytes(slot) + kHeadroom, kMaxDatagram);
  const size_t n = ice::write_challenge(out, ch.tid, remote->ufrag.view(), cold.spec.local_ufrag.view(),
                                        remote->pwd.view(), c.keys.keys().crypto);
  if (n == 0) return c.pool.drop(slot);
  c.transmit_to(ch.to, slot, n, session);
}

void leave_room(Core& c, uint32_t session) {
  const SessionHot& h = c.hot[session];
  RoomLocal* room = c.room_of(h.room, h.room_gen);
  if (room == nullptr) return;
  if (h.role == Role::play && c.members.remove(room->players, session))
    for (const MediaKind k : kBothKinds)
      if (c.tx_track(session, k).nack) --room->nack_players[static_cast<size_t>(k)];
  if (room->publisher == c.key_of(session)) room->publisher = {};
}

void drop_echo(Core& c, uint32_t session) {
  EchoLine& line = c.echo[session];
  for (; line.n > 0; line.pop()) {
    c.pool.drop(line.front().slot);
    --c.slots_in_echo;
  }
}

/// RFC 3550 §6.6: whoever sent media says that it ends.
void send_bye(Core& c, uint32_t session) {
  std::array<Ssrc, kMediaKinds> sources;
  size_t n = 0;
  for (const MediaKind k : kBothKinds)
    if (const TxTrack& t = c.tx_track(session, k); t.used && t.stats.packets() > 0)
      sources[n++] = t.stats.ssrc();
  const SlotIndex slot = n > 0 ? c.take_slot() : kNoSlot;
  if (slot == kNoSlot) return;
  rtcp::Builder out({c.pool.slot_bytes(slot) + kHeadroom, 256});
  // RFC 3550 §6.1: a compound packet begins with a report, even an empty one.
  out.receiver_report(sources[0], {});
  out.sdes_cname(sources[0], c.cold[session].spec.cname.view());
  out.bye({sources.data(), n});
  c.protect(session, slot, 8, out.written().subspan(8), true);
  c.flush_protect();
}

void say_goodbye(Core& c, uint32_t session) {
  const SessionCold& cold = c.cold[session];
  if (cold.close_notify.len == 0 || c.agents[session].consent_lost()) return;
  send_bye(c, session);
  const SlotIndex slot = c.take_slot();
  if (slot == kNoSlot) return;
  const auto notify = as_bytes(cold.close_notify.view());
  std::copy(notify.begin(), notify.end(), c.pool.slot_bytes(slot) + kHeadroom);
  c.transmit_to(c.hot[session].path, slot, notify.size(), session);
}

void schedule(Core& c, uint32_t session) {
  const SessionCold& cold = c.cold[session];
  Micros at = std::min({c.agents[session].deadline(), cold.next_report, cold.next_twcc, cold.next_nack});
  at = std::min(at, c.rx_track(session, MediaKind::video).key_frame_due());
  if (c.echo[session].n > 0) at = std::min(at, c.echo[session].front().due);
  c.wheel.schedule(session, at);
}

}  // namespace

bool adopt(Core& c, SessionKey key) {
  const uint32_t s = key.index;
  SessionCold& cold = c.cold[s];
  std::construct_at(&cold);
  if (!c.directory.read(key, cold.spec)) return false;
  const SessionSpec& spec = cold.spec;
  SessionHot& h = c.hot[s];
  std::construct_at(&h);
  h.gen = key.gen;
  h.phase = Phase::checking;
  h.role = spec.role;
  h.room = spec.room;
  h.room_gen = spec.room_gen;
  std::construct_at(&c.inbound[s]);
  std::construct_at(&c.outbound[s]);
  c.agents[s] = ice::LiteAgent(spec.ice_generation, spec.remote_ufrag.len);
  c.echo[s].head = c.echo[s].n = 0;
  open_tracks(c, s, spec);
  if (c.rx_track(s, MediaKind::video).used || c.rx_track(s, MediaKind::audio).transport_cc)
    std::construct_at(&c.feedback[s]);
  ++c.live_sessions;
  return true;
}

bool remember_flow(Core& c, uint32_t session, const ice::PathAddress& path) {
  const FlowKey key = flow_key(path.remote, path.local, path.ifindex);
  const uint64_t hash = c.flows.hash(key);
  if (const FlowValue* before = c.flows.find(key, hash); before != nullptr && before->is(FlowKind::relay))
    relay::end_flow(c, key);
  FlowValue v;
  v.session = {.kind = FlowKind::session, .owner = c.id, .key = c.key_of(session)};
  return c.flows.insert(key, hash, v) != nullptr;
}

void apply(Core& c, uint32_t session, const ice::Actions& a) {
  SessionHot& h = c.hot[session];
  for (size_t i = 0; i < a.forgotten_count; ++i) forget_flow(c, session, a.forgotten[i]);
  for (size_t i = 0; i < a.challenge_count; ++i) send_challenge(c, session, a.challenges[i]);
  if (a.consent_lost)
    return close(c, session,
                 c.agents[session].consent_shortened() ? CloseReason::peer : CloseReason::consent);
  const ice::LiteAgent& agent = c.agents[session];
  if (const ice::PathAddress* selected = agent.selected()) h.path = *selected;
  h.path_settled = agent.settled_on(h.path);
  h.direct = goes_direct(c, agent, h.path);
  if (a.first_check) {
    c.cold[session].first_check_at = c.now;
    tell(c, session, Notice::Kind::checking);
    publish_report(c, session);
  } else if (a.moved) {
    tell_moved(c, session);
  }
  c.wake_at(session, agent.deadline());
}

void authentic(Core& c, uint32_t session, const ice::PathAddress& from, bool newest) {
  const SessionHot& h = c.hot[session];
  if (h.path_settled && from.same_path(h.path) && same_leg(from.ifindex, h.path.ifindex)) [[likely]]
    return;
  apply(c, session, c.agents[session].proven_by_media(from, newest, c.now));
}

void connect(Core& c, uint32_t session) {
  SessionHot& h = c.hot[session];
  SessionCold& cold = c.cold[session];
  h.phase = Phase::connected;
  cold.dtls_done_at = c.now;
  if (h.role == Role::play) join_room(c, session);
  tell(c, session, Notice::Kind::connected);
  publish_report(c, session);
}

void close(Core& c, uint32_t session, CloseReason reason) {
  SessionHot& h = c.hot[session];
  const SessionKey key = c.key_of(session);
  // Jobs that wait for protection use the keys that are about to be cleansed.
  c.flush_protect();
  say_goodbye(c, session);
  SessionCold& cold = c.cold[session];
  if (cold.dtls_started && !cold.keys_exported) {
    c.handshake_message.set_close(key.packed());
    if (c.ports.to_handshake->try_push(c.handshake_message)) ++c.handshakes_pushed;
  }
  leave_room(c, session);
  drop_echo(c, session);
  c.agents[session].for_each_path([&](const ice::PathAddress& p) {
    forget_flow(c, session, p);
    if (is_stream(p.ifindex)) c.close_stream(p.ifindex);
  });
  c.wheel.cancel(session);
  publish_report(c, session, reason);
  c.inbound[session].close(*c.cipher);
  c.outbound[session].close(*c.cipher);
  std::construct_at(&cold);
  cold.ended_gen = key.gen;
  tell(c, session, Notice::Kind::closed, reason);
  h.gen = 0;
  h.phase = Phase::absent;
  --c.live_sessions;
}

void close_claimed(Core& c, SessionKey key, CloseReason reason) {
  SessionCold& cold = c.cold[key.index];
  if (c.hot[key.index].gen != 0 || cold.ended_gen == key.gen) return;
  cold.ended_gen = key.gen;
  Notice n;
  n.kind = Notice::Kind::closed;
  n.reason = reason;
  n.session = key;
  n.time = c.now;
  c.notice(n);
}

void on_timer(Core& c, uint32_t session) {
  SessionHot& h = c.hot[session];
  if (h.phase == Phase::absent) return;
  const SessionKey key = c.key_of(session);
  if (c.agents[session].deadline() <= c.now) {
    apply(c, session, c.agents[session].timeout(c.now));
    if (!c.owns(key)) return;
  }
  if (h.phase == Phase::connected) {
    play_echo(c, session);
    send_due_feedback(c, session);
    send_due_reports(c, session);
  }
  if (h.report_due) publish_report(c, session);
  schedule(c, session);
}

}  // namespace sluice::engine
