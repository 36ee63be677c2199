// A whole engine, its clients and the Internet between them, in one thread and virtual time. Everything
// follows from one seed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/shard/shard.h"
#include "net/io/sim/sim.h"
#include "tests/client/peer.h"
#include "tests/sim/amplification.h"
#include "tests/sim/edge.h"
#include "tests/sim/kernel.h"
#include "tests/sim/link.h"
#include "tests/sim/rng.h"

namespace sluice::sim {

/// Something that must never happen has happened.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Of the edge of the nth client.
Address public_address(uint32_t number, bool ipv6);

struct WorldOptions {
  uint64_t seed = 1;
  engine::EngineConfig engine;
  std::vector<Endpoint> listen{{Address::v4(192, 0, 2, 1), 3478}};
  /// Whether the engine is given a steering map; without, moved clients are served by hand-over rings.
  bool steer = true;
  io::SimBackend::Options queues{.rx_queue = 256, .tx_queue = 256};
  // How long a thread may take to wake up, at most.
  Micros shard_lag, worker_lag, control_lag;
  srtp::Kind client_srtp = srtp::Kind::openssl;
  bool print_trace = false;

  WorldOptions();
};

struct HostOptions {
  test::PeerOptions peer;
  EdgeOptions edge;
  LinkOptions up, down;
  std::string name = "room";  ///< of room or agent
  bool takeover = false;
  bool ipv6 = false;
};

/// A client where it lives.
struct Host {
  Host(const HostOptions& o, srtp::Cipher& cipher, crypto::Random random, Micros now, uint32_t number,
       Rng& rng);

  HostOptions options;
  uint32_t number;
  test::Peer peer;
  Edge edge;
  Link up, down;
  engine::SessionKey key;  ///< 0: was not accepted
  engine::Failure refused;
  engine::CloseReason closed = engine::CloseReason::none;
  bool was_connected = false;  ///< the engine said so
  Micros next = kNever;
};

/// A datagram seen at the server's edge.
struct Seen {
  bool to_server;
  bool honest;  ///< sent by the engine or by a client itself
  Endpoint from, to;
  Bytes bytes;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Micros now() const { return now_; }
  engine::Engine& engine() { return *engine_; }
  engine::Shard& shard(size_t i) { return engine_->shard(i); }
  io::SimBackend& backend(size_t i) { return *backends_[i]; }
  Kernel& kernel() { return kernel_; }
  Rng& rng() { return rng_; }
  const WorldOptions& options() const { return options_; }

  /// Offers, and hands the answer to the client at once.
  Host& call(const HostOptions& o);
  void restart_ice(Host& h);
  void hang_up(Host& h);
  void rebind(Host& h, bool other_address);
  std::vector<std::unique_ptr<Host>>& hosts() { return hosts_; }
  /// Whose session it is; nullptr for none.
  Host* host_of(engine::SessionKey key);

  void at(Micros t, std::function<void()> f);
  void run_until(Micros t);
  void run_for(Micros span) { run_until(now_ + span); }
  /// False if `limit` passed before it came true.
  bool run_until(Micros limit, const std::function<bool()>& done);

  /// A datagram appears in front of the server, from wherever it says.
  void inject(const Endpoint& from, const Endpoint& to, Bytes bytes, bool honest = false);

  // Hooks for stories and attackers.
  /// True: the datagram is lost before the link.
  std::function<bool(const Host&, bool to_server, Bytes)> lose;
  /// Everything that reaches or leaves the server.
  std::function<void(const Seen&)> tap;
  /// What is sent to an address that is no client's.
  std::function<void(const Seen&)> stray;

  std::vector<engine::Event> events;
  /// Of every datagram that reached or left the server: when, between whom and what.
  uint64_t trace_hash() const { return trace_; }
  uint64_t datagrams() const { return datagrams_; }

  // Sums over the shards.
  uint64_t drops(Drop d) const;
  uint64_t unsent(Drop d) const;
  uint64_t all_drops() const;
  uint64_t injected() const { return injected_; }

  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Event {
    Micros at;
    uint64_t order;
    std::function<void()> f;
    bool operator<(const Event& o) const { return at != o.at ? at > o.at : order > o.order; }
  };

  void make_engine();
  Micros next_event() const;
  std::string who_is_due() const;
  void step();
  void run_agenda();
  void run_hosts();
  void run_shard(size_t s);
  void run_worker();
  void run_control();
  void refresh_due();
  Micros lag(Micros most);
  void note(const engine::Event& e);
  void client_sends(Host& h);
  void server_sends(const io::SimDatagram& d, Bytes bytes);
  void trace(const Seen& s);

  WorldOptions options_;
  Rng rng_;
  Rng schedule_;
  std::unique_ptr<crypto::StreamRandom> random_;
  std::unique_ptr<crypto::StreamRandom> client_random_;
  std::unique_ptr<srtp::Cipher> cipher_;
  std::vector<io::SimBackend*> backends_;
  std::unique_ptr<engine::Engine> engine_;
  Kernel kernel_;
  Amplification amplification_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<Address, Host*> by_address_;
  std::priority_queue<Event> agenda_;
  Micros now_ = seconds(1);
  uint64_t order_ = 0;
  uint32_t steps_at_once_ = 0;
  std::vector<Micros> shard_due_;
  Micros worker_due_ = kNever;
  Micros control_due_;
  bool worker_bell_ = false, control_bell_ = false;
  uint64_t trace_ = 0xcbf29ce484222325;
  uint64_t datagrams_ = 0;
  uint64_t injected_ = 0;
};

}  // namespace sluice::sim
