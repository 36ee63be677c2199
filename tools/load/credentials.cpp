#include "tools/load/credentials.h"

#include <chrono>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "engine/control/secret.h"
#include "engine/relay/keys.h"
#include "engine/relay/text.h"
#include "net/crypto/random.h"

namespace sluice::load {
namespace {

namespace relay = engine::relay;
using Result = std::expected<Credentials, std::string>;
constexpr uint32_t kTtl = 24 * 3600;

uint64_t unix_now() {
  const auto t = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(t).count());
}

Result from_file(const std::string& path, uint32_t sessions) {
  std::ifstream file(path);
  if (!file) return std::unexpected(fmt::format("--ufrags: cannot read {}; name a file that exists", path));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto logins = parse_logins(text);
  if (!logins) return std::unexpected(fmt::format("--ufrags: {}: {}", path, logins.error()));
  if (logins->size() < sessions)
    return std::unexpected(fmt::format(
        "--ufrags: {} has {} lines for {} sessions; print more with sluice token ufrag --count {}", path,
        logins->size(), sessions, sessions));
  Credentials out;
  out.ice = std::move(*logins);
  return out;
}

Result minted(const RelayOptions& o, uint32_t servers, uint32_t sessions) {
  const auto route = control::read_secret_file(o.route_key);
  if (!route) return std::unexpected(fmt::format("--route-key: {}", route.error()));
  const auto ice = control::read_secret_file(o.ice_key);
  if (!ice) return std::unexpected(fmt::format("--ice-key: {}", ice.error()));
  const auto keys = relay::fleet_keys(route->secret.reveal(), ice->secret.reveal());
  if (!keys)
    return std::unexpected(fmt::format(
        "--{}: {}", keys.error().field == "route_key" ? "route-key" : "ice-key", keys.error().message));
  const auto server = relay::parse_server_id(o.server);
  if (!server) return std::unexpected(fmt::format("--server: {}", server.error()));
  Credentials out;
  const bool trunk = !o.trunk_key.empty();
  if (trunk) {
    const auto key = control::read_secret_file(o.trunk_key);
    if (!key) return std::unexpected(fmt::format("--trunk-key: {}", key.error()));
    const auto lines = relay::parse_keys(key->secret.reveal());
    if (!lines) return std::unexpected(fmt::format("--trunk-key: {}", lines.error()));
    out.trunk_key = relay::derive_trunk_key(lines->front().text());
    out.trunk_id = uint32_t{server->region} << 14 | server->node;
  }
  out.ice.reserve(sessions);
  const uint64_t now = unix_now();
  for (uint32_t i = 0; i < sessions; ++i) {
    relay::ServerId id = *server;
    if (trunk) id.node = static_cast<uint16_t>(id.node + i % servers);
    const relay::Minted m = relay::mint(keys->front(), id, now, kTtl, crypto::system_random());
    if (!m.password) return std::unexpected(std::string("--ice-key: has no key under the ID that mints"));
    out.ice.push_back({std::string(ice::text(m.ufrag)), std::string(m.password->text())});
  }
  return out;
}

Result relay_credentials(const Options& o, uint32_t sessions) {
  return o.relay.ufrags.empty() ? minted(o.relay, o.servers, sessions) : from_file(o.relay.ufrags, sessions);
}

Result turn_credentials(const TurnOptions& o) {
  Credentials out;
  if (!o.secret.empty()) {
    const auto secret = control::read_secret(o.secret);
    if (!secret) return std::unexpected(fmt::format("--secret: {}", secret.error()));
    auto made = relay::turn_credential(secret->secret.reveal(), "load", unix_now() + kTtl);
    out.turn_user = std::move(made.username);
    out.turn_password = std::move(made.password);
    return out;
  }
  std::string text = o.user;
  if (text.starts_with('@')) {
    const auto file = control::read_secret(text);
    if (!file) return std::unexpected(fmt::format("--user: {}", file.error()));
    text = file->secret.reveal();
  }
  auto user = relay::parse_turn_user(text);
  if (!user) return std::unexpected(fmt::format("--user: {}", user.error()));
  out.turn_user = std::move(user->name);
  out.turn_password = std::move(user->password);
  return out;
}

}  // namespace

std::expected<std::vector<IceLogin>, std::string> parse_logins(std::string_view text) {
  std::vector<IceLogin> out;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.ends_with('\r')) one.remove_suffix(1);
    if (one.empty() || one.starts_with('#')) continue;
    const size_t gap = one.find(' ');
    // RFC 8839 §5.4: at least 4 and 22 characters.
    if (gap == std::string_view::npos || gap < 4 || one.size() - gap - 1 < 22 ||
        one.find(' ', gap + 1) != one.npos)
      return std::unexpected(fmt::format("line {} is not \"ufrag password\"", line));
    out.push_back({std::string(one.substr(0, gap)), std::string(one.substr(gap + 1))});
  }
  return out;
}

std::expected<Credentials, std::string> make_credentials(const Options& o, uint32_t sessions) {
  if (o.mode == Mode::relay) return relay_credentials(o, sessions);
  if (o.mode == Mode::turn) return turn_credentials(o.turn);
  Credentials out;
  if (o.mode == Mode::whip && !o.whip.token.empty()) {
    const auto token = control::read_secret(o.whip.token);
    if (!token) return std::unexpected(fmt::format("--token: {}", token.error()));
    out.token = token->secret.reveal();
  }
  return out;
}

}  // namespace sluice::load
