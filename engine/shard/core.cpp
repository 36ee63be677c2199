#include "engine/shard/core.h"

#include <cassert>

#include "engine/role/trunk.h"
#include "engine/role/turn.h"
#include "net/base/prefetch.h"
#include "net/crypto/hmac.h"

namespace sluice::engine {
namespace {

constexpr size_t padded(size_t bytes) { return Arena::round_up(bytes); }

template <class T>
constexpr size_t array_bytes(size_t n) {
  return padded(n * sizeof(T));
}

size_t relay_bytes(const ShardLimits& l) {
  if (l.relay.flows == 0) return 0;
  return array_bytes<relay::ServerLine>(l.relay.servers) +
         array_bytes<relay::LocalLine>(relay::Limits::kLocals) +
         array_bytes<ice::Admission::Line>(relay::Limits::kAdmissionLines);
}

size_t trunk_bytes(const TrunkLimits& l) {
  if (l.peers == 0) return 0;
  return array_bytes<trunk::Peer>(l.peers) + array_bytes<trunk::Rx>(l.rx) +
         array_bytes<TrunkState::Out>(l.peers) + array_bytes<TrunkState::Sealed>(l.sealed()) +
         array_bytes<uint16_t>(l.peers) + array_bytes<uint16_t>(l.servers) + array_bytes<uint16_t>(l.peers) +
         array_bytes<TrunkState::Adopted>(size_t{l.shards} * l.peers);
}

/// With a relay two per flow: one for each direction.
uint32_t flow_entries(const ShardLimits& l) { return l.flows + 2 * l.relay.flows + l.turn.flows(); }

constexpr size_t kHistoryPerRoom = kAudioHistory + kVideoHistory;
/// What nobody waits for, such as drops, shows up in a session's report at the latest then.
constexpr Micros kReportSoon = seconds(1);

}  // namespace

size_t Core::bytes_for(const ShardLimits& l) {
  const size_t n = l.sessions;
  return padded(PacketPool::bytes_for(l.pool_slots)) + padded(FlowTable::bytes_for(flow_entries(l))) +
         relay_bytes(l) + padded(l.relay_ports_bytes) + padded(l.turn.bytes()) +
         array_bytes<SeqLocked<TurnReport>>(l.turn.reports()) + trunk_bytes(l.trunk) +
         array_bytes<ice::Admission::Line>(ShardLimits::kAdmissionLines) +
         array_bytes<TimerWheel::Node>(n + kTimers) +
         array_bytes<MemberLists::Chunk>(MemberLists::chunks_for(l.sessions, l.rooms)) +
         array_bytes<SessionHot>(n) + array_bytes<srtp::Inbound>(n) + array_bytes<srtp::Outbound>(n) +
         padded(n * 2 * srtp::kMaxContextBytes) + array_bytes<ice::LiteAgent>(n) +
         array_bytes<RxTrack>(n * kMediaKinds) + array_bytes<TxTrack>(n * kMediaKinds) +
         array_bytes<Feedback>(n) + array_bytes<SessionCold>(n) + array_bytes<EchoLine>(n) +
         array_bytes<HandedOver>(n) + array_bytes<RoomLocal>(l.rooms) +
         array_bytes<rtp::History::Entry>(l.rooms * kHistoryPerRoom) +
         array_bytes<SeqLocked<SessionReport>>(n);
}

Core::Core(ShardId id_, uint32_t shards_, const ShardLimits& limits_, Directory& directory_,
           ShardPorts ports_, ice::ShardKeys keys_, std::unique_ptr<srtp::Cipher> cipher_,
           crypto::Random seed, Micros now_, int64_t unix_offset)
    : id(id_),
      shards(shards_),
      limits(limits_),
      now(now_),
      unix_offset_us(unix_offset),
      wall_offset_us(unix_offset),
      directory(directory_),
      ports(std::move(ports_)),
      keys(std::move(keys_)),
      cipher(std::move(cipher_)),
      random(seed),
      arena(bytes_for(limits_)) {
  const uint32_t n = limits.sessions;
  pool =
      PacketPool(arena.take_hot("packet slots", PacketPool::bytes_for(limits.pool_slots)), limits.pool_slots);
  flows = FlowTable(arena.take_hot("flow table", FlowTable::bytes_for(flow_entries(limits))),
                    flow_entries(limits), random_seed());
  hot = arena.take_hot_zeroed<SessionHot>("sessions, hot", n);
  inbound = arena.take_hot_zeroed<srtp::Inbound>("SRTP receive state", n);
  outbound = arena.take_hot_zeroed<srtp::Outbound>("SRTP send state", n);
  contexts = arena.take_hot("SRTP keys", size_t{n} * 2 * srtp::kMaxContextBytes);
  rx = arena.take_hot_zeroed<RxTrack>("received tracks", n * kMediaKinds);
  tx_tracks = arena.take_hot_zeroed<TxTrack>("sent tracks", n * kMediaKinds);
  admission = ice::Admission(
      arena.take_zeroed<ice::Admission::Line>("admission", ShardLimits::kAdmissionLines), random_seed(), {});
  wheel = TimerWheel(arena.take_zeroed<TimerWheel::Node>("timers", n + kTimers), now);
  members = MemberLists(
      arena.take_zeroed<MemberLists::Chunk>("room members", MemberLists::chunks_for(n, limits.rooms)));
  agents = arena.take_zeroed<ice::LiteAgent>("ICE agents", n);
  feedback = arena.take_zeroed<Feedback>("receiver feedback", n);
  cold = arena.take_zeroed<SessionCold>("sessions, cold", n);
  echo = arena.take_zeroed<EchoLine>("echo lines", n);
  handed = arena.take_zeroed<HandedOver>("handed-over flows", n);
  rooms = arena.take_zeroed<RoomLocal>("rooms", limits.rooms);
  history_memory =
      arena.take_zeroed<rtp::History::Entry>("retransmission histories", limits.rooms * kHistoryPerRoom);
  reports = arena.take_zeroed<SeqLocked<SessionReport>>("published reports", n);
}

Core::~Core() {
  for (uint32_t s = 0; s < hot.size(); ++s) {
    if (hot[s].gen == 0) continue;
    inbound[s].close(*cipher);
    outbound[s].close(*cipher);
    crypto::cleanse({reinterpret_cast<uint8_t*>(&cold[s]), sizeof(SessionCold)});
  }
}

void Core::start_relay(relay::Shared& shared, const RelayRole& role) {
  const relay::Limits& l = limits.relay;
  relay.limits = l;
  relay.shared = &shared;
  relay.media = role.media;
  relay.idle = role.idle;
  relay.seed = random_seed();
  relay.servers = arena.take_zeroed<relay::ServerLine>("servers", l.servers);
  relay.locals = arena.take_zeroed<relay::LocalLine>("public endpoints", relay::Limits::kLocals);
  start_ports(shared.addresses, shared.ports);
  relay.admission = ice::Admission(
      arena.take_zeroed<ice::Admission::Line>("relay admission", relay::Limits::kAdmissionLines),
      random_seed(), {});
}

void Core::start_ports(std::span<const Address> addresses, relay::PortPool& pool_of_all) {
  relay.ports =
      relay::LocalPorts(arena.take("relay ports", limits.relay_ports_bytes), addresses, pool_of_all, id);
}

void Core::start_turn(TurnShared& shared) {
  if (!relay.ports.on()) start_ports(shared.relay_addresses, shared.pool);
  turn.shared = &shared;
  turn.server.emplace(shared.config(id.v, random.view()),
                      arena.take_hot("TURN allocations", limits.turn.bytes()), now);
  turn.reports = arena.take_zeroed<SeqLocked<TurnReport>>("TURN reports", limits.turn.reports());
  turn.server->set_credentials(shared.credentials());
  turn.server->set_policy(shared.policy());
  set_wall_clock(wall_offset_us);
}

void Core::set_wall_clock(int64_t offset_us) {
  wall_offset_us = offset_us;
  if (turn.on()) turn.server->set_unix_time(now, (now.us + offset_us) / 1'000'000);
}

void Core::start_trunk(TrunkRoutes& routes, const TrunkRole& role) {
  const TrunkLimits& l = limits.trunk;
  trunk.routes = &routes;
  trunk.server_at = role.server_at;
  trunk.relay_at = role.relay_at;
  trunk.peers = arena.take_zeroed<trunk::Peer>("trunk peers", l.peers);
  trunk.rx = arena.take_zeroed<trunk::Rx>("trunk replay windows", l.rx);
  trunk.out = arena.take_zeroed<TrunkState::Out>("trunk writers", l.peers);
  trunk.sealed = arena.take_zeroed<TrunkState::Sealed>("trunk datagrams of a batch", l.sealed());
  trunk.active = arena.take_zeroed<uint16_t>("trunk peers of a batch", l.peers);
  trunk.of_server = arena.take_zeroed<uint16_t>("trunk peers of servers", l.servers);
  trunk.server_of = arena.take_zeroed<uint16_t>("servers of trunk peers", l.peers);
  trunk.adopted =
      arena.take_zeroed<TrunkState::Adopted>("relays of other shards", size_t{l.shards} * l.peers);
  std::ranges::fill(trunk.out, TrunkState::Out{});
  trunk.gmac = std::move(
      *crypto::GmacKeys::make(crypto::GmacKeys::Kind::automatic, trunk::Trunk::gmac_places(l.peers, l.rx)));
  const trunk::Config config{.id = name_on_trunk(node),
                             .shard = id.v,
                             .shards = static_cast<uint8_t>(shards),
                             // Who comes back is known as soon as who goes.
                             .hello_interval_down = millis(50)};
  trunk.trunk.emplace(config, trunk::Trunk::Memory{trunk.peers, trunk.rx}, crypto::kPrimitives,
                      trunk.gmac->view(), random.view());
  trunk.trunk->set_key(TrunkLimits::kKeyId, role.key);
}

HashSeed Core::random_seed() {
  const uint64_t k0 = random.view().u64();
  return {k0, random.view().u64()};
}

SlotIndex Core::take_slot() {
  const SlotIndex s = pool.take();
  if (s == kNoSlot) count_unsent(Drop::pool_empty);
  return s;
}

void Core::count(Drop why, uint32_t session) {
  drops.add(why);
  charge(session, why);
}

void Core::count_unsent(Drop why, uint32_t session) {
  unsent.add(why);
  charge(session, why);
}

void Core::charge(uint32_t session, Drop why) {
  if (session == kNoSession) return;
  ++cold[session].drops[static_cast<size_t>(why)];
  report_soon(session);
}

void Core::report_soon(uint32_t session) {
  if (hot[session].report_due || hot[session].gen == 0) return;
  hot[session].report_due = true;
  wake_at(session, now + kReportSoon);
}

void Core::drop(const Packet& p, Drop why, uint32_t session) {
  count(why, session);
  pool.drop(p.slot);
}

void Core::drop_unsent(const Packet& p, Drop why, uint32_t session) {
  count_unsent(why, session);
  pool.drop(p.slot);
}

void Core::flush_tx() {
  flush_frames(*this);
  if (!tx.empty()) backend->send(tx, unsent);
  if (!direct.empty()) foreign->send(direct, unsent);
}

void Core::to_stream(const Packet& p) {
  const bool fits = ports.to_streams != nullptr && ports.to_streams->try_emplace([&](slow::ToStream& m) {
    m.set_datagram(slow::StreamId(p.ifindex), pool.payload(p));
  });
  if (!fits) return drop_unsent(p, Drop::ring_full);
  ++streams_pushed;
  pool.drop(p.slot);
}

void Core::close_stream(uint32_t ifindex) {
  if (ports.to_streams == nullptr) return;
  const slow::StreamId which(ifindex);
  if (ports.to_streams->try_emplace([&](slow::ToStream& m) { m.set_close(which); })) ++streams_pushed;
}

void Core::transmit(const Packet& p) {
  if (is_virtual(p.ifindex)) [[unlikely]]
    return transmit_virtual(p);
  to_socket(p);
}

void Core::to_socket(const Packet& p) {
  // Frames go on collecting: a batch may be longer than what is sent at once.
  if (tx.full()) backend->send(tx, unsent);
  tx.push(p);
}

void Core::transmit_virtual(const Packet& p) {
  if (is_trunk(p.ifindex)) return transmit_by_trunk(*this, p);
  if (is_inside(p.ifindex)) return transmit_inside(*this, p);
  if (is_stream(p.ifindex)) return to_stream(p);
  drop_unsent(p, Drop::tx_no_route);
}

void Core::transmit_to(const ice::PathAddress& to, SlotIndex slot, size_t len, uint32_t session) {
  Packet p;
  p.slot = slot;
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(len);
  p.remote = to.remote;
  p.local = to.local;
  p.ifindex = to.ifindex;
  transmit(p);
  if (session == kNoSession) return;
  ++hot[session].tx_packets;
  hot[session].tx_bytes += len;
}

void Core::transmit_direct(const ice::PathAddress& to, SlotIndex slot, size_t len, uint32_t session) {
  if (len > io::max_foreign_payload(to.remote.is_v4())) return transmit_to(to, slot, len, session);
  if (direct.full()) foreign->send(direct, unsent);
  Packet& p = direct.push();
  p.slot = slot;
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(len);
  p.remote = to.remote;
  p.local = to.local;
  ++hot[session].tx_packets;
  hot[session].tx_bytes += len;
}

void Core::protect(uint32_t session, SlotIndex slot, uint16_t header_len, Bytes payload, bool rtcp) {
  // Not flush_protect(): the packet in hand may have been put down for release already.
  if (queue.n == ProtectQueue::kCapacity) protect_queued();
  const size_t i = queue.n++;
  srtp::TxJob& j = queue.job[i];
  j = srtp::TxJob{};
  j.out = &outbound[session];
  j.dst = pool.slot_bytes(slot) + kHeadroom;
  j.header_len = header_len;
  j.payload = payload.data();
  j.payload_len = static_cast<uint16_t>(payload.size());
  j.rtcp = rtcp;
  queue.packet[i].slot = slot;
  queue.session[i] = session;
}

void Core::release_later(const Packet& p) {
  if (queue.sources_n == ProtectQueue::kCapacity) flush_protect();
  queue.source[queue.sources_n++] = p.slot;
}

void Core::prefetch_player(uint32_t session) const {
  const auto lines = [](const void* at, size_t bytes) {
    for (size_t line = 0; line < bytes; line += 64) prefetch(static_cast<const std::byte*>(at) + line);
  };
  lines(&tx_tracks[session * kMediaKinds], sizeof(TxTrack));
  lines(&outbound[session], sizeof(srtp::Outbound));
  lines(&hot[session], sizeof(SessionHot));
}

void Core::flush_protect() {
  protect_queued();
  for (size_t i = 0; i < queue.sources_n; ++i) pool.drop(queue.source[i]);
  queue.sources_n = 0;
}

void Core::protect_queued() {
  if (queue.n == 0) return;
  srtp::protect(*cipher, {queue.job.data(), queue.n});
  for (size_t i = 0; i < queue.n; ++i) {
    const uint32_t session = queue.session[i];
    if (queue.job[i].result != Drop::none) {
      drop_unsent(queue.packet[i], queue.job[i].result, session);
      continue;
    }
    const auto send = hot[session].direct ? &Core::transmit_direct : &Core::transmit_to;
    (this->*send)(hot[session].path, queue.packet[i].slot, queue.job[i].out_len, session);
  }
  queue.n = 0;
}

void Core::notice(const Notice& n) {
  // What only informs may be lost; the rest fits by construction: see LinkSizes::notices.
  const bool optional = n.kind == Notice::Kind::moved || n.kind == Notice::Kind::steer;
  if (optional && ports.notices->size_approx() >= ports.notices->capacity() / 4) return;
  [[maybe_unused]] const bool pushed = ports.notices->try_push(n);
  assert(pushed || optional);
  ++control_bell_due;
}

bool Core::lend(ShardId to, const PeerMessage& m) {
  // No more than its way home holds, so that the borrower can always give back.
  if (lent_to[to.v] == ports.home_from_peer[to.v]->capacity() || !ports.to_peer[to.v]->try_push(m)) {
    m.kind == PeerMessage::Kind::datagram ? drop(m.packet, Drop::ring_full)
                                          : drop_unsent(m.packet, Drop::ring_full);
    return false;
  }
  ++slots_lent;
  ++lent_to[to.v];
  peers_to_wake |= uint64_t{1} << to.v;
  return true;
}

}  // namespace sluice::engine
