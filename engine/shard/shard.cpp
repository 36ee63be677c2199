#include "engine/shard/shard.h"

#include <algorithm>
#include <bit>
#include <ctime>

#include "engine/role/relay.h"
#include "engine/role/trunk.h"
#include "engine/role/turn_reports.h"
#include "engine/shard/lifecycle.h"
#include "engine/shard/static_memory.h"
#include "net/base/prefetch.h"
#include "net/wire/classify.h"

namespace sluice::engine {
namespace {

constexpr size_t kMessagesPerLoop = 64;

/// RFC 8489 §5: of a STUN message's type, the class bits.
bool is_request(Bytes stun) { return (load_be<uint16_t>(stun.data()) & 0x0110) == 0; }
constexpr Micros kPublishInterval = millis(250);

uint64_t thread_cpu_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

}  // namespace

Shard::Shard(ShardId id, uint32_t shards, const ShardLimits& limits, Directory& directory, ShardPorts ports,
             ice::ShardKeys keys, std::unique_ptr<srtp::Cipher> cipher, crypto::Random seed, Micros now,
             int64_t unix_offset_us)
    : core_(id, shards, limits, directory, std::move(ports), std::move(keys), std::move(cipher), seed, now,
            unix_offset_us),
      publish_at_(now) {}

void Shard::set_backend(std::unique_ptr<io::Backend> backend) {
  backend_ = std::move(backend);
  core_.backend = backend_.get();
}

void Shard::set_foreign(std::unique_ptr<io::ForeignSender> foreign) {
  foreign_ = std::move(foreign);
  core_.foreign = foreign_.get();
}

void Shard::run_once() {
  core_.now = backend_->receive(rx_, wait_until(), core_.drops);
  sleep_.store(Sleep::none, std::memory_order_relaxed);
  ++core_.loops;
  // Packets may have waited since before the first turn; what they are to be done with comes first.
  take_commands();
  process(rx_, false);
  take_peers();
  take_streams();
  take_home();
  take_handshakes(core_);
  fire_timers();
  core_.flush_protect();
  core_.flush_tx();
  ring_bells();
  if (core_.now >= publish_at_) publish();
}

Micros Shard::wait_until() {
  if (busy_poll_) return io::kPoll;
  sleep_.store(core_.short_of_slots() ? Sleep::short_of_slots : Sleep::sound, std::memory_order_relaxed);
  // Pairs with the fence in wake(): either we see what was pushed, or the pusher sees that we sleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return due();
}

Micros Shard::due() const {
  if (inbox_waits()) return io::kPoll;
  // A shard that moved packets publishes soon; one that did not has nothing to say.
  const Micros next = core_.wheel.next_deadline();
  return publish_at_ == kNever ? next : std::min(next, publish_at_);
}

bool Shard::inbox_waits() const {
  const ShardPorts& p = core_.ports;
  if (p.commands->size_approx() > 0 || p.from_handshake->size_approx() > 0) return true;
  if (p.from_streams != nullptr && p.from_streams->size_approx() > 0) return true;
  const auto waits = [](const auto* ring) { return ring->size_approx() > 0; };
  return std::ranges::any_of(p.from_peer, waits) || home_waits();
}

/// A few slots may stay on their way home while there are plenty here: whatever ends the wait takes them.
bool Shard::home_waits() const {
  const bool any = core_.short_of_slots();
  return std::ranges::any_of(core_.ports.home_from_peer, [&](const SpscRing<SlotIndex>* home) {
    return any ? home->size_approx() > 0 : Core::many(*home);
  });
}

void Shard::wake() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleep_.load(std::memory_order_relaxed) != Sleep::none) backend_->wake();
}

void Shard::wake_lender() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleep_.load(std::memory_order_relaxed) == Sleep::short_of_slots) backend_->wake();
}

void Shard::publish_soon() {
  if (publish_at_ == kNever) publish_at_ = core_.now + kPublishInterval;
}

/// Somebody waits for the answer.
void Shard::publish_now() { publish_at_ = core_.now; }

void Shard::process(RxBatch& batch, bool lent) {
  if (batch.empty()) return;
  publish_soon();
  Sorted sorted;
  resolve(batch, lent, sorted);
  turn_down_batch(core_, sorted.turn_down.view());
  turn_up_batch(core_, sorted.turn_up.view());
  // First of those that make and end flows, while the flows that they were found with are there.
  relay::up_batch(core_, sorted.up.view());
  relay::down_batch(core_, sorted.down.view());
  turn_requests(core_, sorted.turn_requests.view());
  for (Packet& p : core_.relay.anew) {
    relay::end_flow(core_, {p.remote, p.local});
    sorted.stun.add(p, Core::kNoSession);
  }
  stun_batch(core_, sorted.stun.view());
  core_.relay.anew.clear();
  if (sorted.stun.n > 0) {
    look_again(sorted.dtls, lent);
    look_again(sorted.media, lent);
  }
  dtls_batch(core_, sorted.dtls.view());
  media_batch(core_, sorted.media.view());
  if (sorted.trunk.n > 0) take_trunk(sorted.trunk.view());
  batch.clear();
  process_inside();
}

/// Once is enough: nothing that arrives so is a TURN client's.
void Shard::process_inside() {
  if (!core_.turn.inside.empty()) process(core_.turn.inside, false);
}

void Shard::take_trunk(std::span<const Packet* const> in) {
  bool to_server = false;
  trunk::Frame f;
  for (const Packet* datagram : in) {
    const auto arrived = open_trunk(core_, *datagram);
    if (!arrived) continue;
    if (arrived->to_server != to_server) deliver_frames(to_server);
    to_server = arrived->to_server;
    trunk::Reader frames(arrived->frames);
    while (frames.next(f)) {
      // A client there would be found in the relays' own datagrams.
      if (core_.trunk.owns(f.local)) {
        core_.count(Drop::trunk_malformed);
        continue;
      }
      if (frames_.full()) deliver_frames(to_server);
      frames_.push(packet_of(core_, *datagram, arrived->peer, f));
    }
    if (!frames.ok()) core_.count(Drop::trunk_malformed);
    core_.release(*datagram);
  }
  deliver_frames(to_server);
}

/// Frames to a server are packets like any other from here on.
void Shard::deliver_frames(bool to_server) {
  to_server ? process(frames_, false) : relay::down_frames(core_, frames_);
}

/// Whose the packet is; nothing if it was handed over.
std::optional<uint32_t> Shard::owner_of(const Packet& p, const FlowValue* flow, bool lent) {
  if (flow == nullptr) return Core::kNoSession;
  // Only once: two shards may each believe that an address is the other's.
  if (flow->is(FlowKind::elsewhere) && !lent) {
    hand_over(core_, p, flow->session.key, flow->session.owner, false);
    return {};
  }
  const bool names_session = flow->is(FlowKind::session) || flow->is(FlowKind::elsewhere);
  return names_session && core_.owns(flow->session.key) ? flow->session.key.index : Core::kNoSession;
}

/// A check of the same batch may have made the flow of what came right behind it.
void Shard::look_again(Sorted::List& list, bool lent) {
  size_t kept = 0;
  for (Routed r : list.view()) {
    if (r.session == Core::kNoSession) {
      const auto owner = owner_of(*r.packet, core_.flows.find(flow_key(*r.packet)), lent);
      if (!owner) continue;
      r.session = *owner;
    }
    list.item[kept++] = r;
  }
  list.n = kept;
}

Shard::TurnBits Shard::turn_bits(RxBatch& batch) const {
  TurnBits bits;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (is_trunk(batch[i].ifindex)) continue;
    if (core_.relay.ports.contains(batch[i].local)) {
      core_.turn.server->prefetch_relay(batch[i].local);
      bits.peers |= uint64_t{1} << i;
    } else if (is_turns(core_, batch[i]) && !core_.trunk.owns(batch[i].local)) {
      bits.clients |= uint64_t{1} << i;
    }
  }
  return bits;
}

void Shard::resolve(RxBatch& batch, bool lent, Sorted& out) {
  std::array<uint64_t, kRxBurst> hash;
  for (Packet& p : batch) p.kind = static_cast<uint8_t>(wire::classify(core_.pool.payload(p)));
  const TurnBits turn = core_.turn.on() ? turn_bits(batch) : TurnBits{};
  const auto is = [](uint64_t bits, size_t i) { return (bits >> i & 1) != 0; };
  const auto key = [&](size_t i) {
    const Packet& p = batch[i];
    return is(turn.clients, i) ? turn_key({p.remote, p.local, p.ifindex}) : flow_key(p);
  };
  for (size_t i = 0; i < batch.size(); ++i) {
    hash[i] = core_.flows.hash(key(i));
    core_.flows.prefetch(hash[i]);
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (is(turn.peers, i)) core_.turn.server->prefetch_owner(batch[i].local);
    core_.flows.prefetch_entry(hash[i]);
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (is(turn.peers, i) && to_allocation(batch[i], out)) continue;
    FlowValue* flow = core_.flows.find(key(i), hash[i]);
    if (is(turn.clients, i))
      resolve_turn(batch[i], flow, lent, out);
    else
      resolve_one(batch[i], flow, lent, out);
  }
}

/// False if the endpoint is no allocation's: a relayed leg's, or nobody's.
bool Shard::to_allocation(Packet& p, Sorted& out) {
  const uint32_t allocation = core_.turn.server->owner_of(p.local);
  if (allocation == turn::kNoAllocation) return false;
  out.turn_down.add(p, allocation);
  return true;
}

void Shard::resolve_turn(Packet& p, FlowValue* flow, bool lent, Sorted& out) {
  using wire::PacketClass;
  const bool stun = p.kind == static_cast<uint8_t>(PacketClass::stun);
  // A request may follow, in this very batch, the one that makes or moves its flow.
  if (stun && is_request(core_.pool.payload(p))) return out.turn_requests.add(p);
  const bool known = flow != nullptr && flow->is(FlowKind::turn);
  if (known && flow->turn.elsewhere && !lent) return turn_hand_over(core_, p, flow->turn);
  if (known && !flow->turn.elsewhere) {
    core_.turn.server->prefetch(flow->turn.allocation);
    return out.turn_up.add(p, flow->turn.allocation);
  }
  const bool turns = stun || p.kind == static_cast<uint8_t>(PacketClass::turn_channel);
  core_.drop(p, turns ? Drop::turn_no_allocation : Drop::unknown_class);
}

void Shard::resolve_one(Packet& p, FlowValue* flow, bool lent, Sorted& out) {
  // What a relay has sent is not relayed again.
  const bool by_trunk = is_trunk(p.ifindex);
  if (flow != nullptr && flow->is(FlowKind::relay) && !by_trunk) {
    out.up.add(p, flow);
  } else if (flow != nullptr && flow->is(FlowKind::back) && !by_trunk) {
    out.down.add(p, flow);
  } else if (flow == nullptr && !by_trunk && core_.trunk.owns(p.local)) {
    out.trunk.item[out.trunk.n++] = &p;
  } else if (flow == nullptr && !by_trunk && core_.relay.ports.contains(p.local)) {
    core_.drop(p, Drop::flow_unknown);
  } else if (const auto owner = owner_of(p, flow, lent)) {
    add_by_class(p, *owner, out);
  }
}

void Shard::add_by_class(Packet& p, uint32_t session, Sorted& out) {
  using wire::PacketClass;
  if (session != Core::kNoSession) prefetch(&core_.hot[session]);
  switch (static_cast<PacketClass>(p.kind)) {
    case PacketClass::stun:
      out.stun.add(p, session);
      break;
    case PacketClass::dtls:
      out.dtls.add(p, session);
      break;
    case PacketClass::rtp:
    case PacketClass::rtcp:
      out.media.add(p, session);
      break;
    case PacketClass::runt:
      core_.drop(p, Drop::runt, session);
      break;
    default:
      core_.drop(p, Drop::unknown_class, session);
  }
}

/// `p`: the message's packet as this shard's own copy, or, where the pool was empty, without a slot.
void Shard::take_from_peer(ShardId from, const PeerMessage& m, Packet& p) {
  using Kind = PeerMessage::Kind;
  if (p.slot == kNoSlot)
    return m.kind == Kind::datagram ? core_.count(Drop::pool_empty) : core_.count_unsent(Drop::pool_empty);
  if (m.kind == Kind::turn_reply) return turn_reply(core_, p, from);
  if (m.kind == Kind::room_rtp) {
    on_room_message(core_, m, &p);
    return core_.release_later(p);
  }
  if (is_trunk(p.ifindex)) {
    const auto peer = adopt_relay(core_, from.v, static_cast<uint16_t>(p.ifindex & ~kTrunkInterface));
    if (!peer) return core_.drop(p, Drop::trunk_full);
    p.ifindex = kTrunkInterface | *peer;
  }
  p.rx_time = core_.now;
  // Whoever answers a TURN client sends the answer back the way that its request came.
  p.aux = m.kind == Kind::datagram ? static_cast<uint16_t>(from.v + 1) : uint16_t{0};
  peer_rx_.push(p);
}

void Shard::take_peers() {
  for (uint32_t other = 0; other < core_.shards; ++other) {
    if (other == core_.id.v) continue;
    const size_t n = core_.ports.from_peer[other]->for_each(kMessagesPerLoop, [&](const PeerMessage& m) {
      if (m.kind == PeerMessage::Kind::key_frame || m.kind == PeerMessage::Kind::room_sr)
        return on_room_message(core_, m, nullptr);
      if (m.kind == PeerMessage::Kind::turn_closed)
        return turn_stream_closed(core_, {m.packet.remote, m.packet.local, m.packet.ifindex});
      Packet p = m.packet;
      p.slot = kNoSlot;
      // Copied and sent home at once: the lender's pool never waits for what is done with the packet here.
      const SlotIndex slot = core_.pool.take();
      if (slot != kNoSlot) {
        const Bytes from = core_.lent_payload(other, m.packet);
        p.slot = slot;
        p.offset = kHeadroom;
        std::copy(from.begin(), from.end(), core_.pool.slot_bytes(slot) + kHeadroom);
      }
      core_.ports.home_to_peer[other]->try_push(m.packet.slot);
      core_.lenders_to_wake |= uint64_t{1} << other;
      take_from_peer(ShardId{static_cast<uint8_t>(other)}, m, p);
    });
    if (n > 0) publish_soon();
    process(peer_rx_, true);
  }
}

void Shard::take_home() {
  for (uint32_t other = 0; other < core_.shards; ++other) {
    SpscRing<SlotIndex>& ring = *core_.ports.home_from_peer[other];
    const size_t n = ring.for_each(ring.capacity(), [&](SlotIndex s) { core_.pool.drop(s); });
    core_.lent_to[other] -= static_cast<uint32_t>(n);
    core_.slots_lent -= static_cast<uint32_t>(n);
  }
}

void Shard::take_commands() {
  const size_t n = core_.ports.commands->for_each(kMessagesPerLoop, [&](const Command& m) {
    switch (m.kind) {
      case Command::Kind::close:
        if (core_.owns(m.session)) return close(core_, m.session.index, m.reason);
        return close_claimed(core_, m.session, m.reason);
      case Command::Kind::forget:
        return forget_handed_over(core_, m.session);
      case Command::Kind::room:
        return update_room(core_, m);
      case Command::Kind::room_closed:
        return close_room(core_, m.room, m.room_gen);
      case Command::Kind::server:
        return relay::put_server(core_, m);
      case Command::Kind::wall_clock:
        return core_.set_wall_clock(m.wall_offset.us);
      case Command::Kind::turn_close:
        return close_allocation(core_, {m.session.index, m.session.gen});
      case Command::Kind::draining:
        if (core_.trunk.on()) core_.trunk.trunk->set_draining(true);
        if (core_.turn.on()) core_.turn.server->set_draining(true);
        draining_ = true;
        return publish_now();
      case Command::Kind::turn_end:
        end_allocations(core_);
        return publish_now();
    }
  });
  if (n > 0) publish_soon();
}

void Shard::fire_timers() {
  std::array<uint32_t, 64> due;
  const size_t n = core_.wheel.advance(core_.now, due);
  if (n > 0) publish_soon();
  for (size_t i = 0; i < n; ++i) {
    if (due[i] < core_.limits.sessions)
      on_timer(core_, due[i]);
    else
      core_.wheel.schedule_no_later(due[i], on_own_timer(due[i]));
  }
}

Micros Shard::on_own_timer(uint32_t node) {
  if (node == core_.relay_timer()) return relay::sweep(core_);
  return node == core_.turn_timer() ? turn_expire(core_) : poll_trunk(core_);
}

void Shard::ring_bells() {
  if (core_.control_bell_due > 0) bells_.control();
  if (core_.handshakes_pushed > 0) bells_.worker();
  if (core_.streams_pushed > 0) bells_.streams();
  for (uint64_t left = core_.peers_to_wake; left != 0; left &= left - 1)
    if (const auto i = static_cast<size_t>(std::countr_zero(left)); i < bells_.peers.size())
      bells_.peers[i]();
  for (uint64_t left = core_.lenders_to_wake; left != 0; left &= left - 1)
    if (const auto i = static_cast<size_t>(std::countr_zero(left)); i < bells_.lenders.size())
      Core::many(*core_.ports.home_to_peer[i]) ? bells_.peers[i]() : bells_.lenders[i]();
  core_.control_bell_due = core_.handshakes_pushed = core_.streams_pushed = 0;
  core_.peers_to_wake = core_.lenders_to_wake = 0;
}

void Shard::publish() {
  ShardReport r;
  r.at = core_.now;
  r.loops = core_.loops;
  r.handed_over = core_.handed_over;
  r.late_allocations = t_allocation_watch.late;
  r.cpu_us = thread_cpu_us();
  r.draining = draining_;
  r.sessions = core_.live_sessions;
  r.flows = core_.flows.size();
  r.pool_capacity = core_.pool.capacity();
  r.pool_free = core_.pool.free();
  r.io = backend_->counters();
  if (foreign_ != nullptr) {
    r.direct_packets = foreign_->counters().tx_packets;
    r.direct_bytes = foreign_->counters().tx_bytes;
    r.io.tx_packets += r.direct_packets;
    r.io.tx_bytes += r.direct_bytes;
    r.io.tx_calls += foreign_->counters().tx_calls;
  }
  r.drops = core_.drops;
  r.unsent = core_.unsent;
  if (core_.relay.on()) {
    r.relay = relay::totals(core_);
    relay::publish_counters(core_);
  }
  r.relay.ports_open = core_.relay.ports.open();
  if (core_.turn.on()) {
    r.turn_without_port = core_.turn.without_port;
    r.turn = core_.turn.server->counters();
    publish_allocations(core_);
  }
  report_.store(r);
  publish_at_ = kNever;
}

bool Shard::conserves_packets() const {
  const uint64_t held =
      uint64_t{backend_->slots_held()} + core_.slots_in_history + core_.slots_in_echo + core_.slots_lent;
  return core_.pool.total_refs() == held;
}

}  // namespace sluice::engine
