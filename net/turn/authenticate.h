// Who sent a request (RFC 8489 §9.2.4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/endpoint.h"
#include "net/base/siphash.h"
#include "net/crypto/primitives.h"
#include "net/stun/message.h"
#include "net/turn/credentials.h"
#include "net/turn/nonce.h"

namespace sluice::turn {

/// What authenticate() needs of the server.
struct AuthContext {
  const crypto::Primitives& crypto;
  const Credentials& credentials;
  const Nonces& nonces;
  std::string_view realm;
  HashSeed names;
  std::optional<int64_t> unix_s;  ///< nullopt: time-limited credentials are refused
};

/// What the allocation of the 5-tuple knows of its user, so that no key is computed twice.
struct KnownUser {
  const AuthKey& key;
  uint64_t name_hash = 0;
};

/// How a user is counted; `names` is secret.
inline uint64_t user_hash(HashSeed names, std::string_view user) {
  return siphash<2, 4>(names, as_bytes(user));
}

struct Login {
  uint16_t error = 0;  ///< 0, 400, 401, 438
  AuthKey key;
  stun::Integrity reply = stun::Integrity::none;  ///< what protects the response
  uint64_t name_hash = 0;                         ///< of the whole username
  uint64_t user_hash = 0;  ///< of the user whom quotas count: the part behind "expiry:"
};

/// The checks of §9.2.4 in its order but for one: the nonce comes before the credentials, so that nobody who
/// never got a nonce at his address makes us compute an HMAC.
Login authenticate(const AuthContext& context, const stun::View& request, const Address& client,
                   const KnownUser* known, Micros now);

}  // namespace sluice::turn
