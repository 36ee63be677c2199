// Options of the relay tier, the trunk and TURN, and what holds for several of them together.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/secret.h"
#include "tools/sluice/config.h"

namespace sluice {

std::span<const Option> relay_options();
std::expected<void, UsageError> check_relay(const Config& config);

/// What the files of keys, secrets and users hold; wiped when it goes.
struct RelaySecrets {
  control::Secret route_key, ice_key, trunk_key, turn_secret;
  std::vector<control::Secret> turn_user;  ///< "USER:PASSWORD" each
  std::vector<std::string> warnings;       ///< "--route-key: keys.txt is readable by every user ..."
};
/// "@FILE" as --turn-secret takes it, in whatever command: the whole file, checked. Errors and warnings name
/// the file and the line.
std::expected<control::SecretFile, std::string> read_turn_secrets(std::string_view reference);
/// The error names the option and the file.
std::expected<RelaySecrets, std::string> read_relay_secrets(const Config& config);

/// A line per thing that a person should know of the roles: what is on, what is missing.
std::vector<std::string> explain_tiers(const Config& config);

}  // namespace sluice
