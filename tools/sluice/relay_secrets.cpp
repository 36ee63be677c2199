#include <fmt/format.h>

#include "engine/relay/text.h"
#include "tools/sluice/relay_options.h"

namespace sluice {
namespace {

using control::Secret;

std::expected<Secret, std::string> read(std::string_view option, const std::string& reference,
                                        std::vector<std::string>& warnings) {
  auto file = control::read_secret_file(reference);
  if (!file) return std::unexpected(fmt::format("--{}: {}", option, file.error()));
  if (!file->warning.empty()) warnings.push_back(fmt::format("--{}: {}", option, file->warning));
  return std::move(file->secret);
}

}  // namespace

std::expected<RelaySecrets, std::string> read_relay_secrets(const Config& config) {
  RelaySecrets out;
  struct One {
    std::string_view option;
    const std::string& reference;
    Secret& secret;
  };
  for (const One& one :
       {One{"route-key", config.route_key, out.route_key}, One{"ice-key", config.ice_key, out.ice_key},
        One{"trunk-key", config.trunk_key, out.trunk_key},
        One{"turn-secret", config.turn_secret, out.turn_secret}}) {
    if (one.reference.empty()) continue;
    auto secret = read(one.option, one.reference, out.warnings);
    if (!secret) return std::unexpected(std::move(secret.error()));
    one.secret = std::move(*secret);
  }
  for (const std::string& user : config.turn_user) {
    if (!user.starts_with('@')) {
      out.turn_user.emplace_back(user);
      continue;
    }
    const auto file = read("turn-user", user, out.warnings);
    if (!file) return std::unexpected(file.error());
    const auto lines = engine::relay::lines_of(file->reveal());
    for (const auto& line : lines) out.turn_user.emplace_back(std::string(line.text));
    if (lines.empty())
      return std::unexpected(
          fmt::format("--turn-user: {} names nobody; write USER:PASSWORD on each line", user.substr(1)));
  }
  return out;
}

}  // namespace sluice
