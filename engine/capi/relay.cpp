#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/capi/handle.h"
#include "engine/relay/keys.h"
#include "engine/relay/text.h"
#include "net/crypto/random.h"
#include "net/sdp/rewrite.h"

using namespace sluice;
using capi::invalid;
using capi::invalid_text;
using engine::Failure;
namespace relay = sluice::engine::relay;

static_assert(turn::kRefusals <= SLUICE_TURN_REFUSALS_MAX);

namespace {

constexpr uint32_t kDefaultRouteTtl = 3600;
constexpr unsigned kTtlMax = 604'800;
constexpr size_t kSdpBytesMax = 65'536;

std::string text_of(const Endpoint& e) {
  EndpointText buffer;
  return std::string(format(e, buffer));
}

std::expected<relay::ServerId, Failure> read_id(const char* id) {
  if (id == nullptr) return std::unexpected(invalid("id", "the ID is missing", "name the server"));
  const auto parsed = relay::parse_server_id(id);
  if (!parsed) return std::unexpected(invalid_text("id", parsed.error()));
  return *parsed;
}

std::expected<Endpoint, Failure> read_target(std::string field, const char* address) {
  if (address == nullptr)
    return std::unexpected(invalid(std::move(field), "the address is missing", "give ADDR:PORT"));
  const auto parsed = relay::parse_target(address);
  if (!parsed) return std::unexpected(invalid_text(std::move(field), parsed.error()));
  return *parsed;
}

std::expected<relay::ServerConfig, Failure> read_server(const sluice_engine& e, const sluice_server& c) {
  const auto id = read_id(c.id);
  if (!id) return std::unexpected(id.error());
  const auto address = read_target("address", c.address);
  if (!address) return std::unexpected(address.error());
  const engine::EngineConfig& config = e.engine->config();
  if (config.media && *id == config.node)
    return std::unexpected(invalid("id", "this ID is the process itself", "name another server"));
  if (c.trunk != 0 && !config.trunk.key)
    return std::unexpected(invalid("trunk", "this process has no trunk key", "start it with one"));
  return relay::ServerConfig{.id = *id, .address = *address, .trunk = c.trunk != 0};
}

/// The element `i` of an array whose elements have the size that the first one names.
sluice_route route_at(const sluice_route* routes, size_t i) {
  const size_t stride = routes->size;
  const sluice_route defaults{};
  return capi::take_in(
      *reinterpret_cast<const sluice_route*>(reinterpret_cast<const char*>(routes) + i * stride), defaults);
}

/// `whole`: with server and lifetime, not only what names the route.
std::expected<std::vector<relay::RouteRequest>, Failure> read_routes(const sluice_route* routes, size_t count,
                                                                     bool whole) {
  std::vector<relay::RouteRequest> out;
  out.reserve(count);
  if (count > 0)
    if (const auto ok = capi::check_size("routes[0].size", routes->size); !ok)
      return std::unexpected(ok.error());
  for (size_t i = 0; i < count; ++i) {
    const sluice_route c = route_at(routes, i);
    if (c.ufrag == nullptr)
      return std::unexpected(
          invalid(fmt::format("routes[{}].ufrag", i), "the ufrag is missing", "give the server's ice-ufrag"));
    relay::RouteRequest& r = out.emplace_back();
    r.ufrag = c.ufrag;
    r.prefix = c.prefix != 0;
    if (!whole) continue;
    const auto server = read_target(fmt::format("routes[{}].server", i), c.server);
    if (!server) return std::unexpected(server.error());
    r.server = *server;
    r.ttl_s = c.ttl_s == 0 ? kDefaultRouteTtl : c.ttl_s;
  }
  return out;
}

/// Runs `f` if no size is 0.
template <class F>
sluice_code sized(sluice_error* err, std::initializer_list<std::pair<const char*, size_t>> sizes, F&& f) {
  return capi::guarded(err, [&] {
    for (const auto& [what, size] : sizes)
      if (const auto ok = capi::check_size(what, size); !ok) return capi::report(err, ok.error());
    return f();
  });
}

std::expected<void, Failure> check_ttl(unsigned ttl_s) {
  if (ttl_s >= 1 && ttl_s <= kTtlMax) return {};
  return std::unexpected(
      invalid("ttl_s", fmt::format("{} is out of range", ttl_s), fmt::format("use 1 to {}", kTtlMax)));
}

std::expected<sdp::Rewritten, Failure> rewrite(const sluice_engine& e, const sluice_sdp_request& c) {
  if (c.sdp == nullptr || c.sdp_len > kSdpBytesMax)
    return std::unexpected(
        invalid("sdp", "it is missing or longer than 65536 bytes", "send one description"));
  if (static_cast<unsigned>(c.direction) > SLUICE_TO_CLIENT)
    return std::unexpected(
        invalid("direction", "there is no such direction", "use SLUICE_TO_SERVER or SLUICE_TO_CLIENT"));
  const engine::EngineConfig& config = e.engine->config();
  if (!config.relay.on)
    return std::unexpected(Failure{SLUICE_E_UNSUPPORTED, "sdp", "this process is no relay",
                                   "start it with --role relay or both"});
  auto out = c.direction == SLUICE_TO_SERVER ? sdp::towards_server({c.sdp, c.sdp_len})
                                             : sdp::towards_client({c.sdp, c.sdp_len}, config.candidates);
  if (!out) return std::unexpected(invalid(out.error().field, out.error().message, out.error().fix));
  return std::move(*out);
}

std::expected<void, Failure> install(sluice_engine& e, const sluice_sdp_request& c, const sdp::Rewritten& r) {
  if (c.server == nullptr) return {};
  if (c.direction != SLUICE_TO_CLIENT)
    return std::unexpected(
        invalid("server", "a client's ufrags lead nowhere", "name the server with its own description"));
  const auto server = read_target("server", c.server);
  if (!server) return std::unexpected(server.error());
  std::vector<relay::RouteRequest> routes;
  for (const auto& ufrag : r.ufrags)
    routes.push_back({.ufrag = ufrag,
                      .prefix = false,
                      .server = *server,
                      .ttl_s = c.ttl_s == 0 ? kDefaultRouteTtl : c.ttl_s});
  return e.engine->put_routes(routes, capi::monotonic_now());
}

std::vector<std::string> turn_uris(const engine::EngineConfig& config) {
  std::vector<std::string> out;
  if (!config.turn.on) return out;
  for (const Endpoint& e : config.candidates)
    out.push_back(fmt::format("turn:{}?transport=udp", text_of(e)));
  for (const Endpoint& e : config.tcp_candidates)
    out.push_back(fmt::format("turn:{}?transport=tcp", text_of(e)));
  for (const Endpoint& tls : config.turn.tls_listen) {
    if (!tls.addr.is_unspecified()) {
      out.push_back(fmt::format("turns:{}?transport=tcp", text_of(tls)));
      continue;
    }
    std::vector<Address> seen;
    for (const Endpoint& e : config.candidates) {
      if (std::ranges::find(seen, e.addr) != seen.end()) continue;
      seen.push_back(e.addr);
      out.push_back(fmt::format("turns:{}?transport=tcp", text_of({e.addr, tls.port})));
    }
  }
  return out;
}

sluice_server_stats server_stats(const relay::ServerReport& r) {
  sluice_server_stats s{};
  if (r.named) capi::copy_text(s.id, relay::to_text(r.config.id));
  capi::copy_text(s.address, text_of(r.config.address));
  s.trunk = r.config.trunk ? 1 : 0;
  s.flows = r.flows;
  s.unconfirmed = r.unconfirmed;
  s.up_packets = r.up_packets;
  s.up_bytes = r.up_bytes;
  s.down_packets = r.down_packets;
  s.down_bytes = r.down_bytes;
  s.routes = r.routes;
  s.up = r.up ? 1 : 0;
  s.draining = r.draining ? 1 : 0;
  s.rtt_us = r.rtt_us;
  if (r.claims != 0) capi::copy_text(s.claims, relay::to_text(relay::id_on_trunk(r.claims)));
  s.lost_up = r.lost_up;
  s.lost_down = r.lost_down;
  return s;
}

}  // namespace

extern "C" {

sluice_code sluice_put_server(sluice_engine* e, const sluice_server* server, sluice_error* err) {
  return sized(err, {{"server.size", server->size}}, [&] {
    const auto config = read_server(*e, capi::take_in(*server, sluice_server{}));
    if (!config) return capi::report(err, config.error());
    const auto done = e->engine->put_server(*config);
    return done ? SLUICE_OK : capi::report(err, done.error());
  });
}

sluice_code sluice_remove_server(sluice_engine* e, const char* id, sluice_error* err) {
  return capi::guarded(err, [&] {
    const auto parsed = read_id(id);
    if (!parsed) return capi::report(err, parsed.error());
    const auto done = e->engine->remove_server(*parsed);
    return done ? SLUICE_OK : capi::report(err, done.error());
  });
}

size_t sluice_servers(sluice_engine* e, sluice_server_stats* out, size_t cap) {
  size_t n = 0;
  (void)capi::guarded(nullptr, [&] {
    const auto servers = e->engine->servers();
    for (size_t i = 0; i < servers.size() && i < cap; ++i)
      capi::hand_out_at(out, i, server_stats(servers[i]));
    n = servers.size();
    return SLUICE_OK;
  });
  return n;
}

sluice_code sluice_put_routes(sluice_engine* e, const sluice_route* routes, size_t count, sluice_error* err) {
  return capi::guarded(err, [&] {
    const auto parsed = read_routes(routes, count, true);
    if (!parsed) return capi::report(err, parsed.error());
    const auto done = e->engine->put_routes(*parsed, capi::monotonic_now());
    return done ? SLUICE_OK : capi::report(err, done.error());
  });
}

sluice_code sluice_remove_routes(sluice_engine* e, const sluice_route* routes, size_t count, size_t* removed,
                                 sluice_error* err) {
  return capi::guarded(err, [&] {
    const auto parsed = read_routes(routes, count, false);
    if (!parsed) return capi::report(err, parsed.error());
    const size_t n = e->engine->remove_routes(*parsed);
    if (removed != nullptr) *removed = n;
    return SLUICE_OK;
  });
}

void sluice_get_relay_stats(sluice_engine* e, sluice_relay_stats* out) {
  (void)capi::guarded(nullptr, [&] {
    const engine::EngineConfig& config = e->engine->config();
    const relay::RelayTotals t = e->engine->relay_totals();
    sluice_relay_stats s{};
    s.tier = !config.media ? SLUICE_TIER_RELAY : config.relay.on ? SLUICE_TIER_BOTH : SLUICE_TIER_MEDIA;
    s.relay = config.relay.on ? 1 : 0;
    s.trunk = config.trunk.key ? 1 : 0;
    s.turn = config.turn.on ? 1 : 0;
    s.flows = t.flows;
    s.unconfirmed = t.unconfirmed;
    s.flows_created = t.flows_created;
    s.flows_expired = t.flows_expired;
    s.up_packets = t.up_packets;
    s.up_bytes = t.up_bytes;
    s.down_packets = t.down_packets;
    s.down_bytes = t.down_bytes;
    s.routes = t.routes;
    s.max_routes = config.relay.on ? config.relay.max_routes : 0;
    s.max_flows = config.relay.on ? config.relay.max_flows + t.by_trunk / 2 : 0;
    s.servers = static_cast<unsigned>(e->engine->servers().size());
    s.ports_open = t.ports_open;
    s.trunk_direct = config.trunk.direct ? 1 : 0;
    std::tie(s.direct_packets, s.direct_bytes) = e->engine->direct_totals();
    capi::hand_out(out, s);
    return SLUICE_OK;
  });
}

void sluice_get_turn_stats(sluice_engine* e, sluice_turn_stats* out) {
  (void)capi::guarded(nullptr, [&] {
    const relay::TurnConfig& config = e->engine->config().turn;
    const turn::Counters t = e->engine->turn_totals();
    sluice_turn_stats s{};
    s.on = config.on ? 1 : 0;
    s.allocations = t.allocations;
    s.max_allocations = config.on ? config.max_allocations : 0;
    s.streams = t.streams;
    s.reservations = t.reservations;
    s.created = t.created;
    s.expired = t.expired;
    s.deleted = t.deleted;
    s.moved = t.moved;
    s.refreshed = t.refreshed;
    s.permissions = t.permissions;
    s.channels = t.channels;
    s.bindings = t.bindings;
    s.up_packets = t.channel_to_peer + t.send_to_peer;
    s.up_bytes = t.bytes_to_peer;
    s.down_packets = t.channel_to_client + t.data_to_client;
    s.down_bytes = t.bytes_to_client;
    s.channel_packets = t.channel_to_peer + t.channel_to_client;
    s.refused_count = turn::kRefusals;
    std::ranges::copy(turn::kRefusalCodes, s.refused_code);
    std::ranges::copy(t.refused, s.refused);
    capi::hand_out(out, s);
    return SLUICE_OK;
  });
}

sluice_code sluice_mint_ufrag(sluice_engine* e, const char* id, unsigned ttl_s, sluice_minted* out,
                              sluice_error* err) {
  return sized(err, {{"out.size", out->size}}, [&] {
    const auto server = read_id(id);
    if (!server) return capi::report(err, server.error());
    if (const auto ok = check_ttl(ttl_s); !ok) return capi::report(err, ok.error());
    const auto now = static_cast<uint64_t>(capi::unix_now_us() / 1'000'000);
    const auto minted = relay::mint(e->minting_key, *server, now, ttl_s, crypto::system_random());
    sluice_minted full{};
    capi::copy_text(full.ufrag, ice::text(minted.ufrag));
    if (minted.password) capi::copy_text(full.password, minted.password->text());
    capi::hand_out(out, full);
    crypto::cleanse({reinterpret_cast<uint8_t*>(full.password), sizeof full.password});
    return SLUICE_OK;
  });
}

sluice_code sluice_turn_credential(sluice_engine* e, const char* user, unsigned ttl_s, sluice_turn_login* out,
                                   sluice_error* err) {
  return sized(err, {{"out.size", out->size}}, [&] {
    const relay::TurnConfig& turn = e->engine->config().turn;
    if (turn.secrets.empty())
      return capi::report(err, {SLUICE_E_UNSUPPORTED, "turn_secret",
                                "there is no secret for TURN credentials", "start with --turn-secret @FILE"});
    if (user == nullptr || !relay::valid_turn_user(user))
      return capi::report(
          err, invalid("user", "this is no user name",
                       fmt::format("use 1 to {} bytes of text without a colon", relay::kTurnUserBytesMax)));
    if (const auto ok = check_ttl(ttl_s); !ok) return capi::report(err, ok.error());
    const auto expires = static_cast<uint64_t>(capi::unix_now_us() / 1'000'000) + ttl_s;
    const auto login = relay::turn_credential(turn.secrets.front(), user, expires);
    sluice_turn_login full{};
    capi::copy_text(full.username, login.username);
    capi::copy_text(full.password, login.password);
    capi::hand_out(out, full);
    return SLUICE_OK;
  });
}

size_t sluice_turn_uris(const sluice_engine* e, char (*out)[96], size_t cap) {
  size_t n = 0;
  (void)capi::guarded(nullptr, [&] {
    const auto uris = turn_uris(e->engine->config());
    for (size_t i = 0; i < uris.size() && i < cap; ++i) capi::copy_text(out[i], uris[i]);
    n = uris.size();
    return SLUICE_OK;
  });
  return n;
}

sluice_code sluice_rewrite_sdp(sluice_engine* e, const sluice_sdp_request* request, char* out, size_t out_cap,
                               size_t* out_len, sluice_sdp_result* result, sluice_error* err) {
  *out_len = 0;
  return sized(err, {{"request.size", request->size}, {"result.size", result->size}}, [&] {
    const sluice_sdp_request c = capi::take_in(*request, sluice_sdp_request{});
    const auto rewritten = rewrite(*e, c);
    if (!rewritten) return capi::report(err, rewritten.error());
    // Nothing may be half done: no route for a description that nobody gets.
    const auto code = capi::put_text(rewritten->text, out, out_cap, out_len, "out_cap", err);
    if (code != SLUICE_OK) return code;
    if (const auto ok = install(*e, c, *rewritten); !ok) {
      *out_len = 0;
      return capi::report(err, ok.error());
    }
    sluice_sdp_result full{};
    for (const auto& ufrag : rewritten->ufrags)
      if (full.ufrag_count < SLUICE_UFRAGS_MAX) capi::copy_text(full.ufrag[full.ufrag_count++], ufrag);
    capi::hand_out(result, full);
    return SLUICE_OK;
  });
}

}  // extern "C"
