// What the DTLS client exported, as SRTP takes it.
#pragma once

#include <algorithm>
#include <optional>

#include "net/dtls/keys.h"
#include "net/srtp/keys.h"
#include "net/srtp/profile.h"

namespace sluice::client {

/// A client receives with `server` and sends with `client`. Nothing if no profile was agreed on.
inline std::optional<srtp::MasterKeys> master_keys(const dtls::SrtpKeys& keys) {
  const auto profile = srtp::profile_from_id(keys.profile);
  if (!profile) return std::nullopt;
  srtp::MasterKeys out;
  out.client.profile = out.server.profile = *profile;
  std::ranges::copy(keys.client_key(), out.client.key.begin());
  std::ranges::copy(keys.client_salt(), out.client.salt.begin());
  std::ranges::copy(keys.server_key(), out.server.key.begin());
  std::ranges::copy(keys.server_salt(), out.server.salt.begin());
  return out;
}

}  // namespace sluice::client
