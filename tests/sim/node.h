// An engine where it lives: stepped as threads would step it, on backends of its own, behind a kernel that
// gives its shards their datagrams.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/shard/shard.h"
#include "net/io/sim/sim.h"
#include "tests/sim/amplification.h"
#include "tests/sim/kernel.h"
#include "tests/sim/rng.h"

namespace sluice::sim {

class World;

struct NodeOptions {
  engine::EngineConfig engine;
  std::vector<Endpoint> listen;
  /// Whether the engine is given a steering map; without, moved clients are served by hand-over rings.
  bool steer = true;
  io::SimBackend::Options queues{.rx_queue = 256, .tx_queue = 256};
  // How long a thread may take to wake up, at most.
  Micros shard_lag, worker_lag, control_lag;
};

class Node {
 public:
  Node(World& world, size_t number, NodeOptions options);

  size_t number() const { return number_; }
  engine::Engine& engine() { return *engine_; }
  size_t shards() const { return backends_.size(); }
  engine::Shard& shard(size_t i) { return engine_->shard(i); }
  const engine::Shard& shard(size_t i) const { return engine_->shard(i); }
  io::SimBackend& backend(size_t i) { return *backends_[i]; }
  const io::SimBackend& backend(size_t i) const { return *backends_[i]; }
  Kernel& kernel() { return kernel_; }
  const NodeOptions& options() const { return options_; }
  Amplification& amplification() { return amplification_; }

  // A relay's servers and routes, as its control plane knows them: start() tells the engine again.
  void put_server(const engine::relay::ServerConfig& server);
  void remove_server(engine::relay::ServerId id);
  bool knows(engine::relay::ServerId id) const;
  void put_routes(std::vector<engine::relay::RouteRequest> routes);
  void remove_routes(const std::vector<engine::relay::RouteRequest>& routes);
  /// TURN clients may have what they say sent there.
  void permit_peer(const Address& a) { permitted_peers_.insert(a); }
  /// Another node's or a server's.
  bool is_inner(const Endpoint& e) const;

  /// Whether datagrams to the address come here.
  bool lives_at(const Address& a) const;
  /// Other addresses from now on. The engine is not told: it answers from wherever it is spoken to.
  void move(std::vector<Endpoint> listen) { options_.listen = std::move(listen); }
  /// The process ends; what comes is lost until start().
  void stop();
  /// A new process; it remembers nothing.
  void start();
  bool runs() const { return engine_ != nullptr; }

  /// What leaves goes where it may go.
  void check_sent(const io::SimDatagram& d, Bytes bytes);
  /// A datagram has reached its card.
  void receive(const Endpoint& from, const Endpoint& to, Bytes bytes);
  Micros next() const;
  std::string who_is_due() const;
  /// Whoever is due at the world's time.
  void step();
  void refresh_due();

  // Sums over the shards, since start().
  uint64_t drops(Drop d) const;
  uint64_t unsent(Drop d) const;
  uint64_t all_drops() const;
  /// Datagrams put in front of the shards.
  uint64_t injected() const { return injected_; }
  /// Datagrams in a relay's name.
  uint64_t direct() const { return direct_; }

 private:
  void tell_relay();
  void check_direct(const io::SimDatagram& d, Bytes bytes);
  /// The shard whose own trunk socket that is; shards() if it is nobody's.
  size_t shard_of_trunk(const Endpoint& to) const;
  /// The shard that has the relay port; shards() if nobody has.
  size_t shard_of_port(const Endpoint& to) const;
  void run_shard(size_t s);
  void run_worker();
  void run_control();
  [[noreturn]] void fail(const std::string& what) const;

  World& world_;
  size_t number_;
  NodeOptions options_;
  std::vector<io::SimBackend*> backends_;
  std::unique_ptr<engine::Engine> engine_;
  Kernel kernel_;
  Amplification amplification_;
  std::vector<engine::relay::ServerConfig> servers_;
  std::vector<engine::relay::RouteRequest> routes_;
  std::set<Endpoint> known_servers_;  ///< that were ever somebody's
  std::set<Address> permitted_peers_;
  std::vector<Micros> shard_due_;
  Micros worker_due_ = kNever;
  Micros control_due_ = kNever;
  bool worker_bell_ = false, control_bell_ = false;
  uint64_t injected_ = 0;
  uint64_t direct_ = 0;
};

}  // namespace sluice::sim
