// WHIP (RFC 9725), WHEP and agents: resources with unguessable names over the engine's sessions. Control
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/control/http/auth.h"
#include "engine/control/http/message.h"
#include "engine/control/http/router.h"
#include "engine/sluice.h"

namespace sluice::http {

inline constexpr size_t kMaxSdpBytes = 65536;

class Signalling {
 public:
  explicit Signalling(sluice_engine* engine) : engine_(engine) {}

  /// POST: 201 with the answer, Location and ETag. The caller's rights were checked: `grant`.
  Response open(RouteId route, std::string_view room, const Request& request, bool takeover,
                const RoomGrant& grant);
  /// PATCH: 204 for candidates, 200 with a fragment and a new ETag for an ICE restart.
  Response patch(std::string_view id, const Request& request);
  /// DELETE: 200.
  Response hang_up(std::string_view id);

  struct Resource {
    sluice_session session = 0;
    RouteId route;  ///< whip, whep or agent: a resource answers under the path it was made with only
    std::string room;
    uint32_t generation = 0;
    std::string token_digest;
  };
  /// nullptr: no such resource under this path.
  const Resource* find(RouteId route, std::string_view room, std::string_view id) const;

  /// The engine says that the session is over.
  void forget(sluice_session session);
  size_t size() const { return resources_.size(); }

 private:
  sluice_engine* engine_;
  std::unordered_map<std::string, Resource> resources_;  ///< by id: 128 random bits in hex
  std::unordered_map<sluice_session, std::string> by_session_;
};

/// An engine's refusal as HTTP: status as sluice.h says, field, message and fix as they came.
Problem problem_of(sluice_code code, const sluice_error& error);

}  // namespace sluice::http
