#include "engine/relay/control.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/relay/text.h"
#include "engine/sluice.h"

namespace sluice::engine::relay {
namespace {

/// A target of routes keeps its place for so long after its last route and flow, so that no flow ever meets
/// another server under the same index.
constexpr Micros kQuarantine = seconds(120);
constexpr uint32_t kMaxTtl = 7 * 86400;

bool is_ice_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/';
}

Failure at(size_t i, std::string_view what, int code, std::string message, std::string fix) {
  return {code, fmt::format("routes[{}].{}", i, what), std::move(message), std::move(fix)};
}

Failure no_places() {
  return {SLUICE_E_LIMIT, "server", "all places for servers are in use",
          "raise max_servers, or remove servers that are gone (a target of routes is free two minutes after "
          "its last route and flow)"};
}

std::string text_of(const Endpoint& e) {
  EndpointText buffer;
  return std::string(format(e, buffer));
}

}  // namespace

Control::Control(const RelayConfig& config, uint32_t shards, const crypto::Random& random, TellAll tell_all)
    : config_(config), shards_(shards), shared_(config, shards, random), tell_all_(std::move(tell_all)) {}

void Control::tell(ServerIndex index) {
  const Server& s = servers_[index];
  Command c;
  c.kind = Command::Kind::server;
  c.server = index;
  c.server_name = name_on_trunk(s.config.id);
  c.address = s.config.address;
  c.trunk = s.config.trunk;
  c.present = s.used;
  tell_all_(c);
}

std::expected<ServerIndex, Failure> Control::add(const ServerConfig& server, bool named) {
  size_t i = 0;
  while (i < servers_.size() && servers_[i].used) ++i;
  if (i == config_.max_servers) return std::unexpected(no_places());
  if (i == servers_.size()) servers_.emplace_back();
  servers_[i] = {.config = server, .used = true, .named = named, .routes = 0, .quiet_since = {}};
  tell(static_cast<ServerIndex>(i));
  return static_cast<ServerIndex>(i);
}

std::expected<void, Failure> Control::put_server(const ServerConfig& server) {
  const ServerIndex known = shared_.server_of(server.id);
  if (server.address.port == 0 || server.address.addr.is_unspecified())
    return std::unexpected(Failure{SLUICE_E_INVALID, "address",
                                   fmt::format("{} is nowhere", text_of(server.address)),
                                   "give the server's own address and port"});
  if (known != Shared::kNoServer) {
    servers_[known].config = server;
    tell(known);
    return {};
  }
  const auto index = add(server, true);
  if (!index) return std::unexpected(index.error());
  shared_.set_server(server.id, *index);
  return {};
}

std::expected<void, Failure> Control::remove_server(ServerId id) {
  const ServerIndex known = shared_.server_of(id);
  if (known == Shared::kNoServer)
    return std::unexpected(Failure{SLUICE_E_NOT_FOUND, "server",
                                   fmt::format("there is no server {}", to_text(id)),
                                   "GET /v1/servers lists those there are"});
  shared_.set_server(id, Shared::kNoServer);
  release(known);
  return {};
}

void Control::release(ServerIndex index) {
  servers_[index].used = false;
  // Shards end its flows when they hear of it, before anything that is said later.
  tell(index);
}

std::expected<ServerIndex, Failure> Control::target(const Endpoint& address) {
  if (const auto it = by_address_.find(address); it != by_address_.end()) return it->second;
  const auto index = add({.id = {}, .address = address, .trunk = false}, false);
  if (index) by_address_[address] = *index;
  return index;
}

std::expected<void, Failure> Control::check(const RouteRequest& r, size_t i, uint64_t unix_s) const {
  if (r.ufrag.empty() || r.ufrag.size() > RouteTable::kMaxUfragChars ||
      !std::ranges::all_of(r.ufrag, is_ice_char))
    return std::unexpected(at(i, "ufrag", SLUICE_E_INVALID, "it is no ICE ufrag",
                              "use 1 to 256 of the characters A-Z a-z 0-9 + /"));
  if (r.server.port == 0 || r.server.addr.is_unspecified())
    return std::unexpected(at(i, "server", SLUICE_E_INVALID, fmt::format("{} is nowhere", text_of(r.server)),
                              "give ADDR:PORT of the media server"));
  if (r.ttl_s == 0 || r.ttl_s > kMaxTtl)
    return std::unexpected(at(i, "ttl_s", SLUICE_E_INVALID, fmt::format("{} is out of range", r.ttl_s),
                              fmt::format("use 1 to {}", kMaxTtl)));
  const auto it = routes_.find(key_of(r));
  if (it == routes_.end() || it->second.expires <= unix_s) return {};
  const Endpoint& there = servers_[it->second.server].config.address;
  if (there == r.server) return {};
  return std::unexpected(at(i, "ufrag", SLUICE_E_CONFLICT,
                            fmt::format("it leads to {} already", text_of(there)),
                            "DELETE that route first, or have the server choose longer ufrags"));
}

std::expected<void, Failure> Control::put_routes(std::span<const RouteRequest> routes, uint64_t unix_s) {
  std::unordered_map<std::string, Endpoint> wanted;
  size_t fresh = 0;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (auto ok = check(routes[i], i, unix_s); !ok) return ok;
    const auto [it, first] = wanted.emplace(key_of(routes[i]), routes[i].server);
    if (it->second != routes[i].server)
      return std::unexpected(at(i, "ufrag", SLUICE_E_CONFLICT, "the same request sends it elsewhere too",
                                "list each ufrag once"));
    if (first && !routes_.contains(it->first)) ++fresh;
  }
  if (routes_.size() + fresh > config_.max_routes)
    return std::unexpected(Failure{SLUICE_E_LIMIT, "routes", "they do not fit",
                                   fmt::format("at most {} routes: raise max-routes", config_.max_routes)});
  // What can fail must have failed before anything has changed.
  if (!has_room_for_targets(routes)) return std::unexpected(no_places());
  std::vector<ServerIndex> targets;
  for (const RouteRequest& r : routes) {
    const auto index = target(r.server);
    if (!index) return std::unexpected(index.error());
    targets.push_back(*index);
  }
  for (size_t i = 0; i < routes.size(); ++i) {
    const RouteRequest& r = routes[i];
    const auto expires = static_cast<uint32_t>(unix_s + r.ttl_s);
    const auto [it, first] = routes_.try_emplace(key_of(r));
    if (!first) {
      --servers_[it->second.server].routes;
      expiry_.erase({it->second.expires, it->first});
    }
    it->second = {targets[i], expires};
    ++servers_[targets[i]].routes;
    shared_.routes.put(r.ufrag, r.prefix, targets[i], expires);
    expiry_.emplace(expires, it->first);
  }
  return {};
}

bool Control::has_room_for_targets(std::span<const RouteRequest> routes) const {
  std::set<Endpoint> fresh;
  for (const RouteRequest& r : routes)
    if (!by_address_.contains(r.server)) fresh.insert(r.server);
  return fresh.size() <=
         config_.max_servers - static_cast<size_t>(std::ranges::count_if(servers_, &Server::used));
}

void Control::erase_route(std::unordered_map<std::string, Route>::iterator it) {
  shared_.routes.erase(std::string_view(it->first).substr(1), it->first[0] == 'p');
  --servers_[it->second.server].routes;
  expiry_.erase({it->second.expires, it->first});
  routes_.erase(it);
}

size_t Control::remove_routes(std::span<const RouteRequest> routes) {
  size_t n = 0;
  for (const RouteRequest& r : routes) {
    const auto it = routes_.find(key_of(r));
    if (it == routes_.end()) continue;
    erase_route(it);
    ++n;
  }
  return n;
}

void Control::poll(Micros now, uint64_t unix_s) {
  while (!expiry_.empty() && expiry_.begin()->first <= unix_s)
    erase_route(routes_.find(expiry_.begin()->second));
  for (size_t i = 0; i < servers_.size(); ++i) {
    Server& s = servers_[i];
    if (!s.used || s.named) continue;
    const bool busy = s.routes > 0 || report(static_cast<ServerIndex>(i)).flows > 0;
    if (busy || s.quiet_since == Micros{}) s.quiet_since = now;
    if (now - s.quiet_since < kQuarantine) continue;
    by_address_.erase(s.config.address);
    release(static_cast<ServerIndex>(i));
  }
}

void Control::add_figures(ServerIndex index, ServerReport& r) const {
  for (uint32_t s = 0; s < shards_; ++s) {
    ServerFigures f;
    const bool known = shared_.counters[s][index].load(f);
    if (r.config.trunk) r.up = r.up && known && f.trunk.up;
    if (!known) continue;
    r.flows += f.n.flows;
    r.unconfirmed += f.n.unconfirmed;
    r.up_packets += f.n.up_packets;
    r.up_bytes += f.n.up_bytes;
    r.down_packets += f.n.down_packets;
    r.down_bytes += f.n.down_bytes;
    if (!f.trunk.trunk) continue;
    r.draining = r.draining || f.trunk.draining;
    r.claims = std::max(r.claims, f.trunk.claims);
    r.rtt_us = std::max(r.rtt_us, f.trunk.rtt_us);
    r.lost_up += f.trunk.lost_up;
    r.lost_down += f.trunk.lost_down;
  }
}

ServerReport Control::report(ServerIndex index) const {
  const Server& s = servers_[index];
  ServerReport r{.config = s.config, .named = s.named, .routes = s.routes};
  add_figures(index, r);
  return r;
}

std::vector<ServerReport> Control::servers() const {
  std::vector<ServerReport> out;
  for (size_t i = 0; i < servers_.size(); ++i)
    if (servers_[i].used) out.push_back(report(static_cast<ServerIndex>(i)));
  return out;
}

}  // namespace sluice::engine::relay
