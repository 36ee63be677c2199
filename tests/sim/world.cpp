#include "tests/sim/world.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/shard/static_memory.h"
#include "tests/sim/entropy.h"

namespace sluice::sim {
namespace {

/// Virtual time starts at 1 s; the wall clock at some day of 2023.
constexpr int64_t kUnixOffset = 1'700'000'000'000'000;
constexpr Micros kPollAtLeast = seconds(1);
constexpr uint32_t kStepsAtOnce = 10'000;
constexpr size_t kAnswerMax = 16384;

Endpoint inside(uint32_t number, bool ipv6) {
  if (ipv6) return {public_address(number, true), 50'000};
  return {Address::v4(10, 0, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)), 50'000};
}

}  // namespace

Address public_address(uint32_t number, bool ipv6) {
  if (!ipv6) return Address::v4(198, 51, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number));
  Address a;
  a.b = {0x20, 0x01, 0x0d, 0xb8, 0, static_cast<uint8_t>(number), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return a;
}

WorldOptions::WorldOptions() {
  engine.max_sessions = 16;
  engine.max_rooms = 8;
  engine.pool_slots = 512;
  engine.backend_slots = 0;
  engine.srtp = srtp::Kind::openssl;
}

Host::Host(const HostOptions& o, srtp::Cipher& cipher, crypto::Random random, Micros now, uint32_t n,
           Rng& rng)
    : options(o),
      number(n),
      peer(o.peer, cipher, random, now),
      edge(o.edge, inside(n, o.ipv6), public_address(n, o.ipv6), rng.fork()),
      up(o.up, rng.fork()),
      down(o.down, rng.fork()) {}

World::World(WorldOptions options)
    : options_(std::move(options)),
      rng_(options_.seed),
      schedule_(rng_.fork()),
      kernel_({rng_.u64(), rng_.u64()}, options_.engine.shards),
      control_due_(now_) {
  test::set_virtual_time(now_);
  identity();
  seed_openssl(rng_.u64());
  random_ = std::make_unique<crypto::StreamRandom>(rng_.u64());
  client_random_ = std::make_unique<crypto::StreamRandom>(rng_.u64());
  cipher_ = std::move(*srtp::Cipher::make(options_.client_srtp));
  make_engine();
}

World::~World() = default;

void World::make_engine() {
  engine::EngineConfig config = options_.engine;
  if (config.candidates.empty()) config.candidates = options_.listen;
  auto context = dtls::Context::make(identity());
  if (!context) fail(context.error().message);
  const auto backend = [&](ShardId, PacketPool& pool) {
    auto made = std::make_unique<io::SimBackend>(pool, options_.queues);
    made->set_now(now_);
    backends_.push_back(made.get());
    return std::expected<std::unique_ptr<io::Backend>, io::IoError>(std::move(made));
  };
  auto made = engine::Engine::make(config, std::move(*context), random_->view(), backend, now_, kUnixOffset);
  if (!made) fail(made.error().message);
  engine_ = std::move(*made);
  engine_->set_bells({[](void* w) { static_cast<World*>(w)->control_bell_ = true; }, this},
                     {[](void* w) { static_cast<World*>(w)->worker_bell_ = true; }, this});
  if (options_.steer)
    engine_->set_steer([this](const Endpoint& remote, const Endpoint& local, ShardId owner) {
      kernel_.steer(remote, local, owner);
      return true;
    });
  shard_due_.assign(config.shards, now_);
}

void World::fail(const std::string& what) const {
  throw Violation(fmt::format("at {}.{:06d} s: {}", now_.us / 1'000'000, now_.us % 1'000'000, what));
}

// ---- calls ------------------------------------------------------------------------------------------------

Host& World::call(const HostOptions& o) {
  const auto number = static_cast<uint32_t>(hosts_.size() + 1);
  hosts_.push_back(std::make_unique<Host>(o, *cipher_, client_random_->view(), now_, number, rng_));
  Host& h = *hosts_.back();
  by_address_[public_address(number, o.ipv6)] = &h;
  const std::string offer = h.peer.offer();
  engine::AcceptRequest request;
  request.role = static_cast<engine::Role>(o.peer.role);
  request.name = o.name;
  request.offer = offer;
  request.takeover = o.takeover;
  const auto accepted = engine_->accept(request, now_);
  if (!accepted) {
    h.refused = accepted.error();
    h.peer.die();
    return h;
  }
  h.key = accepted->key;
  if (!h.peer.answer(accepted->answer, now_)) fail("the client cannot read the answer:\n" + accepted->answer);
  client_sends(h);
  return h;
}

void World::restart_ice(Host& h) {
  const std::string fragment = h.peer.restart();
  const auto answered = engine_->trickle(h.key, std::nullopt, fragment, kAnswerMax, now_);
  if (!answered) return;  // the session has ended meanwhile
  if (!h.peer.restarted(answered->answer, now_))
    fail("the client cannot read the answer to its ICE restart:\n" + answered->answer);
  client_sends(h);
}

void World::hang_up(Host& h) {
  // It may have ended already.
  [[maybe_unused]] const auto done = engine_->hangup(h.key, engine::CloseReason::hangup, now_);
  refresh_due();
}

void World::rebind(Host& h, bool other_address) {
  if (!other_address) return h.edge.rebind();
  // 203.0.113.0/24 and 2001:db8:ffff::/48, one each.
  const auto n = static_cast<uint8_t>(by_address_.size());
  Address a = Address::v4(203, 0, 113, n);
  if (h.options.ipv6) a.b = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, n, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  by_address_[a] = &h;
  h.edge.rebind(a);
}

Host* World::host_of(engine::SessionKey key) {
  for (const auto& h : hosts_)
    if (h->key == key) return h.get();
  return nullptr;
}

// ---- time -------------------------------------------------------------------------------------------------

void World::at(Micros t, std::function<void()> f) { agenda_.push({t, order_++, std::move(f)}); }

Micros World::lag(Micros most) { return most.us == 0 ? Micros{} : schedule_.between({}, most); }

Micros World::next_event() const {
  Micros next = std::min(worker_due_, control_due_);
  if (!agenda_.empty()) next = std::min(next, agenda_.top().at);
  for (const Micros due : shard_due_) next = std::min(next, due);
  for (const auto& h : hosts_) next = std::min(next, h->next);
  return next;
}

std::string World::who_is_due() const {
  if (!agenda_.empty() && agenda_.top().at <= now_) return "the agenda";
  for (const auto& h : hosts_)
    if (h->next <= now_) return fmt::format("client {}", h->number);
  for (size_t s = 0; s < shard_due_.size(); ++s)
    if (shard_due_[s] <= now_) return fmt::format("shard {}", s);
  return worker_due_ <= now_ ? "the worker" : "the control side";
}

void World::run_until(Micros t) {
  while (next_event() <= t) step();
  now_ = std::max(now_, t);
  test::set_virtual_time(now_);
}

bool World::run_until(Micros limit, const std::function<bool()>& done) {
  while (!done()) {
    if (next_event() > limit) {
      run_until(limit);
      return done();
    }
    step();
  }
  return true;
}

void World::step() {
  const Micros next = std::max(now_, next_event());
  steps_at_once_ = next == now_ ? steps_at_once_ + 1 : 0;
  if (steps_at_once_ > kStepsAtOnce)
    fail("time stands still: " + who_is_due() + " is always due and never done");
  now_ = next;
  test::set_virtual_time(now_);
  run_agenda();
  run_hosts();
  refresh_due();
  const size_t first = schedule_.below(shard_due_.size());
  for (size_t i = 0; i < shard_due_.size(); ++i) {
    const size_t s = (first + i) % shard_due_.size();
    if (shard_due_[s] <= now_) run_shard(s);
  }
  if (worker_due_ <= now_) run_worker();
  if (control_due_ <= now_) run_control();
}

void World::run_agenda() {
  while (!agenda_.empty() && agenda_.top().at <= now_) {
    const auto f = std::move(const_cast<Event&>(agenda_.top()).f);
    agenda_.pop();
    f();
  }
}

void World::run_hosts() {
  for (size_t i = 0; i < hosts_.size(); ++i) {
    Host& h = *hosts_[i];
    if (h.next > now_) continue;
    h.peer.timeout(now_);
    client_sends(h);
  }
}

void World::run_shard(size_t s) {
  shard_due_[s] = kNever;
  engine::Shard& shard = engine_->shard(s);
  backends_[s]->set_now(now_);
  const uint64_t late = engine::t_allocation_watch.late;
  {
    engine::ForbidAllocation watched;
    shard.run_once();
  }
  if (engine::t_allocation_watch.late != late) fail(fmt::format("shard {} allocated", s));
  if (!shard.conserves_packets()) fail(fmt::format("shard {} lost or invented a packet slot", s));
  backends_[s]->drain([&](const io::SimDatagram& d, Bytes bytes) { server_sends(d, bytes); });
  refresh_due();
}

void World::refresh_due() {
  for (size_t s = 0; s < shard_due_.size(); ++s) {
    Micros due = std::min(engine_->shard(s).due(), backends_[s]->next_arrival());
    if (due <= now_) due = now_ + lag(options_.shard_lag);
    shard_due_[s] = std::min(shard_due_[s], due);
  }
  if (std::exchange(worker_bell_, false))
    worker_due_ = std::min(worker_due_, now_ + lag(options_.worker_lag));
  if (std::exchange(control_bell_, false))
    control_due_ = std::min(control_due_, now_ + lag(options_.control_lag));
}

void World::run_worker() {
  const Micros next = engine_->worker().step(now_);
  // Whoever wants to go on at once gets the chance after everybody else has had theirs.
  worker_due_ = next <= now_ ? now_ + micros(50) : next;
  refresh_due();
}

void World::run_control() {
  control_due_ = now_ + kPollAtLeast;
  engine_->poll(now_);
  engine::Event e;
  while (engine_->next_event(e)) note(e);
  refresh_due();
}

void World::note(const engine::Event& e) {
  events.push_back(e);
  Host* h = host_of(e.session);
  if (h == nullptr) return;
  if (e.kind == engine::Event::Kind::connected) h->was_connected = true;
  if (e.kind != engine::Event::Kind::closed) return;
  if (h->closed != engine::CloseReason::none) fail("a session was closed twice");
  h->closed = e.reason;
}

uint64_t World::drops(Drop d) const {
  uint64_t n = 0;
  for (size_t s = 0; s < backends_.size(); ++s) n += engine_->shard(s).core().drops[d];
  return n;
}

uint64_t World::unsent(Drop d) const {
  uint64_t n = 0;
  for (size_t s = 0; s < backends_.size(); ++s) n += engine_->shard(s).core().unsent[d];
  return n;
}

uint64_t World::all_drops() const {
  uint64_t n = 0;
  for (size_t d = 0; d < kDropCount; ++d) n += drops(static_cast<Drop>(d));
  return n;
}

}  // namespace sluice::sim
