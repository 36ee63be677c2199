#include <algorithm>

#include <fmt/format.h>

#include "engine/capi/handle.h"
#include "engine/relay/keys.h"
#include "engine/relay/text.h"
#include "net/crypto/random.h"

namespace sluice::capi {
namespace {

using engine::Failure;
using Status = std::expected<void, Failure>;
namespace relay = engine::relay;

bool is_given(const char* s) { return s != nullptr && *s != 0; }

/// Reads each string of a list with `parse` into `out`.
template <class T, class F>
Status parse_each(const char* field, const char* const* list, size_t n, F parse_one, std::vector<T>& out) {
  if (auto ok = check_list(field, list, n); !ok) return ok;
  for (size_t i = 0; i < n; ++i) {
    auto one = parse_one(std::string_view(list[i]));
    if (!one) return std::unexpected(invalid_text(fmt::format("{}[{}]", field, i), one.error()));
    out.push_back(std::move(*one));
  }
  return {};
}

std::expected<Address, relay::TextError> parse_own_address(std::string_view text) {
  const auto a = parse_address(text);
  if (a && !a->is_unspecified()) return *a;
  return std::unexpected("this is no IP address; write an address of this host, without a port");
}

std::expected<Endpoint, relay::TextError> parse_own_endpoint(std::string_view text) {
  if (const auto e = parse_endpoint(text)) return *e;
  return std::unexpected("this is no ADDR:PORT; write 192.0.2.1:3479 or [2001:db8::1]:3479");
}

Status parse_tier(const sluice_config& c, engine::EngineConfig& out) {
  if (static_cast<unsigned>(c.tier) > SLUICE_TIER_MEDIA)
    return std::unexpected(invalid("role", "there is no such role",
                                   "use SLUICE_TIER_BOTH, SLUICE_TIER_RELAY or SLUICE_TIER_MEDIA"));
  out.media = c.tier != SLUICE_TIER_RELAY;
  out.relay.on = c.tier != SLUICE_TIER_MEDIA;
  if (!is_given(c.node)) return {};
  const auto id = relay::parse_server_id(c.node);
  if (!id) return std::unexpected(invalid_text("node", id.error()));
  out.node = *id;
  return {};
}

/// A media tier has an ICE key for each route key, a relay has none.
Status parse_keys(const sluice_config& c, engine::EngineConfig& out) {
  if (is_given(c.ice_key) && !is_given(c.route_key))
    return std::unexpected(invalid("ice_key", "there is no route key to go with it",
                                   "give both: they are minted with together"));
  if (is_given(c.ice_key) && !out.media)
    return std::unexpected(invalid("ice_key", "a relay makes no ICE passwords", "leave it out"));
  crypto::Random random = crypto::system_random();
  if (is_given(c.route_key)) {
    auto keys = relay::fleet_keys(c.route_key, is_given(c.ice_key) ? c.ice_key : "");
    if (!keys) return std::unexpected(invalid_text(std::string(keys.error().field), keys.error().message));
    out.keys = std::move(*keys);
  } else {
    out.keys.push_back({.id = 0, .route = random.bytes<crypto::AesBlock::kKeyBytes>(), .ice = std::nullopt});
  }
  for (relay::FleetKey& key : out.keys)
    if (out.media && !key.ice) key.ice = random.bytes<ice::kIceKeyBytes>();
  return {};
}

Status parse_trunk(const sluice_config& c, engine::EngineConfig& out) {
  if (is_given(c.trunk)) {
    const auto e = parse_own_endpoint(c.trunk);
    if (!e) return std::unexpected(invalid_text("trunk", e.error()));
    out.trunk.listen = *e;
  }
  out.trunk.direct = c.trunk_direct != 0;
  if (out.trunk.direct && (!out.media || !out.trunk.listen))
    return std::unexpected(invalid("trunk_direct", "this is no media tier that relays reach by trunk",
                                   "give trunk, or leave it out"));
  if (!is_given(c.trunk_key)) {
    if (!out.trunk.listen) return {};
    return std::unexpected(invalid("trunk", "a trunk has a key", "give trunk_key too"));
  }
  const auto lines = relay::parse_keys(c.trunk_key);
  if (!lines) return std::unexpected(invalid_text("trunk_key", lines.error()));
  if (lines->size() != 1)
    return std::unexpected(invalid("trunk_key", "a trunk has one key", "leave one line"));
  out.trunk.key = relay::derive_trunk_key(lines->front().text());
  // A relay needs no address that others know.
  if (!out.trunk.listen && out.relay.on) out.trunk.listen = Endpoint{Address{}, 0};
  return {};
}

Status parse_servers(const sluice_config& c, engine::EngineConfig& out) {
  auto& servers = out.relay.servers;
  if (auto ok = parse_each("server", c.server, c.server_count, relay::parse_server, servers); !ok) return ok;
  for (size_t i = 0; i < servers.size(); ++i) {
    const auto field = [&] { return fmt::format("server[{}]", i); };
    if (!out.relay.on)
      return std::unexpected(invalid(field(), "a media tier forwards to no server", "use another role"));
    if (servers[i].trunk && !out.trunk.key)
      return std::unexpected(invalid(field(), "a trunk has a key", "give trunk_key too"));
    const auto same = [&](const relay::ServerConfig& s) { return s.id == servers[i].id; };
    if (std::ranges::find_if(servers, same) - servers.begin() != static_cast<std::ptrdiff_t>(i))
      return std::unexpected(invalid(field(), "this ID is given twice", "name every server once"));
    if (out.media && servers[i].id == out.node)
      return std::unexpected(invalid(field(), "this ID is the process itself", "give it another node"));
  }
  return {};
}

Status parse_forwarding(const sluice_config& c, engine::EngineConfig& out) {
  if (auto ok = check_range("max_flows", c.max_flows, 1, 16'777'216); !ok) return ok;
  if (auto ok = check_range("max_routes", c.max_routes, 0, 1'048'576); !ok) return ok;
  if (auto ok = check_range("max_servers", c.max_servers, 1, 65'535); !ok) return ok;
  if (auto ok = check_range("flow_idle_s", c.flow_idle_s, 5, 86'400); !ok) return ok;
  if (c.server_count > c.max_servers)
    return std::unexpected(invalid("server", "there are more servers than max_servers", "raise it"));
  if (static_cast<unsigned>(c.relay_port_mode) > SLUICE_RELAY_PORTS_STEERED)
    return std::unexpected(
        invalid("relay_port_mode", "there is no such mode", "use SLUICE_RELAY_PORTS_AUTO"));
  if (is_given(c.relay_ports)) {
    const auto ports = relay::parse_ports(c.relay_ports);
    if (!ports) return std::unexpected(invalid_text("relay_ports", ports.error()));
    out.relay.ports = *ports;
  }
  out.relay.port_mode = static_cast<relay::PortMode>(c.relay_port_mode);
  if (static_cast<unsigned>(c.transmit) > SLUICE_TRANSMIT_FRAMES)
    return std::unexpected(invalid("transmit", "there is no such way", "use SLUICE_TRANSMIT_AUTO"));
  out.relay.transmit = static_cast<relay::Transmit>(c.transmit);
  if (static_cast<unsigned>(c.receive) > SLUICE_RECEIVE_FRAMES)
    return std::unexpected(invalid("receive", "there is no such way", "use SLUICE_RECEIVE_SOCKETS"));
  out.relay.receive = static_cast<relay::Receive>(c.receive);
  out.relay.max_flows = c.max_flows;
  out.relay.max_routes = c.max_routes;
  out.relay.max_servers = c.max_servers;
  out.relay.idle = seconds(c.flow_idle_s);
  return parse_each("relay_address", c.relay_address, c.relay_address_count, parse_own_address,
                    out.relay.addresses);
}

Status parse_turn_secrets(const char* text, relay::TurnConfig& out) {
  if (!is_given(text)) return {};
  const auto lines = relay::parse_turn_secrets(text);
  if (!lines) return std::unexpected(invalid_text("turn_secret", lines.error()));
  for (const auto& line : *lines) out.secrets.emplace_back(line.text);
  return {};
}

Status parse_turn_tls(const sluice_config& c, relay::TurnConfig& out) {
  if (auto ok = parse_each("turn_tls", c.turn_tls, c.turn_tls_count, parse_own_endpoint, out.tls_listen); !ok)
    return ok;
  out.tls_asked = !out.tls_listen.empty();
  const bool certified = is_given(c.turn_tls_cert_file) && is_given(c.turn_tls_key_file);
  if (!out.tls_asked && !certified) return {};
  if (!out.tls_asked && out.on) out.tls_listen.push_back({Address{}, relay::kTurnTlsPort});
  if (!is_given(c.turn_tls_cert_file) || !is_given(c.turn_tls_key_file))
    return std::unexpected(
        invalid("turn_tls", "TLS needs a certificate", "give turn_tls_cert_file and turn_tls_key_file"));
  out.tls_cert = c.turn_tls_cert_file;
  out.tls_key = c.turn_tls_key_file;
  return {};
}

Status parse_turn(const sluice_config& c, relay::TurnConfig& out) {
  if (auto ok = parse_turn_secrets(c.turn_secret, out); !ok) return ok;
  if (auto ok = parse_each("turn_user", c.turn_user, c.turn_user_count, relay::parse_turn_user, out.users);
      !ok)
    return ok;
  for (size_t i = 0; i < out.users.size(); ++i) {
    const auto first = std::ranges::find(out.users, out.users[i].name, &relay::TurnUser::name);
    if (first - out.users.begin() != static_cast<std::ptrdiff_t>(i))
      return std::unexpected(
          invalid(fmt::format("turn_user[{}]", i), "this user is given twice", "name every user once"));
  }
  if (is_given(c.realm) && !relay::valid_realm(c.realm))
    return std::unexpected(
        invalid("realm",
                std::string_view(c.realm).size() > relay::kRealmBytesMax ? "this realm is too long"
                                                                         : "this is no realm",
                fmt::format("use 1 to {} printable characters without quotes, e.g. turn.example",
                            relay::kRealmBytesMax)));
  if (auto ok = check_range("max_allocations", c.max_allocations, 1, 1'048'576); !ok) return ok;
  if (auto ok = check_range("turn_user_quota", c.turn_user_quota, 0, 1'048'576); !ok) return ok;
  if (auto ok = check_range("turn_allocation_kbps", c.turn_allocation_kbps, 0, 4'000'000); !ok) return ok;
  out.on = !out.users.empty() || !out.secrets.empty();
  if (is_given(c.realm)) out.realm = c.realm;
  out.max_allocations = c.max_allocations;
  out.user_quota = c.turn_user_quota;
  out.allocation_bps = uint64_t{c.turn_allocation_kbps} * 1000;
  if (auto ok = parse_each("turn_allow_peer", c.turn_allow_peer, c.turn_allow_peer_count, relay::parse_cidr,
                           out.allow_peers);
      !ok)
    return ok;
  return parse_turn_tls(c, out);
}

}  // namespace

std::expected<void, Failure> parse_relay(const sluice_config& c, ParsedConfig& out) {
  out.relay_ports_asked = c.relay_address_count > 0 || c.relay_port_mode != SLUICE_RELAY_PORTS_AUTO;
  for (const auto part : {parse_tier, parse_keys, parse_trunk, parse_servers, parse_forwarding})
    if (auto ok = part(c, out.engine); !ok) return ok;
  return parse_turn(c, out.engine.turn);
}

}  // namespace sluice::capi
