#include "engine/engine.h"

#include <bit>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "engine/relay/keys.h"
#include "engine/shard/shard.h"
#include "engine/sluice.h"

namespace sluice::engine {
namespace {

/// Messages under way between a shard and the streams worker, each way.
constexpr uint32_t kStreamRing = 1024;

uint32_t derived_pool_slots(const EngineConfig& c) { return c.backend_slots + 8 * c.max_sessions; }

/// Relays' shards, or servers, and what other shards of this process hear of such.
constexpr uint32_t kTrunkPeers = 512;

Failure no_relay() {
  return {SLUICE_E_UNSUPPORTED, "role", "this process is no relay", "run it with --role relay or both"};
}

Failure io_failure(std::string field, const io::IoError& e) {
  return {SLUICE_E_IO, std::move(field), e.message, e.fix};
}

}  // namespace

Engine::Engine(EngineConfig config, dtls::Context context, crypto::Random random, int64_t unix_offset_us)
    : config_(std::move(config)),
      dtls_(std::move(context)),
      random_(random),
      directory_(config_.max_sessions),
      registry_(config_.max_sessions),
      rooms_(config_.max_rooms),
      outbox_(config_.shards),
      unix_offset_us_(unix_offset_us),
      wall_offset_us_(unix_offset_us) {}

Engine::~Engine() {
  relay::wipe(config_.turn);
  for (relay::FleetKey& k : fleet_keys_) {
    crypto::cleanse(k.route);
    if (k.ice) crypto::cleanse(*k.ice);
  }
}

std::expected<std::unique_ptr<Engine>, Failure> Engine::make(EngineConfig config, dtls::Context context,
                                                             crypto::Random random,
                                                             const MakeBackend& backend, Micros now,
                                                             int64_t unix_offset_us) {
  std::unique_ptr<Engine> e(new Engine(std::move(config), std::move(context), random, unix_offset_us));
  if (auto built = e->build(backend, now); !built) return std::unexpected(built.error());
  return e;
}

void Engine::add_keys() {
  fleet_keys_ = std::exchange(config_.keys, {});
  if (fleet_keys_.empty()) {
    relay::FleetKey own;
    random_.fill(own.route);
    random_.fill(own.ice.emplace());
    fleet_keys_.push_back(own);
  }
  keys_ = shard_keys();
}

ice::ShardKeys Engine::shard_keys() const {
  ice::ShardKeys keys;
  for (const relay::FleetKey& k : fleet_keys_) {
    keys.add_route_key(k.id, k.route);
    if (k.ice) keys.add_ice_key(k.id, *k.ice);
  }
  return keys;
}

ShardLimits Engine::limits() const {
  ShardLimits l;
  // Where no call ends, what sessions would need is not even address space.
  l.sessions = config_.media ? config_.max_sessions : 1;
  l.rooms = config_.media ? config_.max_rooms : 1;
  // Every path that a session may have here, and every address that it may be handed over from.
  l.flows = (ice::kMaxPaths + HandedOver::kMax) * l.sessions;
  l.pool_slots = config_.pool_slots != 0 ? config_.pool_slots : derived_pool_slots(config_);
  if (turn_ != nullptr) l.turn = turn_->limits();
  if (config_.relay.on || turn_ != nullptr)
    l.relay_ports_bytes = relay::LocalPorts::bytes_for(config_.relay.addresses.size(), config_.relay.ports);
  if (config_.trunk.on())
    l.trunk = {.peers = kTrunkPeers,
               .rx = 2 * kTrunkPeers,
               .servers = config_.relay.on ? config_.relay.max_servers : 0,
               .shards = config_.shards};
  if (!config_.relay.on) return l;
  // The kernel's hash spreads clients unevenly, the less so the more there are.
  const uint64_t share =
      uint64_t{config_.relay.max_flows} * (config_.shards > 1 ? 5 : 4) / 4 / config_.shards;
  l.relay.flows = std::max(static_cast<uint32_t>(share), 1U);
  l.relay.servers = config_.relay.max_servers;
  return l;
}

std::expected<void, Failure> Engine::build(const MakeBackend& backend, Micros now) {
  add_keys();
  make_relay(now);
  if (auto made = make_turn(); !made) return made;
  LinkSizes sizes;
  sizes.notices = 4 * config_.max_sessions;
  sizes.peer = config_.peer_ring;
  sizes.handshake = config_.handshake_ring;
  sizes.streams = config_.max_streams > 0 ? kStreamRing : 0;
  links_ = std::make_unique<ShardLinks>(config_.shards, sizes);
  std::vector<slow::HandshakePort> ports;
  for (uint32_t s = 0; s < config_.shards; ++s) {
    const ShardId id{static_cast<uint8_t>(s)};
    auto cipher = srtp::Cipher::make(config_.srtp);
    if (!cipher)
      return std::unexpected(
          Failure{SLUICE_E_IO, "srtp", cipher.error(), "use --srtp auto, which always works"});
    shards_.push_back(std::make_unique<Shard>(id, config_.shards, limits(), directory_, links_->ports_of(s),
                                              shard_keys(), std::move(*cipher), random_, now,
                                              unix_offset_us_));
    auto io = backend(id, shards_.back()->pool());
    if (!io) return std::unexpected(io_failure("io", io.error()));
    shards_.back()->set_backend(std::move(*io));
    shards_.back()->set_busy_poll(config_.busy_poll);
    shards_.back()->core().node = config_.node;
    if (relay_ != nullptr)
      shards_.back()->core().start_relay(relay_->shared(),
                                         {.media = config_.media, .idle = config_.relay.idle});
    if (turn_ != nullptr) shards_.back()->core().start_turn(*turn_);
    start_trunk(shards_.back()->core(), s);
    ports.push_back(
        {links_->to_handshake[s]->get(), links_->from_handshake[s]->get(), shards_.back()->waker()});
  }
  for (const auto& shard : shards_)
    for (const auto& other : shards_) shard->core().peer_slots.push_back(other->pool().slot_bytes(0));
  worker_ = std::make_unique<slow::HandshakeWorker>(
      dtls_, ports, slow::HandshakeLimits{.max_sessions = config_.max_sessions});
  if (config_.trunk.key) crypto::cleanse(*config_.trunk.key);
  set_bells({}, {});
  for (const relay::ServerConfig& server : config_.relay.servers)
    if (auto known = put_server(server); !known) return known;
  push_commands();
  return grant_relay_ports();
}

void Engine::start_trunk(Core& core, size_t shard) {
  if (!config_.trunk.on()) return;
  if (trunk_routes_ == nullptr)
    trunk_routes_ = std::make_unique<TrunkRoutes>(config_.shards, core.limits.trunk.peers);
  const relay::TrunkSockets& sockets = config_.trunk.sockets.at(shard);
  core.start_trunk(*trunk_routes_, {.key = *config_.trunk.key,
                                    .server_at = config_.media ? sockets.server : Endpoint{},
                                    .relay_at = config_.relay.on ? sockets.relay : Endpoint{}});
}

void Engine::make_relay(Micros now) {
  if (!config_.relay.on) return;
  relay_ = std::make_unique<relay::Control>(config_.relay, config_.shards, random_,
                                            [this](const Command& c) { tell_all(c); });
  static_cast<void>(now);
}

std::expected<void, Failure> Engine::make_turn() {
  if (!config_.turn.on) return {};
  auto made = TurnShared::make(config_.turn,
                               {.shards = config_.shards,
                                .relay_addresses = config_.relay.addresses,
                                .relay_ports = config_.relay.ports,
                                .here = config_.turn.here},
                               random_);
  if (!made)
    return std::unexpected(Failure{SLUICE_E_INVALID, "turn_user", made.error(),
                                   "use text without colons and control characters"});
  turn_ = std::move(*made);
  return {};
}

/// Relaying to servers that take no trunk needs local ports; without them the rest works all the same.
std::expected<void, Failure> Engine::grant_relay_ports() {
  if ((relay_ == nullptr && turn_ == nullptr) || config_.relay.addresses.empty()) return {};
  for (const auto& shard : shards_) {
    const auto granted = shard->core().backend->grant_relay({config_.relay.addresses, config_.relay.ports});
    if (!granted) {
      relay_text_ = fmt::format("relay ports: none, neither TURN nor servers without a trunk ({}; {})",
                                granted.error().message, granted.error().fix);
      return {};
    }
    relay_text_ = granted->text;
    most_ports_ = granted->max_open;
  }
  for (const auto& shard : shards_) shard->core().relay.ports.begin(*shard->core().backend);
  return {};
}

std::expected<void, Failure> Engine::put_server(const relay::ServerConfig& server) {
  if (relay_ == nullptr) return std::unexpected(no_relay());
  auto done = relay_->put_server(server);
  push_commands();
  return done;
}

std::expected<void, Failure> Engine::remove_server(relay::ServerId id) {
  if (relay_ == nullptr) return std::unexpected(no_relay());
  auto done = relay_->remove_server(id);
  push_commands();
  return done;
}

std::expected<void, Failure> Engine::put_routes(std::span<const relay::RouteRequest> routes, Micros now) {
  if (relay_ == nullptr) return std::unexpected(no_relay());
  auto done = relay_->put_routes(routes, unix_seconds(now));
  push_commands();
  return done;
}

size_t Engine::remove_routes(std::span<const relay::RouteRequest> routes) {
  return relay_ != nullptr ? relay_->remove_routes(routes) : 0;
}

std::vector<relay::ServerReport> Engine::servers() const {
  return relay_ != nullptr ? relay_->servers() : std::vector<relay::ServerReport>{};
}

relay::RelayTotals Engine::relay_totals() const {
  relay::RelayTotals sum;
  for (size_t s = 0; s < shards_.size(); ++s) {
    ShardReport r;
    if (shard_report(s, r)) sum += r.relay;
  }
  if (relay_ != nullptr) sum.routes = relay_->routes();
  return sum;
}

std::pair<uint64_t, uint64_t> Engine::direct_totals() const {
  std::pair<uint64_t, uint64_t> sum{};
  for (size_t s = 0; s < shards_.size(); ++s) {
    ShardReport r;
    if (!shard_report(s, r)) continue;
    sum.first += r.direct_packets;
    sum.second += r.direct_bytes;
  }
  return sum;
}

turn::Counters Engine::turn_totals() const {
  turn::Counters sum;
  for (size_t s = 0; s < shards_.size(); ++s) {
    ShardReport r;
    if (shard_report(s, r)) add(sum, r.turn);
  }
  return sum;
}

std::vector<slow::StreamPort> Engine::stream_ports() {
  std::vector<slow::StreamPort> ports;
  for (size_t s = 0; s < links_->to_streams.size(); ++s)
    ports.push_back({links_->to_streams[s]->get(), links_->from_streams[s]->get(), shards_[s]->waker()});
  return ports;
}

void Engine::set_bells(slow::Wake control, slow::Wake worker, slow::Wake streams) {
  ShardBells bells{control, worker, streams, {}, {}};
  for (const auto& shard : shards_) {
    bells.peers.push_back(shard->waker());
    bells.lenders.push_back(shard->lender_waker());
  }
  for (const auto& shard : shards_) shard->set_bells(bells);
}

std::string_view Engine::srtp_name() const { return srtp::name(shards_[0]->core().cipher->kind()); }

void Engine::tell(ShardId shard, const Command& c) { outbox_[shard.v].push_back(c); }

void Engine::tell_all(const Command& c) {
  for (auto& box : outbox_) box.push_back(c);
}

void Engine::push_commands() {
  for (size_t s = 0; s < outbox_.size(); ++s) {
    bool pushed = false;
    while (!outbox_[s].empty() && (*links_->commands[s])->try_push(outbox_[s].front())) {
      outbox_[s].pop_front();
      pushed = true;
    }
    if (pushed) shards_[s]->wake();
  }
}

void Engine::emit(Event::Kind kind, const SessionRecord& record, Micros now) {
  events_.push_back({kind, record.spec.key, record.reason, now});
}

bool Engine::next_event(Event& out) {
  if (events_.empty()) return false;
  out = events_.front();
  if (out.kind == Event::Kind::closed) reported_.push_back(out.session);
  events_.pop_front();
  return true;
}

void Engine::poll(Micros now) {
  for (const SessionKey key : reported_) registry_.erase(key);
  reported_.clear();
  for (size_t s = 0; s < shards_.size(); ++s) {
    Notice n;
    while ((*links_->notices[s])->try_pop(n)) take_notice(ShardId{static_cast<uint8_t>(s)}, n);
  }
  end_overdue(now);
  if (relay_ != nullptr) relay_->poll(now, unix_seconds(now));
  push_commands();
}

void Engine::take_notice(ShardId shard, const Notice& n) {
  SessionRecord* record = registry_.find(n.session);
  if (record == nullptr) return;
  switch (n.kind) {
    case Notice::Kind::checking:
      record->shard = shard;
      record->state = CallState::checking;
      record->first_check_at = n.time;
      return emit(Event::Kind::checking, *record, n.time);
    case Notice::Kind::connected:
      record->connected_at = n.time;
      record->state = CallState::connected;
      emit(Event::Kind::connected, *record, n.time);
      return on_connected(*record, n.time);
    case Notice::Kind::moved:
      return emit(Event::Kind::moved, *record, n.time);
    case Notice::Kind::closed:
      return on_closed(*record, record->closing ? record->reason : n.reason, n.time);
    case Notice::Kind::steer:
      if (steer_ && steer_(n.remote, n.local, n.owner)) ++totals_.steered;
      return;
  }
}

void Engine::on_connected(SessionRecord& record, Micros now) {
  if (record.spec.role == Role::agent) return;
  Room& room = rooms_.at(record.spec.room);
  if (record.spec.role == Role::play) {
    ++room.players[record.shard->v];
    return tell_all(rooms_.command_for(record.spec.room));
  }
  // Hung up while it connected: it must not end the one before it.
  if (record.closing) return;
  // A claimant that never made it may have left nobody's claim behind.
  if (!room.claimant) room.claimant = record.spec.key;
  if (room.claimant != record.spec.key) return close(record, CloseReason::takeover, now);
  const SessionKey before = room.publisher;
  room.publisher = record.spec.key;
  room.publisher_shard = *record.shard;
  tell_all(rooms_.command_for(record.spec.room));
  if (SessionRecord* old = registry_.find(before)) close(*old, CloseReason::takeover, now);
}

void Engine::on_closed(SessionRecord& record, CloseReason reason, Micros now) {
  if (record.state == CallState::closed) return;
  const SessionKey key = record.spec.key;
  directory_.retire(key);
  directory_.erase(key);
  leave_room(record);
  record.state = CallState::closed;
  record.reason = reason;
  ++totals_.closed;
  ++totals_.closed_by_reason[static_cast<size_t>(reason)];
  Command forget;
  forget.kind = Command::Kind::forget;
  forget.session = key;
  tell_all(forget);
  emit(Event::Kind::closed, record, now);
}

void Engine::leave_room(SessionRecord& record) {
  if (record.spec.role == Role::agent) return;
  const uint32_t index = record.spec.room;
  Room& room = rooms_.at(index);
  const SessionKey key = record.spec.key;
  bool changed = false;
  if (record.spec.role == Role::play && record.state == CallState::connected) {
    --room.players[record.shard->v];
    changed = true;
  }
  if (room.publisher == key) room.publisher = {}, changed = true;
  // A successor that never made it leaves the claim to the publisher that it was to replace.
  if (room.claimant == key) room.claimant = room.publisher;
  if (changed) tell_all(rooms_.command_for(index));
  const uint32_t gen = room.gen;
  if (!rooms_.release(index)) return;
  Command closed;
  closed.kind = Command::Kind::room_closed;
  closed.room = index;
  closed.room_gen = gen;
  tell_all(closed);
}

void Engine::close(SessionRecord& record, CloseReason reason, Micros now) {
  if (record.closing || record.state == CallState::closed) return;
  record.closing = true;
  record.reason = reason;
  const auto owner = directory_.retire(record.spec.key);
  if (!owner) return on_closed(record, reason, now);
  Command c;
  c.kind = Command::Kind::close;
  c.reason = reason;
  c.session = record.spec.key;
  tell(*owner, c);
}

std::expected<void, Failure> Engine::hangup(SessionKey key, CloseReason reason, Micros now) {
  SessionRecord* record = registry_.find(key);
  if (record == nullptr || record->state == CallState::closed)
    return std::unexpected(
        Failure{SLUICE_E_NOT_FOUND, "session", "there is no such session", "it may have ended already"});
  close(*record, reason, now);
  push_commands();
  return {};
}

void Engine::drain(Micros deadline, Micros) {
  drain_at_ = deadline;
  if (!config_.trunk.on() && turn_ == nullptr) return;
  Command c;
  c.kind = Command::Kind::draining;
  tell_all(c);
  push_commands();
}

void Engine::end_overdue(Micros now) {
  for (; !setups_.empty(); setups_.pop_front()) {
    SessionRecord* record = registry_.find(setups_.front());
    if (record == nullptr || record->state == CallState::connected) continue;
    if (record->spec.offered_at + config_.setup_limit > now) break;
    close(*record, CloseReason::setup_timeout, now);
  }
  if (!drain_at_ || drained_) return;
  // What has not even begun cannot be cut off by ending it.
  const bool all = now >= *drain_at_;
  registry_.for_each([&](SessionRecord& r) {
    if (all || r.state == CallState::fresh) close(r, CloseReason::drain, now);
  });
  if (totals_.created > totals_.closed) return;
  if (turn_ != nullptr && !turn_drained(all)) return;
  drained_ = true;
  events_.push_back({Event::Kind::drained, {}, CloseReason::drain, now});
}

/// `end`: those that are left. A shard that has not heard of the drain may still make one.
bool Engine::turn_drained(bool end) {
  if (end && !std::exchange(turn_ended_, true)) {
    Command c;
    c.kind = Command::Kind::turn_end;
    tell_all(c);
  }
  for (size_t s = 0; s < shards_.size(); ++s) {
    ShardReport r;
    if (!shard_report(s, r) || !r.draining || r.turn.allocations > 0) return false;
  }
  return true;
}

void Engine::follow_wall_clock(int64_t offset_us) {
  // Less is drift between two looks at the clock.
  if (std::abs(offset_us - wall_offset_us_) < 500'000) return;
  wall_offset_us_ = offset_us;
  Command c;
  c.kind = Command::Kind::wall_clock;
  c.wall_offset = Micros{offset_us};
  tell_all(c);
  push_commands();
}

EngineTotals Engine::totals() const {
  EngineTotals t = totals_;
  registry_.for_each([&](const SessionRecord& r) {
    if (r.state == CallState::fresh) ++t.fresh;
    if (r.state == CallState::checking) ++t.checking;
    if (r.state == CallState::connected) ++t.connected;
  });
  return t;
}

bool Engine::session_report(SessionKey key, SessionReport& out) const {
  const SessionRecord* record = registry_.find(key);
  if (record == nullptr) return false;
  out = SessionReport{};
  if (record->shard && shards_[record->shard->v]->session_report(key.index, out) && out.key == key)
    return true;
  out = SessionReport{};
  out.key = key;
  return true;
}

bool Engine::shard_report(size_t shard, ShardReport& out) const {
  return shard < shards_.size() && shards_[shard]->report(out);
}

std::string Engine::describe() const {
  const Core& core = shards_[0]->core();
  std::string text = fmt::format(
      "shards {}, io {}, srtp {}\nper shard {:.1f} MiB of address space, touched as used:\n", shards_.size(),
      core.backend->name(), srtp_name(), static_cast<double>(core.arena.size()) / (1 << 20));
  if (!relay_text_.empty()) text += relay_text_ + "\n";
  if (turn_ != nullptr) {
    const TurnLimits& turn = core.limits.turn;
    const size_t bytes =
        turn.bytes() + FlowTable::bytes_for(turn.flows()) + turn.reports() * sizeof(SeqLocked<TurnReport>);
    text += fmt::format("TURN: realm {}, room for {} allocations per shard of {} bytes each\n",
                        config_.turn.realm, turn.server.allocations, bytes / turn.server.allocations);
  }
  for (const MemoryTerm& t : core.arena.terms())
    text += fmt::format("  {:<26} {:>12} bytes\n", t.what, t.bytes);
  return text;
}

}  // namespace sluice::engine
