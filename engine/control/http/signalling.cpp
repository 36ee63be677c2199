#include "engine/control/http/signalling.h"

#include <array>
#include <vector>

#include <fmt/format.h>

#include "engine/control/http/etag.h"
#include "engine/control/log.h"
#include "net/crypto/random.h"

namespace sluice::http {
namespace {

constexpr std::string_view kSdp = "application/sdp";
constexpr std::string_view kFragment = "application/trickle-ice-sdpfrag";
constexpr size_t kAnswerBytes = 64 * 1024;

/// 128 random bits in hex.
std::string random_id() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const uint8_t b : crypto::system_random().bytes<16>()) out.append({kHex[b >> 4], kHex[b & 15]});
  return out;
}

std::string_view prefix_of(RouteId route) {
  switch (route) {
    case RouteId::whip:
    case RouteId::whip_session:
      return "whip";
    case RouteId::whep:
    case RouteId::whep_session:
      return "whep";
    default:
      return "agent";
  }
}

sluice_role role_of(RouteId route) {
  const std::string_view prefix = prefix_of(route);
  return prefix == "whip" ? SLUICE_PUBLISH : prefix == "whep" ? SLUICE_PLAY : SLUICE_AGENT;
}

/// Exactly this media type, once and without parameters: neither RFC 9725 nor RFC 8840 defines any.
std::optional<Problem> check_body(const Request& request, std::string_view media_type) {
  if (request.headers.count("Content-Type") != 1 ||
      !equal_no_case(*request.headers.find("Content-Type"), media_type))
    return Problem{415, "Content-Type", fmt::format("The body has to be {}.", media_type),
                   fmt::format("Send Content-Type: {}.", media_type)};
  if (request.body.size() > kMaxSdpBytes)
    return Problem{413, "body", "The body is longer than 65536 bytes.", "Offer fewer codecs or m-lines."};
  return std::nullopt;
}

sluice_error fresh_error() {
  sluice_error e{};
  e.size = sizeof e;
  return e;
}

}  // namespace

Problem problem_of(sluice_code code, const sluice_error& error) {
  Problem p{500, error.field, error.message, error.fix};
  switch (code) {
    case SLUICE_E_INVALID:
      p.status = 400;
      break;
    case SLUICE_E_UNSUPPORTED:
      p.status = 406;
      break;
    case SLUICE_E_NOT_FOUND:
      p.status = 404;
      break;
    case SLUICE_E_CONFLICT:
      p.status = 409;
      break;
    case SLUICE_E_LIMIT:
    case SLUICE_E_DRAINING:
      p.status = 503;
      break;
    case SLUICE_E_STALE:
      p.status = 412;
      break;
    default:
      break;
  }
  if (p.message.empty()) p.message = std::string(reason_phrase(p.status)) + ".";
  return p;
}

Response Signalling::open(RouteId route, std::string_view room, const Request& request, bool takeover,
                          const RoomGrant& grant) {
  if (auto wrong = check_body(request, kSdp)) return problem(*wrong);
  const std::string name(room);
  std::string id = random_id();
  sluice_accept_request ask{};
  ask.size = sizeof ask;
  ask.role = role_of(route);
  ask.name = name.c_str();
  ask.offer = request.body.data();
  ask.offer_len = request.body.size();
  ask.takeover = takeover ? 1 : 0;
  std::vector<char> answer(kAnswerBytes);
  size_t length = 0;
  sluice_accepted accepted{};
  accepted.size = sizeof accepted;
  sluice_error error = fresh_error();
  const sluice_code code =
      sluice_accept(engine_, &ask, answer.data(), answer.size(), &length, &accepted, &error);
  if (code != SLUICE_OK) return problem(problem_of(code, error));

  Response r;
  r.status = 201;
  r.headers.add("Content-Type", std::string(kSdp));
  r.headers.add("Location", fmt::format("/{}/{}/{}", prefix_of(route), name, id));
  r.headers.add("ETag", ice_etag(accepted.ice_generation));
  r.headers.add("Accept-Patch", std::string(kFragment));
  r.headers.add("Sluice-Session", std::to_string(accepted.session));
  r.body.assign(answer.data(), length);
  by_session_[accepted.session] = id;
  resources_[std::move(id)] = {accepted.session, route, name, accepted.ice_generation, grant.token_digest};
  control::LogLine(control::Level::info, "session_accepted")
      .with("session", accepted.session)
      .with("role", sluice_role_name(ask.role))
      .with("room", name)
      .with("client", request.remote);
  return r;
}

const Signalling::Resource* Signalling::find(RouteId route, std::string_view room,
                                             std::string_view id) const {
  const auto it = resources_.find(std::string(id));
  if (it == resources_.end()) return nullptr;
  const Resource& r = it->second;
  return prefix_of(r.route) == prefix_of(route) && r.room == room ? &r : nullptr;
}

Response Signalling::patch(std::string_view id, const Request& request) {
  Resource& resource = resources_.at(std::string(id));
  if (auto wrong = check_body(request, kFragment)) return problem(*wrong);
  auto generation = if_match(request, resource.generation);
  if (!generation) return problem(generation.error());
  std::vector<char> answer(kAnswerBytes);
  size_t length = 0;
  sluice_error error = fresh_error();
  uint32_t named = *generation;
  const sluice_code code = sluice_trickle(engine_, resource.session, &named, request.body.data(),
                                          request.body.size(), answer.data(), answer.size(), &length, &error);
  if (code != SLUICE_OK) return problem(problem_of(code, error));
  Response r;
  if (length == 0) {
    r.status = 204;
    return r;
  }
  resource.generation = named;
  r.headers.add("Content-Type", std::string(kFragment));
  r.headers.add("ETag", ice_etag(named));
  r.body.assign(answer.data(), length);
  control::LogLine(control::Level::info, "ice_restart")
      .with("session", resource.session)
      .with("room", resource.room);
  return r;
}

Response Signalling::hang_up(std::string_view id) {
  const sluice_session session = resources_.at(std::string(id)).session;
  sluice_error error = fresh_error();
  const sluice_code code = sluice_hangup(engine_, session, &error);
  forget(session);
  if (code != SLUICE_OK) return problem(problem_of(code, error));
  return {};
}

void Signalling::forget(sluice_session session) {
  const auto it = by_session_.find(session);
  if (it == by_session_.end()) return;
  resources_.erase(it->second);
  by_session_.erase(it);
}

}  // namespace sluice::http
