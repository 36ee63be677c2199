// Who may do what. Pure decisions over a request and a policy; nothing here touches a socket or the engine.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/http/message.h"
#include "engine/control/http/router.h"
#include "engine/control/secret.h"
#include "engine/control/token.h"

namespace sluice::http {

struct Policy {
  bool loopback_only = true;         ///< HTTP listens on a loopback address
  std::vector<std::string> names;    ///< further valid Host names or addresses, lower case, without port
  std::vector<std::string> origins;  ///< further origins for signalling, e.g. "https://app.example"
  control::Secret admin_token;       ///< empty: /v1 is open on loopback and shut elsewhere
  control::Secret room_secret;       ///< set: signalling wants a room token
};

/// A host and port, from Host or from an origin; IPv6 without brackets; `host` in lower case.
struct Authority {
  std::string host;
  std::string port;  ///< empty: the scheme's default
};
std::optional<Authority> parse_authority(std::string_view text);

struct Origin {
  std::string scheme;  ///< "http" or "https"
  Authority authority;
};
/// RFC 6454 §6.2 serialization; nullopt for "null" and for anything else that is no http origin.
std::optional<Origin> parse_origin(std::string_view text);
/// Lower case, without a default port or trailing slash: what --http-origin and Origin headers compare as.
std::optional<std::string> canonical_origin(std::string_view text);

/// Host is exactly one, and names us: our own address, localhost or a configured name (else 421, or 400).
std::optional<Problem> check_host(const Policy& policy, const Request& request);

enum class OriginKind : unsigned char { none, same, loopback, listed, foreign };
OriginKind classify_origin(const Policy& policy, const Request& request);

/// nullopt: go ahead. 403 for a foreign origin, 401 and 403 as to the token.
std::optional<Problem> check_admin(const Policy& policy, const Request& request);
/// Whether the caller would pass check_admin.
bool is_admin(const Policy& policy, const Request& request);

/// What the caller wants to do in signalling, and what came out of it.
struct RoomRequest {
  RouteId route;          ///< whip, whep or agent, with or without _session
  std::string_view room;  ///< room or agent
  int64_t now_s = 0;      ///< seconds since 1970
  /// SHA-256 of the token that opened the session, for PATCH and DELETE: that very token is good until the
  /// session ends, expired or not. Empty otherwise.
  std::string_view opened_with;
};
struct RoomGrant {
  bool takeover = false;
  std::string token_digest;  ///< empty without a room secret
};
std::expected<RoomGrant, Problem> check_room(const Policy& policy, const Request& request,
                                             const RoomRequest& want);
/// Origin only, for preflight requests, which carry no token (Fetch §4.8).
std::optional<Problem> check_signalling_origin(const Policy& policy, const Request& request);

/// CORS headers for signalling: Access-Control-Allow-Origin, Expose-Headers, Vary. Call only once allowed.
void add_cors(const Request& request, Response& response);

}  // namespace sluice::http
