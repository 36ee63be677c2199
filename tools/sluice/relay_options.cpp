#include "tools/sluice/relay_options.h"

#include <array>

#include "engine/relay/text.h"
#include "tools/sluice/option_values.h"

namespace sluice {
namespace {

using namespace option_values;
namespace relay = engine::relay;

constexpr std::array kRoles{Choice<sluice_tier>{"relay", SLUICE_TIER_RELAY},
                            Choice<sluice_tier>{"media", SLUICE_TIER_MEDIA},
                            Choice<sluice_tier>{"both", SLUICE_TIER_BOTH}};
constexpr std::array kPortModes{Choice<sluice_relay_ports>{"auto", SLUICE_RELAY_PORTS_AUTO},
                                Choice<sluice_relay_ports>{"sockets", SLUICE_RELAY_PORTS_SOCKETS},
                                Choice<sluice_relay_ports>{"steered", SLUICE_RELAY_PORTS_STEERED}};
constexpr std::array kReceives{Choice<sluice_receive>{"sockets", SLUICE_RECEIVE_SOCKETS},
                               Choice<sluice_receive>{"frames", SLUICE_RECEIVE_FRAMES}};
constexpr std::array kTransmits{Choice<sluice_transmit>{"auto", SLUICE_TRANSMIT_AUTO},
                                Choice<sluice_transmit>{"sockets", SLUICE_TRANSMIT_SOCKETS},
                                Choice<sluice_transmit>{"frames", SLUICE_TRANSMIT_FRAMES}};

/// Keeps the text if it parses.
template <class T>
Applied keep(std::expected<T, std::string> parsed, std::string_view text, std::string& out) {
  if (!parsed) return wrong(std::move(parsed.error()));
  out = std::string(text);
  return {};
}
template <class T>
Applied append(std::expected<T, std::string> parsed, std::string_view text, std::vector<std::string>& out) {
  std::string kept;
  if (auto bad = keep(std::move(parsed), text, kept); !bad) return bad;
  out.push_back(std::move(kept));
  return {};
}

Applied node(Config& c, std::string_view text) {
  const auto id = relay::parse_server_id(text);
  if (!id) return wrong(id.error());
  c.node = relay::to_text(*id);
  return {};
}

Applied trunk(Config& c, std::string_view text) {
  Endpoint e;
  if (auto bad = endpoint(text, e); !bad) return bad;
  c.trunk = endpoint_text(e);
  return {};
}

Applied relay_address(Config& c, std::string_view text) {
  const auto a = parse_address(text);
  if (!a || a->is_unspecified())
    return wrong(fmt::format("'{}' is no address of this host; write e.g. 203.0.113.7 or 2001:db8::7", text));
  c.relay_address.emplace_back(text);
  return {};
}

/// A literal password is taken, since tests and trials want it; a file is better.
Applied turn_user(Config& c, std::string_view text) {
  if (text.starts_with('@')) {
    if (text.size() == 1) return wrong("names no file behind the @; write @FILE with USER:PASSWORD lines");
    c.turn_user.emplace_back(text);
    return {};
  }
  auto user = relay::parse_turn_user(text);
  if (!user) return wrong(user.error() + ", or @FILE with such lines");
  c.turn_user.emplace_back(text);
  return {};
}

Applied realm(Config& c, std::string_view text) {
  if (!relay::valid_realm(text))
    return wrong(fmt::format("is not 1 to {} printable characters without quotes; write e.g. turn.example",
                             relay::kRealmBytesMax));
  c.realm = std::string(text);
  return {};
}

Applied turn_tls(Config& c, std::string_view text) {
  Endpoint e;
  if (auto bad = endpoint(text, e); !bad) return bad;
  c.turn_tls.push_back(endpoint_text(e));
  return {};
}

/// Users without what they know.
std::string users(const Config& c) {
  std::vector<std::string> names;
  for (const auto& u : c.turn_user)
    names.push_back(u.starts_with('@') ? u : u.substr(0, u.find(':')) + ":***");
  return list(names);
}

using C = Config;
using V = std::string_view;

constexpr Option kRelayOptions[] = {
    {"role", "relay|media|both", "Relay", "Forward packets to media servers, end calls here, or both", "both",
     Kind::text, false, [](C& c, V v) { return choose(v, kRoles, c.role); },
     [](const C& c) { return chosen(c.role, kRoles); }},
    {"server", "ID=ADDR:PORT[,trunk]", "Relay",
     "A media server that minted ufrags lead to; ID is NODE or REGION.NODE; trunk: a Sluice that takes many "
     "packets in one datagram; repeatable",
     "none", Kind::text, true, [](C& c, V v) { return append(relay::parse_server(v), v, c.server); },
     [](const C& c) { return list(c.server); }},
    {"node", "ID", "Relay", "This media tier's own name in the ufrags that it mints", "1", Kind::text, false,
     node, [](const C& c) { return c.node; }},
    {"route-key", "@FILE", "Relay", "Keys under which ufrags are minted and opened, a line each; first mints",
     "made at start, for this process alone", Kind::text, false,
     [](C& c, V v) { return secret(v, c.route_key); }, [](const C& c) { return c.route_key; }},
    {"ice-key", "@FILE", "Relay", "Keys that ICE passwords come from; media tiers only, never a relay",
     "made at start, for this process alone", Kind::text, false,
     [](C& c, V v) { return secret(v, c.ice_key); }, [](const C& c) { return c.ice_key; }},
    {"trunk", "ADDR:PORT", "Relay",
     "UDP endpoint between relays and this media tier; of a relay: where it sends from", "off", Kind::text,
     false, trunk, [](const C& c) { return c.trunk; }},
    {"trunk-key", "@FILE", "Relay", "The key that relays and media tiers share for it", "none", Kind::text,
     false, [](C& c, V v) { return secret(v, c.trunk_key); }, [](const C& c) { return c.trunk_key; }},
    {"trunk-direct", "", "Relay",
     "A media tier sends media to clients itself, with the relay's address as source, where the network lets "
     "it; needs CAP_NET_RAW",
     "off: by the trunk", Kind::toggle, false, [](C& c, V v) { return toggle(v, c.trunk_direct); },
     [](const C& c) { return yes(c.trunk_direct); }},
    {"relay-address", "ADDR", "Relay", "Address of this host that relayed legs leave from; repeatable",
     "the host's first of each family", Kind::text, true, relay_address,
     [](const C& c) { return list(c.relay_address); }},
    {"relay-ports", "LO-HI", "Relay", "UDP ports of relayed legs", "49152-65535", Kind::text, false,
     [](C& c, V v) { return keep(relay::parse_ports(v), v, c.relay_ports); },
     [](const C& c) { return c.relay_ports; }},
    {"relay-port-mode", "auto|sockets|steered", "Relay", "A socket for each port, or one for all by eBPF",
     "auto", Kind::text, false, [](C& c, V v) { return choose(v, kPortModes, c.relay_port_mode); },
     [](const C& c) { return chosen(c.relay_port_mode, kPortModes); }},
    {"transmit", "auto|sockets|frames", "Relay",
     "frames: past the kernel's UDP and its output filter, with prebuilt headers; auto: where a relay may",
     "auto", Kind::text, false, [](C& c, V v) { return choose(v, kTransmits, c.transmit); },
     [](const C& c) { return chosen(c.transmit, kTransmits); }},
    {"receive", "sockets|frames", "Relay",
     "frames: by AF_XDP, before the kernel's UDP and its input filter, of whole interfaces", "sockets",
     Kind::text, false, [](C& c, V v) { return choose(v, kReceives, c.receive); },
     [](const C& c) { return chosen(c.receive, kReceives); }},
    {"max-flows", "N", "Relay", "Relayed flows at once, by trunk twice as many", "65536", Kind::number, false,
     [](C& c, V v) { return number(v, 1, 16'777'216, c.max_flows); },
     [](const C& c) { return std::to_string(c.max_flows); }},
    {"max-routes", "N", "Relay", "Routes at once, for ufrags that others minted", "65536", Kind::number,
     false, [](C& c, V v) { return number(v, 0, 1'048'576, c.max_routes); },
     [](const C& c) { return std::to_string(c.max_routes); }},
    {"max-servers", "N", "Relay", "Servers at once, named ones and targets of routes", "1024", Kind::number,
     false, [](C& c, V v) { return number(v, 1, 65'535, c.max_servers); },
     [](const C& c) { return std::to_string(c.max_servers); }},
    {"flow-idle", "SECONDS", "Relay", "A flow ends when its client has been silent for so long", "60",
     Kind::number, false, [](C& c, V v) { return number(v, 5, 86'400, c.flow_idle_s); },
     [](const C& c) { return std::to_string(c.flow_idle_s); }},
    {"turn-user", "USER:PASSWORD|@FILE", "TURN",
     "A TURN user, or a file with one on each line; switches TURN on; repeatable", "none", Kind::text, true,
     turn_user, users},
    {"turn-secret", "@FILE", "TURN",
     "Secret of time-limited TURN credentials, at most two lines, the newest first; switches TURN on", "none",
     Kind::text, false, [](C& c, V v) { return secret(v, c.turn_secret); },
     [](const C& c) { return c.turn_secret; }},
    {"realm", "NAME", "TURN", "The realm that TURN names", "sluice", Kind::text, false, realm,
     [](const C& c) { return c.realm; }},
    {"turn-allow-peer", "CIDR", "TURN", "Peers that TURN would deny otherwise, e.g. 10.1.0.0/16; repeatable",
     "none: public addresses only", Kind::text, true,
     [](C& c, V v) { return append(relay::parse_cidr(v), v, c.turn_allow_peer); },
     [](const C& c) { return list(c.turn_allow_peer); }},
    {"max-allocations", "N", "TURN", "TURN allocations at once", "16384", Kind::number, false,
     [](C& c, V v) { return number(v, 1, 1'048'576, c.max_allocations); },
     [](const C& c) { return std::to_string(c.max_allocations); }},
    {"turn-user-quota", "N", "TURN", "TURN allocations at once of one user; 0: no limit", "0", Kind::number,
     false, [](C& c, V v) { return number(v, 0, 1'048'576, c.turn_user_quota); },
     [](const C& c) { return std::to_string(c.turn_user_quota); }},
    {"turn-allocation-kbps", "N", "TURN", "Bandwidth of an allocation in each direction; 0: no limit", "0",
     Kind::number, false, [](C& c, V v) { return number(v, 0, 4'000'000, c.turn_allocation_kbps); },
     [](const C& c) { return std::to_string(c.turn_allocation_kbps); }},
    {"turn-tls", "ADDR:PORT", "TURN", "TCP endpoint for TURN over TLS, e.g. 0.0.0.0:5349; repeatable",
     "port 5349 where there is a certificate", Kind::text, true, turn_tls,
     [](const C& c) { return list(c.turn_tls); }},
    {"turn-tls-cert", "FILE", "TURN", "Certificate chain (PEM) for it", "the one of --http-cert", Kind::text,
     false, [](C& c, V v) { return file(v, c.turn_tls_cert); }, [](const C& c) { return c.turn_tls_cert; }},
    {"turn-tls-key", "FILE", "TURN", "Its private key (PEM)", "the one of --http-key", Kind::text, false,
     [](C& c, V v) { return file(v, c.turn_tls_key); }, [](const C& c) { return c.turn_tls_key; }},
};

}  // namespace

std::span<const Option> relay_options() { return kRelayOptions; }

}  // namespace sluice
