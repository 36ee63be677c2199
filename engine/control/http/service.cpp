#include "engine/control/http/service.h"

#include <chrono>

#include <fmt/format.h>

#include "engine/control/http/v1.h"
#include "engine/control/http/v1_relay.h"
#include "engine/control/http/v1_turn.h"
#include "engine/control/log.h"

namespace sluice::http {
namespace {

Response not_found() {
  return problem(
      {404, "path", "There is nothing under this path.", "GET /v1/openapi.json lists what there is."});
}

Response plain_text(std::string body, unsigned status = 200) {
  Response r;
  r.status = status;
  r.headers.add("Content-Type", "text/plain; charset=utf-8");
  r.body = std::move(body);
  return r;
}

bool is_endpoint(RouteId route) {
  return route == RouteId::whip || route == RouteId::whep || route == RouteId::agent;
}

/// The first configured name that is no address.
std::string_view public_name(const Policy& policy) {
  for (const auto& name : policy.names)
    if (!parse_address(name)) return name;
  return {};
}

Response method_not_allowed(const Route& route) {
  Response r = problem({405, "method", "This method is not served here.", "See the Allow header."});
  r.headers.add("Allow", allow_text(route.methods));
  return r;
}

}  // namespace

Service::Service(sluice_engine* engine, ServiceOptions options)
    : engine_(engine), options_(std::move(options)), signalling_(engine) {}

int64_t Service::now_s() const {
  if (options_.wall_clock_s) return options_.wall_clock_s();
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Response Service::handle(const Request& request) {
  Response response;
  if (auto wrong = check_host(options_.policy, request)) {
    response = problem(*wrong);
  } else if (const auto target = parse_target(request.target); !target) {
    response = problem({400, "target", "The request target is not a clean path.", "See RFC 9112 §3.2.1."});
  } else if (const Match m = match(*target); m.route == nullptr) {
    response = not_found();
  } else {
    response = dispatch(m, *target, request);
  }
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Referrer-Policy", "no-referrer");
  if (!response.headers.find("Cache-Control")) response.headers.add("Cache-Control", "no-store");
  return response;
}

Response Service::dispatch(const Match& match, const Target& target, const Request& request) {
  const Route& route = *match.route;
  if (request.method == Method::options) return options(match, request);
  if (route.access == Access::signalling) {
    Response r = allows(route.methods, request.method) ? signalling(match, target, request)
                                                       : method_not_allowed(route);
    if (!check_signalling_origin(options_.policy, request)) add_cors(request, r);
    return r;
  }
  if (route.access == Access::admin) {
    if (auto refused = check_admin(options_.policy, request)) return problem(*refused);
  }
  if (!allows(route.methods, request.method)) return method_not_allowed(route);
  return simple(route.id, match, target, request);
}

Response Service::options(const Match& match, const Request& request) const {
  const Route& route = *match.route;
  Response r;
  r.status = 204;
  r.headers.add("Allow", allow_text(route.methods));
  if (route.access == Access::admin) {
    // No CORS headers: a browser lets no foreign page read or change anything here.
    const OriginKind kind = classify_origin(options_.policy, request);
    if (kind != OriginKind::none && kind != OriginKind::same)
      return problem({403, "Origin", "This origin may not make this request.", ""});
    return r;
  }
  if (route.access != Access::signalling) return r;
  if (auto refused = check_signalling_origin(options_.policy, request)) return problem(*refused);
  // RFC 9725 §4.2: what an endpoint takes is announced to whoever asks.
  if (is_endpoint(route.id)) r.headers.add("Accept-Post", "application/sdp");
  if (!is_endpoint(route.id)) r.headers.add("Accept-Patch", "application/trickle-ice-sdpfrag");
  add_cors(request, r);
  if (request.headers.find("Origin")) {
    r.headers.add("Access-Control-Allow-Methods", allow_text(route.methods));
    r.headers.add("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
    r.headers.add("Access-Control-Max-Age", "600");
  }
  return r;
}

Response Service::signalling(const Match& match, const Target& target, const Request& request) {
  const RouteId route = match.route->id;
  const std::string& room = match.params[0];
  const bool endpoint = is_endpoint(route);
  const auto* resource = endpoint ? nullptr : signalling_.find(route, room, match.params[1]);
  const RoomRequest want{route, room, now_s(), resource ? std::string_view(resource->token_digest) : ""};
  const auto grant = check_room(options_.policy, request, want);
  if (!grant) return problem(grant.error());
  if (!endpoint) {
    if (!resource) return problem({404, "id", "This session is over, or never was.", "POST a new offer."});
    return request.method == Method::patch ? signalling_.patch(match.params[1], request)
                                           : signalling_.hang_up(match.params[1]);
  }
  const auto asked = target.param("takeover");
  if (asked && *asked != "0" && *asked != "1")
    return problem({400, "takeover", "takeover is 0 or 1.", "Leave it out, or send ?takeover=1."});
  const bool wants = asked && *asked == "1";
  if (wants && !grant->takeover)
    return problem(
        {403, "takeover", "The caller may not replace a publisher.",
         "Use a room token made with --takeover, or the admin token where no room secret is set."});
  // A token that allows takeover was made for it; whoever needs no token has to ask.
  const bool takeover = wants || (grant->takeover && !options_.policy.room_secret.empty() && !asked);
  return signalling_.open(route, room, request, takeover, *grant);
}

Response Service::simple(RouteId route, const Match& match, const Target& target, const Request& request) {
  switch (route) {
    case RouteId::v1_sessions:
      return v1_sessions(engine_, target);
    case RouteId::v1_session:
      return request.method == Method::del ? v1_hang_up(engine_, match.params[0])
                                           : v1_session(engine_, match.params[0]);
    case RouteId::v1_rooms:
      return v1_rooms(engine_);
    case RouteId::v1_shards:
      return v1_shards(engine_);
    case RouteId::v1_engine:
      return v1_engine(engine_);
    case RouteId::v1_openapi:
      return v1_openapi();
    case RouteId::v1_events: {
      if (events_.full()) return problem({503, "", "Too many listeners.", "Close one."});
      Response r;
      r.headers.add("Content-Type", "text/event-stream");
      r.event_stream = request.method == Method::get;
      return r;
    }
    case RouteId::v1_drain:
      if (options_.drain) options_.drain();
      return json_response("{\"draining\":true}", 202);
    case RouteId::v1_relay:
    case RouteId::v1_servers:
    case RouteId::v1_server:
    case RouteId::v1_routes:
    case RouteId::v1_sdp:
    case RouteId::v1_turn_credentials:
      return relay(route, match, request);
    case RouteId::v1_turn_allocations:
      return v1_turn_allocations(engine_, target);
    case RouteId::v1_turn_allocation:
      return v1_end_turn_allocation(engine_, match.params[0]);
    case RouteId::metrics: {
      Response r = plain_text(options_.metrics_text ? options_.metrics_text() : std::string());
      r.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      return r;
    }
    case RouteId::healthz:
      return plain_text("ok\n");
    case RouteId::readyz:
      if (draining_) return problem({503, "", "Draining: no new sessions.", "Use another server."});
      return plain_text("ready\n");
    case RouteId::console:
      return options_.files.serve(target, request);
    default:
      return not_found();
  }
}

Response Service::relay(RouteId route, const Match& match, const Request& request) {
  switch (route) {
    case RouteId::v1_relay:
      return v1_relay(engine_);
    case RouteId::v1_servers:
      return v1_servers(engine_);
    case RouteId::v1_server:
      return request.method == Method::del ? v1_remove_server(engine_, match.params[0])
                                           : v1_put_server(engine_, match.params[0], request.body);
    case RouteId::v1_routes:
      if (request.method == Method::put) return v1_put_routes(engine_, request.body);
      return request.method == Method::del ? v1_remove_routes(engine_, request.body) : v1_routes(engine_);
    case RouteId::v1_sdp:
      return v1_sdp(engine_, request.body);
    default:
      return v1_turn_credentials(engine_, request.body, public_name(options_.policy));
  }
}

size_t Service::body_limit(const Request& head) const {
  const auto target = parse_target(head.target);
  const Match m = target ? match(*target) : Match{};
  if (m.route == nullptr || !is_admin(options_.policy, head)) return kMaxSdpBytes;
  if (m.route->id == RouteId::v1_routes) return kMaxRoutesBytes;
  return m.route->id == RouteId::v1_sdp ? kMaxSdpJsonBytes : kMaxSdpBytes;
}

void Service::on_engine_event(const sluice_event& event) {
  sluice_session_stats stats{};
  stats.size = sizeof stats;
  const bool known =
      event.session != 0 && sluice_get_session_stats(engine_, event.session, &stats) == SLUICE_OK;
  events_.publish(event.type == SLUICE_EVENT_DRAINED ? "shutdown" : "session",
                  event_json(event, known ? &stats : nullptr));
  if (event.type == SLUICE_EVENT_CLOSED) signalling_.forget(event.session);
  if (event.type == SLUICE_EVENT_CREATED) return;  // session_accepted says it with the room
  if (event.type == SLUICE_EVENT_DRAINED) return;  // of no session; the daemon says that it has ended
  control::LogLine line(control::Level::info, fmt::format("session_{}", event_name(event.type)));
  line.with("session", event.session);
  if (known) {
    line.with("role", sluice_role_name(stats.role)).with("room", stats.name);
    line.with("remote", control::log_address(stats.remote));
  }
  if (event.type != SLUICE_EVENT_CLOSED) return;
  line.with("reason", sluice_close_reason_name(event.reason));
  if (known) line.with("rx_packets", stats.rx_packets).with("tx_packets", stats.tx_packets);
}

}  // namespace sluice::http
