#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "tools/sluice/commands.h"

namespace sluice {
namespace {

void log_line(void* user, int level, const char* line) {
  auto& config = *static_cast<EngineConfig*>(user);
  if (!config.opened) config.said.emplace(line);
  constexpr control::Level kLevels[] = {control::Level::debug, control::Level::info, control::Level::warning,
                                        control::Level::error};
  control::LogLine(kLevels[level < 0 || level > 3 ? 1 : level], "engine").with("text", line);
}

const char* text_or_null(const std::string& s) { return s.empty() ? nullptr : s.c_str(); }

/// A secret's text is zero-terminated, since it lives in a string.
const char* text_or_null(const control::Secret& s) { return s.empty() ? nullptr : s.reveal().data(); }

}  // namespace

void EngineConfig::put(const std::vector<std::string>& strings, const char* const*& list, size_t& count) {
  auto& pointers = lists_.emplace_back();
  for (const auto& s : strings) pointers.push_back(s.c_str());
  list = pointers.data();
  count = pointers.size();
}

void EngineConfig::relay(const Config& config, const RelaySecrets& secrets) {
  c.tier = config.role;
  c.node = config.node.c_str();
  put(config.server, c.server, c.server_count);
  c.route_key = text_or_null(secrets.route_key);
  c.ice_key = text_or_null(secrets.ice_key);
  c.trunk = text_or_null(config.trunk);
  c.trunk_key = text_or_null(secrets.trunk_key);
  c.trunk_direct = config.trunk_direct ? 1 : 0;
  put(config.relay_address, c.relay_address, c.relay_address_count);
  c.relay_ports = config.relay_ports.c_str();
  c.relay_port_mode = config.relay_port_mode;
  c.transmit = config.transmit;
  c.receive = config.receive;
  c.max_streams = config.max_streams;
  c.max_flows = config.max_flows;
  c.max_routes = config.max_routes;
  c.max_servers = config.max_servers;
  c.flow_idle_s = config.flow_idle_s;
  auto& users = lists_.emplace_back();
  for (const auto& user : secrets.turn_user) users.push_back(user.reveal().data());
  c.turn_user = users.data();
  c.turn_user_count = users.size();
  c.turn_secret = text_or_null(secrets.turn_secret);
  c.realm = config.realm.c_str();
  put(config.turn_allow_peer, c.turn_allow_peer, c.turn_allow_peer_count);
  c.max_allocations = config.max_allocations;
  c.turn_user_quota = config.turn_user_quota;
  c.turn_allocation_kbps = config.turn_allocation_kbps;
  put(config.turn_tls, c.turn_tls, c.turn_tls_count);
  const bool own = !config.turn_tls_cert.empty();
  c.turn_tls_cert_file = text_or_null(own ? config.turn_tls_cert : config.http_cert);
  c.turn_tls_key_file = text_or_null(own ? config.turn_tls_key : config.http_key);
}

EngineConfig::EngineConfig(const Config& config, const RelaySecrets& secrets) {
  sluice_config_init(&c);
  put(config.listen, c.listen, c.listen_count);
  put(config.public_address, c.public_address, c.public_address_count);
  relay(config, secrets);
  c.cores = text_or_null(config.cores);
  c.shards = config.shards;
  c.io = config.io;
  c.srtp = config.srtp;
  c.busy_poll = config.busy_poll ? 1 : 0;
  c.prefault = config.prefault ? 1 : 0;
  c.max_sessions = config.max_sessions;
  c.max_rooms = config.max_rooms;
  c.dtls_cert_file = text_or_null(config.dtls_cert);
  c.dtls_key_file = text_or_null(config.dtls_key);
  c.echo_delay_ms = config.echo_delay_ms;
  c.log = log_line;
  c.log_user = this;
}

namespace {

/// "dtls_cert_file" is --dtls-cert to a person, "listen[1]" is --listen.
std::string option_of(std::string_view field) {
  std::string name(field.substr(0, field.find('[')));
  std::ranges::replace(name, '_', '-');
  for (const std::string_view unit : {"-file", "-ms", "-s"})
    if (name.ends_with(unit)) name.resize(name.size() - unit.size());
  return find_option(name) != nullptr ? fmt::format("--{}", name) : std::string(field);
}

}  // namespace

int report(const sluice_error& error) {
  std::string_view message = error.message;
  if (message.ends_with('.')) message.remove_suffix(1);
  std::string text =
      fmt::format("sluice: {}{}{}", option_of(error.field), error.field[0] != '\0' ? ": " : "", message);
  if (error.fix[0] != '\0') text += fmt::format("; {}", error.fix);
  fmt::print(stderr, "{}\n", text);
  return error.code == SLUICE_E_INVALID ? 2 : 1;
}

}  // namespace sluice
