// What sessions identify themselves with, read or minted before the run.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "tools/load/options.h"

namespace sluice::load {

/// The ICE credentials of a far side.
struct IceLogin {
  std::string ufrag, password;
};

struct Credentials {
  std::vector<IceLogin> ice;  ///< one per session, over all threads
  std::optional<std::array<uint8_t, 32>> trunk_key;
  uint32_t trunk_id = 0;  ///< of the first far side, region << 14 | node
  std::string turn_user, turn_password;
  std::string token;  ///< for WHIP and WHEP
};

/// For at most `sessions` sessions. The error names the flag and the remedy, and no secret.
std::expected<Credentials, std::string> make_credentials(const Options& options, uint32_t sessions);

/// Lines of "ufrag password"; empty ones and those that begin with # are skipped.
std::expected<std::vector<IceLogin>, std::string> parse_logins(std::string_view text);

}  // namespace sluice::load
