#include "tests/sim/node.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/shard/static_memory.h"
#include "net/wire/classify.h"
#include "tests/sim/check.h"
#include "tests/sim/entropy.h"
#include "tests/sim/world.h"

namespace sluice::sim {
namespace {

/// Virtual time starts at 1 s; the wall clock at some day of 2023.
constexpr int64_t kUnixOffset = 1'700'000'000'000'000;
constexpr Micros kPollAtLeast = seconds(1);

/// A network that lets any source pass.
class Foreign final : public io::ForeignSender {
 public:
  explicit Foreign(io::SimBackend& backend) : backend_(backend) {}
  void send(TxBatch& tx, DropCounters& drops) override {
    counters_.tx_packets += tx.size();
    backend_.send(tx, drops);
  }
  const io::IoCounters& counters() const override { return counters_; }

 private:
  io::SimBackend& backend_;
  io::IoCounters counters_;
};

}  // namespace

Node::Node(World& world, size_t number, NodeOptions options)
    : world_(world),
      number_(number),
      options_(std::move(options)),
      kernel_(world.hash_seed(), options_.engine.shards) {
  start();
}

void Node::fail(const std::string& what) const { world_.fail(fmt::format("node {}: {}", number_, what)); }

void Node::start() {
  engine::EngineConfig config = options_.engine;
  if (config.candidates.empty()) config.candidates = options_.listen;
  auto context = dtls::Context::make(identity());
  if (!context) fail(context.error().message);
  backends_.clear();
  const auto backend = [&](ShardId, PacketPool& pool) {
    auto made = std::make_unique<io::SimBackend>(pool, options_.queues);
    made->set_now(world_.now());
    backends_.push_back(made.get());
    return std::expected<std::unique_ptr<io::Backend>, io::IoError>(std::move(made));
  };
  auto made =
      engine::Engine::make(config, std::move(*context), world_.random(), backend, world_.now(), kUnixOffset);
  if (!made) fail(made.error().message);
  engine_ = std::move(*made);
  for (size_t s = 0; config.trunk.direct && s < shards(); ++s)
    engine_->shard(s).set_foreign(std::make_unique<Foreign>(*backends_[s]));
  engine_->set_bells({[](void* n) { static_cast<Node*>(n)->control_bell_ = true; }, this},
                     {[](void* n) { static_cast<Node*>(n)->worker_bell_ = true; }, this});
  if (options_.steer)
    engine_->set_steer([this](const Endpoint& remote, const Endpoint& local, ShardId owner) {
      kernel_.steer(remote, local, owner);
      return true;
    });
  shard_due_.assign(config.shards, world_.now());
  control_due_ = world_.now();
  worker_due_ = kNever;
  injected_ = 0;
  tell_relay();
}

void Node::stop() {
  engine_.reset();
  backends_.clear();
  shard_due_.clear();
  kernel_.forget();
  worker_due_ = control_due_ = kNever;
  worker_bell_ = control_bell_ = false;
}

// ---- relay ------------------------------------------------------------------------------------------------

void Node::tell_relay() {
  for (const auto& s : servers_)
    if (!engine_->put_server(s)) fail("a server is refused");
  if (const auto done = engine_->put_routes(routes_, world_.now()); !routes_.empty() && !done)
    fail("routes are refused: " + done.error().message);
  refresh_due();
}

void Node::put_server(const engine::relay::ServerConfig& server) {
  std::erase_if(servers_, [&](const auto& s) { return s.id == server.id; });
  servers_.push_back(server);
  known_servers_.insert(server.address);
  if (!runs()) return;
  if (const auto done = engine_->put_server(server); !done)
    fail("a server is refused: " + done.error().message);
  refresh_due();
}

void Node::remove_server(engine::relay::ServerId id) {
  std::erase_if(servers_, [&](const auto& s) { return s.id == id; });
  if (!runs()) return;
  if (!engine_->remove_server(id)) fail("a server cannot be removed");
  refresh_due();
}

bool Node::knows(engine::relay::ServerId id) const {
  return std::ranges::any_of(servers_, [&](const auto& s) { return s.id == id; });
}

void Node::put_routes(std::vector<engine::relay::RouteRequest> routes) {
  for (const auto& r : routes) known_servers_.insert(r.server);
  if (runs())
    if (const auto done = engine_->put_routes(routes, world_.now()); !done)
      fail("routes are refused: " + done.error().message);
  for (auto& r : routes) {
    std::erase_if(routes_, [&](const auto& o) { return o.ufrag == r.ufrag && o.prefix == r.prefix; });
    routes_.push_back(std::move(r));
  }
  refresh_due();
}

void Node::remove_routes(const std::vector<engine::relay::RouteRequest>& routes) {
  for (const auto& r : routes)
    std::erase_if(routes_, [&](const auto& o) { return o.ufrag == r.ufrag && o.prefix == r.prefix; });
  if (runs()) engine_->remove_routes(routes);
}

bool Node::is_inner(const Endpoint& e) const {
  return known_servers_.contains(e) || world_.node_at(e.addr) != nullptr;
}

void Node::check_sent(const io::SimDatagram& d, Bytes bytes) {
  const auto text = [&] {
    EndpointText to;
    return std::string(format(d.to, to));
  };
  const bool relays = options_.engine.relay.on;
  const auto& trunk = options_.engine.trunk;
  // Hellos are answered with less than they are; the rest is authentic.
  if (trunk.on() && (shard_of_trunk(d.from) != shards() || d.from == trunk.sockets[0].server)) return;
  if (backends_[0]->grants(d.from)) {
    if (!known_servers_.contains(d.to) && !permitted_peers_.contains(d.to.addr))
      fail(fmt::format("relayed to {}, which is no server and nobody's peer", text()));
    return;
  }
  if (trunk.direct && !lives_at(d.from.addr)) return check_direct(d, bytes);
  const auto view = stun::View::parse(bytes);
  const bool success = view && view->is_binding(stun::Class::success);
  const bool turn_answer = options_.engine.turn.on && view && view->cls() == stun::Class::error;
  const bool answer = success || turn_answer || (view && view->is_binding(stun::Class::error));
  const bool only_relays = relays && !options_.engine.media;
  if (only_relays && !answer && !amplification_.proven(d.to))
    fail(
        fmt::format("something other than an answer went to {}, whose check no server has answered", text()));
  if (!amplification_.sent(d.to, bytes.size()))
    fail(fmt::format("more than three times what came from {} went to it, which proved nothing", text()));
  if (only_relays && success) amplification_.prove(d.to);
}

/// In a relay's name.
void Node::check_direct(const io::SimDatagram& d, Bytes bytes) {
  const auto kind = wire::classify(bytes);
  if (kind != wire::PacketClass::rtp && kind != wire::PacketClass::rtcp)
    fail("something other than media went past the trunk");
  Node* relay = world_.node_at(d.from.addr);
  if (relay == nullptr || !relay->options().engine.relay.on) fail("it answers in a stranger's name");
  if (!relay->amplification().proven(d.to)) fail("media went past the trunk to who has proven nothing");
  ++direct_;
}

// ---- time -------------------------------------------------------------------------------------------------

bool Node::lives_at(const Address& a) const {
  const auto& relayed = options_.engine.relay.addresses;
  return std::ranges::any_of(options_.listen, [&](const Endpoint& e) { return e.addr == a; }) ||
         std::ranges::find(relayed, a) != relayed.end();
}

size_t Node::shard_of_port(const Endpoint& to) const {
  size_t owner = shards();
  for (size_t s = 0; s < shards(); ++s) {
    if (!backends_[s]->serves(to)) continue;
    if (owner != shards()) fail(fmt::format("shards {} and {} both have relay port {}", owner, s, to.port));
    owner = s;
  }
  return owner;
}

size_t Node::shard_of_trunk(const Endpoint& to) const {
  const auto& sockets = options_.engine.trunk.sockets;
  const auto it = std::ranges::find(sockets, to, &engine::relay::TrunkSockets::relay);
  return it == sockets.end() ? shards() : static_cast<size_t>(it - sockets.begin());
}

void Node::receive(const Endpoint& from, const Endpoint& to, Bytes bytes) {
  if (!runs()) return;
  const bool relayed = backends_[0]->grants(to);
  const size_t trunk = shard_of_trunk(to);
  const size_t s = trunk != shards() ? trunk : relayed ? shard_of_port(to) : kernel_.shard_of(from, to);
  if (s == shards()) return;  // nobody has the port
  ++injected_;
  backends_[s]->inject({.from = from, .to = to, .at = world_.now(), .ifindex = 0, .len = 0, .ecn = 0}, bytes);
  refresh_due();
}

Micros Node::next() const {
  Micros next = std::min(worker_due_, control_due_);
  for (const Micros due : shard_due_) next = std::min(next, due);
  return next;
}

std::string Node::who_is_due() const {
  for (size_t s = 0; s < shard_due_.size(); ++s)
    if (shard_due_[s] <= world_.now()) return fmt::format("node {}'s shard {}", number_, s);
  return fmt::format("node {}'s {}", number_, worker_due_ <= world_.now() ? "worker" : "control side");
}

void Node::step() {
  if (!runs()) return;
  refresh_due();
  const Micros now = world_.now();
  const size_t first = world_.schedule().below(shard_due_.size());
  for (size_t i = 0; i < shard_due_.size(); ++i) {
    const size_t s = (first + i) % shard_due_.size();
    if (shard_due_[s] <= now) run_shard(s);
  }
  if (worker_due_ <= now) run_worker();
  if (control_due_ <= now) run_control();
}

void Node::run_shard(size_t s) {
  shard_due_[s] = kNever;
  engine::Shard& shard = engine_->shard(s);
  backends_[s]->set_now(world_.now());
  const uint64_t late = engine::t_allocation_watch.late;
  {
    engine::ForbidAllocation watched;
    shard.run_once();
  }
  if (engine::t_allocation_watch.late != late) fail(fmt::format("shard {} allocated", s));
  if (!shard.conserves_packets()) fail(fmt::format("shard {} lost or invented a packet slot", s));
  backends_[s]->drain([&](const io::SimDatagram& d, Bytes bytes) { world_.node_sends(*this, d, bytes); });
  refresh_due();
}

void Node::refresh_due() {
  if (!runs()) return;
  const Micros now = world_.now();
  for (size_t s = 0; s < shard_due_.size(); ++s) {
    Micros due = std::min(engine_->shard(s).due(), backends_[s]->next_arrival());
    if (due <= now) due = now + world_.lag(options_.shard_lag);
    shard_due_[s] = std::min(shard_due_[s], due);
  }
  if (std::exchange(worker_bell_, false))
    worker_due_ = std::min(worker_due_, now + world_.lag(options_.worker_lag));
  if (std::exchange(control_bell_, false))
    control_due_ = std::min(control_due_, now + world_.lag(options_.control_lag));
}

void Node::run_worker() {
  const Micros next = engine_->worker().step(world_.now());
  // Whoever wants to go on at once gets the chance after everybody else has had theirs.
  worker_due_ = next <= world_.now() ? world_.now() + micros(50) : next;
  refresh_due();
}

void Node::run_control() {
  control_due_ = world_.now() + kPollAtLeast;
  engine_->poll(world_.now());
  engine::Event e;
  while (engine_->next_event(e)) world_.note(*this, e);
  refresh_due();
}

uint64_t Node::drops(Drop d) const {
  uint64_t n = 0;
  for (size_t s = 0; s < shards(); ++s) n += shard(s).core().drops[d];
  return n;
}

uint64_t Node::unsent(Drop d) const {
  uint64_t n = 0;
  for (size_t s = 0; s < shards(); ++s) n += shard(s).core().unsent[d];
  return n;
}

uint64_t Node::all_drops() const {
  uint64_t n = 0;
  for (size_t d = 0; d < kDropCount; ++d) n += drops(static_cast<Drop>(d));
  return n;
}

}  // namespace sluice::sim
