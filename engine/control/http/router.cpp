#include "engine/control/http/router.h"

#include <array>

namespace sluice::http {
namespace {

constexpr Methods kGet{.get = true};
constexpr Methods kPost{.post = true};
constexpr Methods kResource{.patch = true, .del = true};

constexpr std::array kRoutes{
    Route{RouteId::whip, "/whip/{room}", kPost, Access::signalling},
    Route{RouteId::whip_session, "/whip/{room}/{id}", kResource, Access::signalling},
    Route{RouteId::whep, "/whep/{room}", kPost, Access::signalling},
    Route{RouteId::whep_session, "/whep/{room}/{id}", kResource, Access::signalling},
    Route{RouteId::agent, "/agent/{name}", kPost, Access::signalling},
    Route{RouteId::agent_session, "/agent/{name}/{id}", kResource, Access::signalling},
    Route{RouteId::v1_sessions, "/v1/sessions", kGet, Access::admin},
    Route{RouteId::v1_session, "/v1/sessions/{session}", {.get = true, .del = true}, Access::admin},
    Route{RouteId::v1_rooms, "/v1/rooms", kGet, Access::admin},
    Route{RouteId::v1_shards, "/v1/shards", kGet, Access::admin},
    Route{RouteId::v1_engine, "/v1/engine", kGet, Access::admin},
    Route{RouteId::v1_events, "/v1/events", kGet, Access::admin},
    Route{RouteId::v1_drain, "/v1/drain", kPost, Access::admin},
    Route{RouteId::v1_relay, "/v1/relay", kGet, Access::admin},
    Route{RouteId::v1_servers, "/v1/servers", kGet, Access::admin},
    Route{RouteId::v1_server, "/v1/servers/{server}", {.put = true, .del = true}, Access::admin},
    Route{RouteId::v1_routes, "/v1/routes", {.get = true, .put = true, .del = true}, Access::admin},
    Route{RouteId::v1_sdp, "/v1/sdp", kPost, Access::admin},
    Route{RouteId::v1_turn_credentials, "/v1/turn/credentials", kPost, Access::admin},
    Route{RouteId::v1_turn_allocations, "/v1/turn/allocations", kGet, Access::admin},
    Route{RouteId::v1_turn_allocation, "/v1/turn/allocations/{allocation}", {.del = true}, Access::admin},
    Route{RouteId::v1_openapi, "/v1/openapi.json", kGet, Access::admin},
    Route{RouteId::metrics, "/metrics", kGet, Access::admin},
    Route{RouteId::healthz, "/healthz", kGet, Access::open},
    Route{RouteId::readyz, "/readyz", kGet, Access::open},
};
constexpr Route kConsole{RouteId::console, "/", kGet, Access::open};

bool fits(std::string_view pattern, const Target& target, std::vector<std::string>& params) {
  params.clear();
  for (const auto& segment : target.segments) {
    if (pattern.empty()) return false;
    pattern.remove_prefix(1);
    const size_t slash = pattern.find('/');
    const std::string_view part = pattern.substr(0, slash);
    if (part.front() == '{')
      params.push_back(segment);
    else if (part != segment)
      return false;
    pattern = slash == std::string_view::npos ? std::string_view{} : pattern.substr(slash);
  }
  return pattern.empty();
}

bool reserved(const Target& target) {
  if (target.segments.empty()) return false;
  const std::string& first = target.segments.front();
  return first == "v1" || first == "whip" || first == "whep" || first == "agent";
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Match match(const Target& target) {
  Match m;
  for (const auto& route : kRoutes) {
    if (!fits(route.pattern, target, m.params)) continue;
    m.route = &route;
    return m;
  }
  m.params.clear();
  if (!reserved(target)) m.route = &kConsole;
  return m;
}

bool allows(const Methods& methods, Method m) {
  switch (m) {
    case Method::get:
    case Method::head:
      return methods.get;
    case Method::post:
      return methods.post;
    case Method::put:
      return methods.put;
    case Method::patch:
      return methods.patch;
    case Method::del:
      return methods.del;
    case Method::options:
      return true;
    case Method::other:
      return false;
  }
  return false;
}

std::string allow_text(const Methods& methods) {
  std::string out;
  if (methods.get) out += "GET, HEAD, ";
  if (methods.post) out += "POST, ";
  if (methods.put) out += "PUT, ";
  if (methods.patch) out += "PATCH, ";
  if (methods.del) out += "DELETE, ";
  return out + "OPTIONS";
}

}  // namespace sluice::http
