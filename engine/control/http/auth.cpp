#include "engine/control/http/auth.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/sha.h>

namespace sluice::http {
namespace {

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const auto address = parse_address(host);
  return address && address->is_loopback();
}

bool valid_port(std::string_view port) {
  const bool digits = std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return digits && !port.empty() && port.size() <= 5;
}

bool valid_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

std::string digest_of(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> d;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), d.data());
  return {reinterpret_cast<const char*>(d.data()), d.size()};
}

/// RFC 6750 §2.1; the scheme's name has no case.
std::optional<std::string_view> bearer(const Request& request) {
  if (request.headers.count("Authorization") != 1) return std::nullopt;
  const std::string_view value = *request.headers.find("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (value.size() <= kScheme.size() || !equal_no_case(value.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  return trim(value.substr(kScheme.size()));
}

Problem foreign_origin(std::string_view fix) {
  return {403, "Origin", "This origin may not make this request.", std::string(fix)};
}

std::string_view scheme_default_port(std::string_view scheme) { return scheme == "https" ? "443" : "80"; }

bool same_origin(const Request& request, const Origin& origin) {
  const auto host = parse_authority(request.headers.find("Host").value_or(""));
  if (!host || host->host != origin.authority.host) return false;
  // A proxy in front may speak HTTPS for us, so the scheme does not count, and its default port may be left
  // out.
  const auto port_of = [&](const Authority& a) {
    return a.port.empty() ? scheme_default_port(origin.scheme) : std::string_view(a.port);
  };
  return port_of(*host) == port_of(origin.authority);
}

bool right_for(RouteId route, const control::Rights& rights) {
  switch (route) {
    case RouteId::whip:
    case RouteId::whip_session:
      return rights.publish;
    case RouteId::whep:
    case RouteId::whep_session:
      return rights.play;
    default:
      return rights.agent;
  }
}

Problem token_problem(control::TokenError error) {
  constexpr std::string_view kFix =
      "Ask for a new one: sluice token room --room-secret @FILE --room ROOM --allow ACTION.";
  switch (error) {
    case control::TokenError::expired:
      return {401, "Authorization", "The room token has expired.", std::string(kFix)};
    case control::TokenError::forged:
      return {401, "Authorization", "The room token was not signed with this server's room secret.",
              std::string(kFix)};
    case control::TokenError::malformed:
      break;
  }
  return {401, "Authorization", "This is no room token.", std::string(kFix)};
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const auto address = parse_address(text.substr(1, close - 1));
    if (!address) return std::nullopt;
    // One spelling per address, so that [0:0::1] and [::1] compare equal.
    EndpointText canonical;
    out.host = std::string(format(*address, canonical));
    rest = text.substr(close + 1);
  } else {
    const size_t colon = text.find(':');
    out.host = to_lower(text.substr(0, colon));
    if (out.host.ends_with('.')) out.host.pop_back();
    if (out.host.empty() || out.host.size() > 253 || !std::ranges::all_of(out.host, valid_host_char))
      return std::nullopt;
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (rest.empty()) return out;
  if (rest.front() != ':' || !valid_port(rest.substr(1))) return std::nullopt;
  out.port = std::string(rest.substr(1));
  return out;
}

std::optional<Origin> parse_origin(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  Origin out;
  out.scheme = to_lower(text.substr(0, colon));
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  auto authority = parse_authority(text.substr(colon + 3));
  if (!authority) return std::nullopt;
  out.authority = std::move(*authority);
  return out;
}

std::optional<std::string> canonical_origin(std::string_view text) {
  if (text.ends_with('/')) text.remove_suffix(1);
  const auto origin = parse_origin(text);
  if (!origin) return std::nullopt;
  const auto& [host, port] = origin->authority;
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = fmt::format("{}://{}{}{}", origin->scheme, v6 ? "[" : "", host, v6 ? "]" : "");
  if (!port.empty() && port != scheme_default_port(origin->scheme)) out.append(":").append(port);
  return out;
}

std::optional<Problem> check_host(const Policy& policy, const Request& request) {
  if (request.headers.count("Host") != 1)
    return Problem{400, "Host", "A request has exactly one Host header.", "Send one (RFC 9112 §3.2)."};
  const auto host = parse_authority(*request.headers.find("Host"));
  if (!host) return Problem{400, "Host", "Host is not a name or address with an optional port.", ""};
  if (is_loopback_host(host->host)) return std::nullopt;
  if (const auto address = parse_address(host->host); address && *address == request.local.addr)
    return std::nullopt;
  if (std::ranges::find(policy.names, host->host) != policy.names.end()) return std::nullopt;
  // A page of another site whose name was made to resolve to us (DNS rebinding) ends here.
  return Problem{421, "Host", "This server does not answer to that name.",
                 "Use its address, or start it with --http-name NAME."};
}

OriginKind classify_origin(const Policy& policy, const Request& request) {
  if (request.headers.count("Origin") == 0) return OriginKind::none;
  if (request.headers.count("Origin") > 1) return OriginKind::foreign;
  const std::string_view text = *request.headers.find("Origin");
  const auto origin = parse_origin(text);
  if (!origin) return OriginKind::foreign;
  if (same_origin(request, *origin)) return OriginKind::same;
  if (is_loopback_host(origin->authority.host)) return OriginKind::loopback;
  const auto canonical = canonical_origin(text);
  if (canonical && std::ranges::find(policy.origins, *canonical) != policy.origins.end())
    return OriginKind::listed;
  return OriginKind::foreign;
}

std::optional<Problem> check_admin(const Policy& policy, const Request& request) {
  const OriginKind kind = classify_origin(policy, request);
  if (kind != OriginKind::none && kind != OriginKind::same)
    return foreign_origin("Use it from the console, or from a program that sends no Origin.");
  if (policy.admin_token.empty()) {
    if (policy.loopback_only) return std::nullopt;
    return Problem{403, "Authorization",
                   "Nobody administers this server over a network: it has no admin token.",
                   "Start it with --admin-token @FILE, or with --http on a loopback address."};
  }
  const auto token = bearer(request);
  if (!token)
    return Problem{401, "Authorization", "This needs the admin token.",
                   "Send Authorization: Bearer TOKEN with the content of the --admin-token file."};
  if (!policy.admin_token.matches(*token))
    return Problem{401, "Authorization", "This is not the admin token.",
                   "Send the content of the --admin-token file."};
  return std::nullopt;
}

bool is_admin(const Policy& policy, const Request& request) {
  return !check_admin(policy, request).has_value();
}

std::optional<Problem> check_signalling_origin(const Policy& policy, const Request& request) {
  if (classify_origin(policy, request) != OriginKind::foreign || !policy.room_secret.empty())
    return std::nullopt;
  return foreign_origin(
      "Start the server with --http-origin ORIGIN, or with --room-secret @FILE and use room tokens.");
}

std::expected<RoomGrant, Problem> check_room(const Policy& policy, const Request& request,
                                             const RoomRequest& want) {
  if (auto refused = check_signalling_origin(policy, request)) return std::unexpected(std::move(*refused));
  if (policy.room_secret.empty()) return RoomGrant{.takeover = is_admin(policy, request), .token_digest = {}};
  const auto text = bearer(request);
  if (!text)
    return std::unexpected(Problem{401, "Authorization", "This needs a room token.",
                                   "Send Authorization: Bearer TOKEN; make one with sluice token room."});
  RoomGrant grant{.takeover = false, .token_digest = digest_of(*text)};
  const int64_t now = grant.token_digest == want.opened_with ? INT64_MIN : want.now_s;
  const auto token = control::verify(policy.room_secret, *text, now);
  if (!token) return std::unexpected(token_problem(token.error()));
  if (token->room != want.room)
    return std::unexpected(Problem{403, "Authorization", "The room token is for another room.",
                                   fmt::format("Ask for one with --room {}.", want.room)});
  if (!right_for(want.route, token->rights))
    return std::unexpected(Problem{403, "Authorization", "The room token does not allow this.",
                                   "Ask for one with the right --allow: publish, play or agent."});
  grant.takeover = token->rights.takeover;
  return grant;
}

void add_cors(const Request& request, Response& response) {
  response.headers.add("Vary", "Origin");
  const auto origin = request.headers.find("Origin");
  if (!origin) return;
  response.headers.add("Access-Control-Allow-Origin", std::string(*origin));
  response.headers.add("Access-Control-Expose-Headers",
                       "Location, ETag, Link, Accept-Patch, Retry-After, Sluice-Session");
}

}  // namespace sluice::http
