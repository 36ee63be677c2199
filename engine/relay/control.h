// The control thread's side of a relay: servers by name and address, installed routes, and their figures.
#pragma once

#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/config.h"
#include "engine/relay/shared.h"
#include "engine/shard/messages.h"

namespace sluice::engine::relay {

/// Control thread only.
class Control {
 public:
  /// How a command reaches every shard.
  using TellAll = std::function<void(const Command&)>;

  Control(const RelayConfig& config, uint32_t shards, const crypto::Random& random, TellAll tell_all);

  Shared& shared() { return shared_; }

  std::expected<void, Failure> put_server(const ServerConfig& server);
  std::expected<void, Failure> remove_server(ServerId id);
  /// `unix_s`: wall clock.
  std::expected<void, Failure> put_routes(std::span<const RouteRequest> routes, uint64_t unix_s);
  size_t remove_routes(std::span<const RouteRequest> routes);
  /// Lets go what has expired; now and then.
  void poll(Micros now, uint64_t unix_s);

  std::vector<ServerReport> servers() const;
  uint64_t routes() const { return routes_.size(); }

 private:
  struct Server {
    ServerConfig config;
    bool used = false;
    bool named = false;
    uint64_t routes = 0;
    Micros quiet_since;  ///< no route, no flow
  };
  struct Route {
    ServerIndex server = 0;
    uint32_t expires = 0;
  };

  std::expected<ServerIndex, Failure> add(const ServerConfig& server, bool named);
  std::expected<ServerIndex, Failure> target(const Endpoint& address);
  void release(ServerIndex index);
  void tell(ServerIndex index);
  void add_figures(ServerIndex index, ServerReport& r) const;
  ServerReport report(ServerIndex index) const;
  std::expected<void, Failure> check(const RouteRequest& r, size_t i, uint64_t unix_s) const;
  bool has_room_for_targets(std::span<const RouteRequest> routes) const;
  void erase_route(std::unordered_map<std::string, Route>::iterator it);
  static std::string key_of(const RouteRequest& r) { return (r.prefix ? "p" : "x") + r.ufrag; }

  RelayConfig config_;
  uint32_t shards_;
  Shared shared_;
  TellAll tell_all_;
  std::vector<Server> servers_;
  std::map<Endpoint, ServerIndex> by_address_;  ///< of those without a name
  std::unordered_map<std::string, Route> routes_;
  std::set<std::pair<uint32_t, std::string>> expiry_;  ///< (expires, key) of each route
};

}  // namespace sluice::engine::relay
