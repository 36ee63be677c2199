#include <fmt/format.h>

#include "engine/relay/text.h"
#include "tools/sluice/relay_options.h"

namespace sluice {
namespace {

using control::Secret;
using control::SecretFile;
namespace relay = engine::relay;

void add_warning(std::string& warning, std::string text) {
  warning += warning.empty() ? std::move(text) : "; " + text;
}

/// Gives what `read` says its option's name.
template <class F>
std::expected<Secret, std::string> of_option(std::string_view option, const std::string& reference, F read,
                                             std::vector<std::string>& warnings) {
  auto file = read(reference);
  if (!file) return std::unexpected(fmt::format("--{}: {}", option, file.error()));
  if (!file->warning.empty()) warnings.push_back(fmt::format("--{}: {}", option, file->warning));
  return std::move(file->secret);
}

/// "USER:PASSWORD" lines; the warning is of the first password that is soon guessed.
std::expected<SecretFile, std::string> read_turn_users(std::string_view reference) {
  auto file = control::read_secret_file(reference);
  if (!file) return file;
  const std::string_view path = reference.substr(1);
  bool weak = false;
  for (const auto& [number, line] : relay::lines_of(file->secret.reveal())) {
    const auto user = relay::parse_turn_user(line);
    if (!user) return std::unexpected(fmt::format("{} line {} {}", path, number, user.error()));
    const std::string weakness = weak ? std::string() : relay::weakness_of(user->password);
    if (weakness.empty()) continue;
    add_warning(file->warning, fmt::format("the password on {} line {} {}", path, number, weakness));
    weak = true;
  }
  return file;
}

}  // namespace

std::expected<SecretFile, std::string> read_turn_secrets(std::string_view reference) {
  auto file = control::read_secret_file(reference);
  if (!file) return file;
  const std::string_view path = reference.substr(1);
  const auto lines = relay::parse_turn_secrets(file->secret.reveal());
  if (!lines) return std::unexpected(fmt::format("{} {}", path, lines.error()));
  for (const auto& [number, line] : *lines)
    if (const auto weakness = relay::weakness_of(line); !weakness.empty())
      add_warning(file->warning, fmt::format("{} line {} {}", path, number, weakness));
  return file;
}

std::expected<RelaySecrets, std::string> read_relay_secrets(const Config& config) {
  RelaySecrets out;
  struct One {
    std::string_view option;
    const std::string& reference;
    decltype(&read_turn_secrets) read;
    Secret& secret;
  };
  for (const One& one : {One{"route-key", config.route_key, control::read_secret_file, out.route_key},
                         One{"ice-key", config.ice_key, control::read_secret_file, out.ice_key},
                         One{"trunk-key", config.trunk_key, control::read_secret_file, out.trunk_key},
                         One{"turn-secret", config.turn_secret, read_turn_secrets, out.turn_secret}}) {
    if (one.reference.empty()) continue;
    auto secret = of_option(one.option, one.reference, one.read, out.warnings);
    if (!secret) return std::unexpected(std::move(secret.error()));
    one.secret = std::move(*secret);
  }
  for (const std::string& user : config.turn_user) {
    if (!user.starts_with('@')) {
      out.turn_user.emplace_back(user);
      continue;
    }
    const auto file = of_option("turn-user", user, read_turn_users, out.warnings);
    if (!file) return std::unexpected(file.error());
    for (const auto& line : relay::lines_of(file->reveal()))
      out.turn_user.emplace_back(std::string(line.text));
  }
  return out;
}

}  // namespace sluice
