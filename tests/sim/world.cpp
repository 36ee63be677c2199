#include "tests/sim/world.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/entropy.h"

namespace sluice::sim {
namespace {

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
  a.b = {0x20, 0x01, 0x0d, 0xb8, 1, static_cast<uint8_t>(number), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return a;
}

WorldOptions::WorldOptions() {
  backbone.delay = millis(2);
  listen = {{Address::v4(192, 0, 2, 1), 3478}};
  engine.max_sessions = 16;
  engine.max_rooms = 8;
  engine.pool_slots = 512;
  engine.backend_slots = 0;
  engine.srtp = srtp::Kind::openssl;
}

Host::Host(const HostOptions& o, srtp::Cipher& cipher, crypto::Random random, Micros now, uint32_t n,
           Rng& rng)
    : Station{Edge(o.edge, inside(n, o.ipv6), public_address(n, o.ipv6), rng.fork()), Link(o.up, rng.fork()),
              Link(o.down, rng.fork()), o.ipv6},
      options(o),
      number(n),
      peer(o.peer, cipher, random, now) {}

World::World(WorldOptions options)
    : options_(std::move(options)), rng_(options_.seed), schedule_(rng_.fork()) {
  test::set_virtual_time(now_);
  identity();
  seed_openssl(rng_.u64());
  random_ = std::make_unique<crypto::StreamRandom>(rng_.u64());
  client_random_ = std::make_unique<crypto::StreamRandom>(rng_.u64());
  cipher_ = std::move(*srtp::Cipher::make(options_.client_srtp));
  add_node(options_);
}

World::~World() = default;

HashSeed World::hash_seed() {
  const uint64_t k0 = rng_.u64();
  return {k0, rng_.u64()};
}

Node& World::add_node(NodeOptions options) {
  nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), std::move(options)));
  return *nodes_.back();
}

void World::register_station(const Address& outside, Station& s) {
  by_address_.emplace(outside, &s);
  if (std::ranges::find(everybody_, &s) == everybody_.end()) everybody_.push_back(&s);
}

void World::fail(const std::string& what) const {
  throw Violation(fmt::format("at {}.{:06d} s: {}", now_.us / 1'000'000, now_.us % 1'000'000, what));
}

// ---- calls ------------------------------------------------------------------------------------------------

Host& World::call(const HostOptions& o, size_t node) {
  const auto number = static_cast<uint32_t>(hosts_.size() + 1);
  hosts_.push_back(std::make_unique<Host>(o, *cipher_, client_random_->view(), now_, number, rng_));
  Host& h = *hosts_.back();
  h.node = nodes_[node].get();
  register_station(public_address(number, o.ipv6), h);
  const std::string offer = h.peer.offer();
  engine::AcceptRequest request;
  request.role = static_cast<engine::Role>(o.peer.role);
  request.name = o.name;
  request.offer = offer;
  request.takeover = o.takeover;
  const auto accepted = h.node->engine().accept(request, now_);
  if (!accepted) {
    h.refused = accepted.error();
    h.peer.die();
    return h;
  }
  h.key = accepted->key;
  if (!h.peer.answer(accepted->answer, now_)) fail("the client cannot read the answer:\n" + accepted->answer);
  station_sends(h);
  return h;
}

void World::restart_ice(Host& h) {
  if (!h.node->runs()) return;
  const std::string fragment = h.peer.restart();
  const auto answered = h.node->engine().trickle(h.key, std::nullopt, fragment, kAnswerMax, now_);
  if (!answered) return;  // the session has ended meanwhile
  if (!h.peer.restarted(answered->answer, now_))
    fail("the client cannot read the answer to its ICE restart:\n" + answered->answer);
  station_sends(h);
}

void World::hang_up(Host& h) {
  if (!h.node->runs()) return;
  // It may have ended already.
  [[maybe_unused]] const auto done = h.node->engine().hangup(h.key, engine::CloseReason::hangup, now_);
  h.node->refresh_due();
}

void World::rebind(Station& s, bool other_address) {
  if (!other_address) return s.edge.rebind();
  // 203.0.113.0/24 and 2001:db8:ffff::/48, one each.
  const uint8_t n = ++moved_;
  Address a = Address::v4(203, 0, 113, n);
  if (s.ipv6) a.b = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, n, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  register_station(a, s);
  s.edge.rebind(a);
}

Host* World::host_of(const Node& node, engine::SessionKey key) {
  for (const auto& h : hosts_)
    if (h->node == &node && h->key == key) return h.get();
  return nullptr;
}

// ---- time -------------------------------------------------------------------------------------------------

void World::at(Micros t, std::function<void()> f) { agenda_.push({t, order_++, std::move(f)}); }

Micros World::lag(Micros most) { return most.us == 0 ? Micros{} : schedule_.between({}, most); }

Micros World::next_event() const {
  Micros next = agenda_.empty() ? kNever : agenda_.top().at;
  for (const auto& n : nodes_) next = std::min(next, n->next());
  for (const Station* s : everybody_) next = std::min(next, s->next);
  return next;
}

std::string World::who_is_due() const {
  if (!agenda_.empty() && agenda_.top().at <= now_) return "the agenda";
  for (size_t i = 0; i < everybody_.size(); ++i)
    if (everybody_[i]->next <= now_) return fmt::format("station {}", i + 1);
  for (const auto& n : nodes_)
    if (n->next() <= now_) return n->who_is_due();
  return "nobody";
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
  run_stations();
  for (const auto& n : nodes_) n->step();
}

void World::run_agenda() {
  while (!agenda_.empty() && agenda_.top().at <= now_) {
    const auto f = std::move(const_cast<Event&>(agenda_.top()).f);
    agenda_.pop();
    f();
  }
}

void World::run_stations() {
  for (size_t i = 0; i < everybody_.size(); ++i) {
    Station& s = *everybody_[i];
    if (s.next > now_) continue;
    s.timeout(now_);
    station_sends(s);
  }
}

void World::note(Node& n, const engine::Event& e) {
  events.push_back(e);
  Host* h = host_of(n, e.session);
  if (h == nullptr) return;
  if (e.kind == engine::Event::Kind::connected) h->was_connected = true;
  if (e.kind != engine::Event::Kind::closed) return;
  if (h->closed != engine::CloseReason::none) fail("a session was closed twice");
  h->closed = e.reason;
}

}  // namespace sluice::sim
