// What holds for several options of the relay tier together, and how they look to a person.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/relay/text.h"
#include "engine/runner.h"
#include "tools/sluice/relay_options.h"

namespace sluice {
namespace {

using Checked = std::expected<void, UsageError>;
namespace relay = engine::relay;

Checked wrong(std::string text) { return std::unexpected(UsageError{std::move(text)}); }

bool given(const Config& c, std::string_view option) { return c.source.contains(option); }
/// "--server", or "sluice.toml:3: server".
std::string at(const Config& c, std::string_view option) {
  const auto source = c.source.find(option);
  return source != c.source.end() ? source->second : fmt::format("--{}", option);
}

/// The first of `options` that was given is refused.
template <size_t N>
Checked refuse(const Config& c, const std::string_view (&options)[N], std::string_view why) {
  for (const auto option : options)
    if (given(c, option)) return wrong(fmt::format("{}: {}", at(c, option), why));
  return {};
}

Checked check_role(const Config& c) {
  if (c.role == SLUICE_TIER_MEDIA) {
    if (auto r = refuse(c, {"server", "max-flows", "max-routes", "max-servers", "flow-idle"},
                        "a media tier ends calls and forwards to no server; use --role relay or both");
        !r)
      return r;
    if (!c.turn_on())
      return refuse(c, {"relay-address", "relay-ports", "relay-port-mode"},
                    "nothing is relayed with --role media without TURN; use --role relay or both");
  }
  if (c.role == SLUICE_TIER_RELAY)
    return refuse(c, {"ice-key"},
                  "a relay makes no ICE passwords, so that a captured one owns none; leave it out");
  return {};
}

Checked check_keys(const Config& c) {
  if (!c.ice_key.empty() && c.route_key.empty())
    return wrong(
        fmt::format("{}: needs --route-key, since ufrag and password are minted together; give both files",
                    at(c, "ice-key")));
  if (!c.trunk.empty() && c.trunk_key.empty())
    return wrong(fmt::format("{}: needs --trunk-key; give the file that relays and media tiers share",
                             at(c, "trunk")));
  if (!c.trunk_key.empty() && c.trunk.empty() && c.role == SLUICE_TIER_MEDIA)
    return wrong(fmt::format("{}: needs --trunk on a media tier; name the endpoint that relays send to",
                             at(c, "trunk-key")));
  if (c.trunk_direct && (c.trunk.empty() || c.role == SLUICE_TIER_RELAY))
    return wrong(
        fmt::format("{}: is for a media tier with --trunk; leave it out, or name the endpoint that "
                    "relays send to",
                    at(c, "trunk-direct")));
  return {};
}

/// As many as the engine would make; 1 where it would refuse the list of cores.
uint32_t shards_of(const Config& c) {
  if (c.shards != 0) return c.shards;
  const auto allowed = engine::allowed_cores();
  if (c.cores.empty()) return static_cast<uint32_t>(allowed.size());
  const auto cores = engine::parse_cores(c.cores, allowed);
  return cores ? static_cast<uint32_t>(cores->size()) : 1;
}

Checked check_ports(const Config& c) {
  const auto trunk = parse_endpoint(c.trunk);
  if (!trunk) return {};
  std::vector<Endpoint> listen;
  for (const auto& text : c.listen)
    if (const auto e = parse_endpoint(text)) listen.push_back(*e);
  if (c.listen.empty()) listen.push_back({Address{}, relay::kListenPort});
  const bool media = c.role != SLUICE_TIER_RELAY;
  const auto ok = relay::check_trunk_ports(relay::trunk_ports(*trunk, media, shards_of(c)), listen);
  return ok ? Checked() : wrong(fmt::format("{}: {}", at(c, "trunk"), ok.error()));
}

Checked check_servers(const Config& c) {
  std::set<relay::ServerId> seen;
  const auto own = relay::parse_server_id(c.node);
  for (const auto& text : c.server) {
    const auto server = relay::parse_server(text);
    if (!server) continue;
    if (server->trunk && c.trunk_key.empty())
      return wrong(fmt::format("{}: '{}' needs --trunk-key; give the file that the server has too",
                               at(c, "server"), text));
    if (!seen.insert(server->id).second)
      return wrong(fmt::format("{}: ID {} is given twice; name every server once", at(c, "server"),
                               relay::to_text(server->id)));
    if (c.role == SLUICE_TIER_BOTH && own && server->id == *own)
      return wrong(fmt::format("{}: ID {} is this process itself; give it another --node", at(c, "server"),
                               relay::to_text(server->id)));
  }
  return {};
}

Checked check_turn(const Config& c) {
  if (!c.turn_on())
    return refuse(c,
                  {"realm", "turn-allow-peer", "max-allocations", "turn-user-quota", "turn-allocation-kbps",
                   "turn-tls", "turn-tls-cert", "turn-tls-key"},
                  "TURN is off; give --turn-user or --turn-secret");
  if (c.turn_tls_cert.empty() != c.turn_tls_key.empty())
    return wrong(fmt::format("--turn-tls-{} needs --turn-tls-{}; give both or neither",
                             c.turn_tls_cert.empty() ? "key" : "cert",
                             c.turn_tls_cert.empty() ? "cert" : "key"));
  if (!c.turn_tls.empty() && c.max_streams == 0)
    return wrong(fmt::format("{}: there is no TLS with --max-streams 0; leave one out", at(c, "turn-tls")));
  if (!c.turn_tls.empty() && c.turn_tls_cert.empty() && c.http_cert.empty())
    return wrong(
        fmt::format("{}: needs a certificate; give --turn-tls-cert and --turn-tls-key, or "
                    "--http-cert and --http-key",
                    at(c, "turn-tls")));
  return {};
}

void explain_relay(const Config& c, std::vector<std::string>& lines) {
  if (c.role == SLUICE_TIER_MEDIA) return;
  if (c.server.empty())
    lines.emplace_back(
        "relaying: to servers named later, by PUT /v1/servers, and for ufrags of others by PUT /v1/routes");
  else
    lines.push_back(fmt::format("relaying: to {} named servers, and for ufrags of others by PUT /v1/routes",
                                c.server.size()));
  if (c.route_key.empty())
    lines.emplace_back(
        "minted ufrags: only this process's own are known; --route-key would open those of the fleet");
}

void explain_media(const Config& c, std::vector<std::string>& lines) {
  if (c.role == SLUICE_TIER_RELAY) {
    lines.emplace_back("calls: none end here; WHIP, WHEP and agents are the media servers' affair");
    return;
  }
  lines.push_back(fmt::format("calls: end here, as node {}", c.node));
  if (!c.public_address.empty())
    lines.push_back(fmt::format("candidates: {} and nothing else", fmt::join(c.public_address, ", ")));
  if (c.max_streams > 0)
    lines.emplace_back("clients without UDP: by ICE-TCP on the listening ports; --max-streams 0 would stop that");
  else
    lines.emplace_back("clients without UDP: cannot get through, since --max-streams is 0");
  if (!c.trunk.empty() && c.route_key.empty())
    lines.emplace_back("behind relays: they cannot open ufrags minted here; give both sides --route-key");
  if (!c.trunk.empty()) lines.push_back(fmt::format("trunk: relays reach this media tier at {}", c.trunk));
  if (c.trunk_direct)
    lines.emplace_back(
        "trunk: media leaves for clients directly, in the relay's name; a network that filters "
        "sources swallows it");
}

void explain_turn(const Config& c, std::vector<std::string>& lines) {
  if (!c.turn_on()) {
    lines.emplace_back("TURN: off; --turn-user or --turn-secret would switch it on");
    return;
  }
  const bool certified = !c.turn_tls_cert.empty() || !c.http_cert.empty();
  std::string tls;
  if (!c.turn_tls.empty())
    tls = fmt::format(", by TLS on {}", fmt::join(c.turn_tls, ", "));
  else if (certified && c.max_streams > 0)
    tls = ", by TLS on port 5349";
  lines.push_back(fmt::format("TURN: on, realm {}, by UDP{} on the listening ports{}", c.realm,
                              c.max_streams > 0 ? " and TCP" : "", tls));
  const auto literal = [](const std::string& u) { return !u.starts_with('@'); };
  if (std::ranges::any_of(c.turn_user, literal) && at(c, "turn-user") == "--turn-user")
    lines.emplace_back("TURN: passwords on the command line are visible to other users; use @FILE");
}

}  // namespace

std::expected<void, UsageError> check_relay(const Config& config) {
  for (const auto check : {check_role, check_keys, check_ports, check_servers, check_turn})
    if (auto r = check(config); !r) return r;
  return {};
}

std::vector<std::string> explain_tiers(const Config& config) {
  std::vector<std::string> lines;
  explain_relay(config, lines);
  explain_media(config, lines);
  explain_turn(config, lines);
  return lines;
}

}  // namespace sluice
