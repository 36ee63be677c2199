// The table of everything the HTTP side serves. The OpenAPI document lists the same routes; a test compares.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/http/message.h"
#include "engine/control/http/target.h"

namespace sluice::http {

enum class RouteId : unsigned char {
  whip,
  whip_session,
  whep,
  whep_session,
  agent,
  agent_session,
  v1_sessions,
  v1_session,
  v1_rooms,
  v1_shards,
  v1_engine,
  v1_events,
  v1_openapi,
  v1_drain,
  v1_relay,
  v1_servers,
  v1_server,
  v1_routes,
  v1_sdp,
  v1_turn_credentials,
  v1_turn_allocations,
  v1_turn_allocation,
  metrics,
  healthz,
  readyz,
  console
};

enum class Access : unsigned char {
  open,        ///< anybody who reaches the port with a valid Host
  signalling,  ///< room tokens, or origins (auth.h)
  admin        ///< same origin, and the admin token unless everything is loopback
};

/// Methods as a set; GET implies HEAD, and OPTIONS is answered for every route.
struct Methods {
  bool get = false, post = false, put = false, patch = false, del = false;
};

struct Route {
  RouteId id;
  std::string_view pattern;  ///< "/whip/{room}/{id}": braces match one segment
  Methods methods;
  Access access;
};

std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;
  std::vector<std::string> params;  ///< what the braces matched, in order
};

/// Anything that no pattern matches goes to the console's files (`RouteId::console`), except under /v1,
/// /whip, /whep and /agent, where route is nullptr (404).
Match match(const Target& target);

bool allows(const Methods& methods, Method m);
/// "GET, HEAD, OPTIONS" for the Allow header (RFC 9110 §10.2.1).
std::string allow_text(const Methods& methods);

}  // namespace sluice::http
