// Whole engines, their clients and the Internet between them, in one thread and virtual time. Everything
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
#include "tests/client/peer.h"
#include "tests/sim/node.h"
#include "tests/sim/rng.h"
#include "tests/sim/station.h"

namespace sluice::sim {

/// Something that must never happen has happened.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Of the edge of the nth client.
Address public_address(uint32_t number, bool ipv6);

/// The first node's and what is the world's own.
struct WorldOptions : NodeOptions {
  uint64_t seed = 1;
  /// Between nodes, either way.
  LinkOptions backbone;
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
struct Host : Station {
  Host(const HostOptions& o, srtp::Cipher& cipher, crypto::Random random, Micros now, uint32_t number,
       Rng& rng);

  void input(Bytes datagram, const Endpoint& from, Micros now) override { peer.input(datagram, from, now); }
  void timeout(Micros now) override { peer.timeout(now); }
  Micros deadline(Micros now) const override { return peer.deadline(now); }
  std::vector<test::Outgoing> take() override { return peer.take(); }
  const Host* host() const override { return this; }

  HostOptions options;
  uint32_t number;
  test::Peer peer;
  Node* node = nullptr;    ///< whose engine ends its session
  engine::SessionKey key;  ///< 0: was not accepted
  engine::Failure refused;
  engine::CloseReason closed = engine::CloseReason::none;
  bool was_connected = false;  ///< the engine said so
};

/// A datagram seen at a node's edge.
struct Seen {
  bool to_server;
  bool honest;  ///< sent by an engine or by a client itself
  Endpoint from, to;
  Bytes bytes;
  const Node* node = nullptr;  ///< whose edge
  bool inner = false;          ///< from one node to another, or to a server behind one
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Micros now() const { return now_; }
  Rng& rng() { return rng_; }
  const WorldOptions& options() const { return options_; }

  // The first node, which is the only one of most worlds.
  engine::Engine& engine() { return nodes_[0]->engine(); }
  engine::Shard& shard(size_t i) { return nodes_[0]->shard(i); }
  io::SimBackend& backend(size_t i) { return nodes_[0]->backend(i); }
  Kernel& kernel() { return nodes_[0]->kernel(); }
  uint64_t drops(Drop d) const { return nodes_[0]->drops(d); }
  uint64_t unsent(Drop d) const { return nodes_[0]->unsent(d); }
  uint64_t all_drops() const { return nodes_[0]->all_drops(); }

  Node& add_node(NodeOptions options);
  Node& node(size_t i) { return *nodes_[i]; }
  const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  /// Made with the world's chance: see fork(). `outside`: where it is spoken to.
  template <class S, class... A>
  S& add_station(const Address& outside, A&&... a) {
    auto made = std::make_unique<S>(std::forward<A>(a)...);
    S& s = *made;
    stations_.push_back(std::move(made));
    register_station(outside, s);
    return s;
  }
  /// Datagrams to the address reach the station too, if its edge lets them.
  void register_station(const Address& outside, Station& s);
  /// It has something to say, though nothing has come.
  void poke(Station& s) { station_sends(s); }
  Rng fork() { return rng_.fork(); }
  crypto::Random client_random() { return client_random_->view(); }

  /// Offers, and hands the answer to the client at once.
  Host& call(const HostOptions& o, size_t node = 0);
  void restart_ice(Host& h);
  void hang_up(Host& h);
  void rebind(Host& h, bool other_address) { rebind(static_cast<Station&>(h), other_address); }
  void rebind(Station& s, bool other_address);
  std::vector<std::unique_ptr<Host>>& hosts() { return hosts_; }
  /// Every path is as it should be from now on.
  void heal_links();
  /// Whose session it is; nullptr for none.
  Host* host_of(const Node& node, engine::SessionKey key);

  void at(Micros t, std::function<void()> f);
  void run_until(Micros t);
  void run_for(Micros span) { run_until(now_ + span); }
  /// False if `limit` passed before it came true.
  bool run_until(Micros limit, const std::function<bool()>& done);

  /// A datagram appears in front of the node that it is for, from wherever it says.
  void inject(const Endpoint& from, const Endpoint& to, Bytes bytes, bool honest = false);

  // Hooks for stories and attackers.
  /// True: the datagram is lost before the link.
  std::function<bool(const Host&, bool to_server, Bytes)> lose;
  /// Everything that reaches or leaves a node.
  std::function<void(const Seen&)> tap;
  /// What is sent to an address that is no client's.
  std::function<void(const Seen&)> stray;

  std::vector<engine::Event> events;
  /// Of every datagram that reached or left a node: when, between whom and what.
  uint64_t trace_hash() const { return trace_; }
  uint64_t datagrams() const { return datagrams_; }

  [[noreturn]] void fail(const std::string& what) const;

  // For its nodes.
  Rng& schedule() { return schedule_; }
  crypto::Random random() { return random_->view(); }
  HashSeed hash_seed();
  Micros lag(Micros most);
  Node* node_at(const Address& a);
  void note(Node& n, const engine::Event& e);
  void node_sends(Node& n, const io::SimDatagram& d, Bytes bytes);

 private:
  struct Event {
    Micros at;
    uint64_t order;
    std::function<void()> f;
    bool operator<(const Event& o) const { return at != o.at ? at > o.at : order > o.order; }
  };

  Micros next_event() const;
  std::string who_is_due() const;
  void step();
  void run_agenda();
  void run_stations();
  Link& backbone(const Node& from, const Node& to);
  void station_sends(Station& s);
  /// What has crossed the Internet reaches whoever has the address.
  void arrive(const Endpoint& from, const Endpoint& to, Bytes bytes);
  void deliver(const Endpoint& from, const Endpoint& to, Bytes bytes);
  void trace(const Seen& s);

  WorldOptions options_;
  Rng rng_;
  Rng schedule_;
  std::unique_ptr<crypto::StreamRandom> random_;
  std::unique_ptr<crypto::StreamRandom> client_random_;
  std::unique_ptr<srtp::Cipher> cipher_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::pair<size_t, size_t>, Link> backbones_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<Station*> everybody_;
  std::multimap<Address, Station*> by_address_;
  std::priority_queue<Event> agenda_;
  Micros now_ = seconds(1);
  uint64_t order_ = 0;
  uint32_t steps_at_once_ = 0;
  uint8_t moved_ = 0;
  uint64_t trace_ = 0xcbf29ce484222325;
  uint64_t datagrams_ = 0;
};

}  // namespace sluice::sim
