#include "engine/control/http/v1_relay.h"

#include <algorithm>
#include <iterator>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "engine/control/http/json_reader.h"
#include "engine/control/http/signalling.h"
#include "engine/control/http/v1_parts.h"
#include "engine/control/json.h"
#include "engine/control/log.h"

namespace sluice::http {
namespace {

using control::Json;
using control::Level;
using control::LogLine;

constexpr unsigned kTtlMax = 604'800;
constexpr unsigned kRouteTtl = 3600;
constexpr unsigned kTurnTtl = 86'400;

void trunk_state(Json& json, const sluice_server_stats& s) {
  json.member("state", s.up == 0         ? "down"
                       : s.draining != 0 ? "draining"
                                         : "up")
      .member("rtt_us", s.rtt_us)
      .member("lost_up", s.lost_up)
      .member("lost_down", s.lost_down);
  if (s.claims[0] != 0) json.member("claims", s.claims);
}

/// Routes as the C API takes them; they point into the parsed body.
struct RouteList {
  boost::json::object body;
  std::vector<sluice_route> routes;
};

std::expected<RouteList, Problem> read_routes(std::string_view body) {
  auto object = parse_object(body);
  if (!object) return std::unexpected(std::move(object.error()));
  RouteList out{std::move(*object), {}};
  JsonReader whole(out.body, "");
  whole.only({"routes"});
  const auto* list = out.body.if_contains("routes");
  const auto* array = list != nullptr ? list->if_array() : nullptr;
  if (whole.problem()) return std::unexpected(*whole.problem());
  if (array == nullptr)
    return std::unexpected(Problem{400, "routes", "There is no list of routes.",
                                   "Send {\"routes\":[{\"ufrag\":\"...\",\"server\":\"ADDR:PORT\"}]}."});
  out.routes.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    const std::string scope = fmt::format("routes[{}]", i);
    const auto* entry = (*array)[i].if_object();
    if (entry == nullptr)
      return std::unexpected(Problem{400, scope, "It is no object.", "Send one per route."});
    JsonReader r(*entry, scope + ".");
    r.only({"ufrag", "prefix", "server", "ttl_s"});
    auto route = sized<sluice_route>();
    route.ufrag = r.text("ufrag");
    route.prefix = r.flag("prefix", false) ? 1 : 0;
    route.server = r.text("server", "");
    route.ttl_s = r.number("ttl_s", 1, kTtlMax, kRouteTtl);
    if (r.problem()) return std::unexpected(*r.problem());
    out.routes.push_back(route);
  }
  return out;
}

Response refused(sluice_code code, const sluice_error& error) {
  Problem p = problem_of(code, error);
  // What this process was not started for is no matter of what the client accepts.
  if (code == SLUICE_E_UNSUPPORTED) p.status = 501;
  return problem(p);
}

std::string turn_host(std::string uri, std::string_view name) {
  constexpr std::string_view kTls = "turns:";
  const size_t port = uri.rfind(':');
  // A certificate is for a name; what has only addresses gets those.
  if (name.empty() || !uri.starts_with(kTls) || port <= kTls.size()) return uri;
  return fmt::format("{}{}{}", kTls, name, uri.substr(port));
}

std::vector<std::string> turn_uris(sluice_engine* engine, std::string_view name) {
  char uris[64][96];
  const size_t n = std::min(sluice_turn_uris(engine, uris, std::size(uris)), std::size(uris));
  std::vector<std::string> out;
  for (size_t i = 0; i < n; ++i) {
    std::string uri = turn_host(uris[i], name);
    if (std::ranges::find(out, uri) == out.end()) out.push_back(std::move(uri));
  }
  return out;
}

std::vector<sluice_server_stats> server_list(sluice_engine* engine) {
  std::vector<sluice_server_stats> out(sluice_servers(engine, nullptr, 0), sized<sluice_server_stats>());
  sluice_servers(engine, out.data(), out.size());
  return out;
}

}  // namespace

std::string server_json(const sluice_server_stats& s) {
  Json json;
  json.begin_object().key("id");
  s.id[0] == 0 ? json.null() : json.value(s.id);
  json.member("address", s.address)
      .member("trunk", s.trunk != 0)
      .member("flows", s.flows)
      .member("unconfirmed", s.unconfirmed)
      .member("routes", s.routes);
  traffic(json, "up", s.up_packets, s.up_bytes);
  traffic(json, "down", s.down_packets, s.down_bytes);
  if (s.trunk != 0) trunk_state(json, s);
  json.end_object();
  return json.take();
}

std::string turn_json(const sluice_turn_stats& s) {
  Json json;
  json.begin_object()
      .member("allocations", s.allocations)
      .member("max_allocations", s.max_allocations)
      .member("streams", s.streams)
      .member("reservations", s.reservations)
      .member("created", s.created)
      .member("expired", s.expired)
      .member("deleted", s.deleted)
      .member("moved", s.moved)
      .member("refreshed", s.refreshed)
      .member("permissions", s.permissions)
      .member("channels", s.channels)
      .member("bindings", s.bindings);
  traffic(json, "up", s.up_packets, s.up_bytes);
  traffic(json, "down", s.down_packets, s.down_bytes);
  json.member("channel_packets", s.channel_packets).key("refused").begin_object();
  for (unsigned i = 0; i < s.refused_count; ++i)
    json.member(fmt::format("{}", s.refused_code[i]), s.refused[i]);
  json.end_object().end_object();
  return json.take();
}

std::string streams_json(const sluice_stream_stats& s) {
  Json json;
  json.begin_object()
      .member("max", s.max_streams)
      .member("open", s.open)
      .member("open_tls", s.open_tls)
      .member("accepted", s.accepted)
      .member("accepted_tls", s.accepted_tls)
      .member("ice", s.ice)
      .member("turn", s.turn);
  traffic(json, "in", s.rx_datagrams, s.rx_bytes);
  traffic(json, "out", s.tx_datagrams, s.tx_bytes);
  json.key("refused")
      .begin_object()
      .member("full", s.refused_full)
      .member("address", s.refused_address)
      .member("rate", s.refused_rate)
      .member("files", s.refused_files)
      .end_object();
  json.key("ended")
      .begin_object()
      .member("peer", s.ended_peer)
      .member("shard", s.ended_shard)
      .member("silent", s.ended_silent)
      .member("idle", s.ended_idle)
      .member("malformed", s.ended_malformed)
      .member("tls", s.ended_tls)
      .member("broken", s.ended_broken)
      .end_object();
  json.end_object();
  return json.take();
}

std::string relay_json(const sluice_relay_stats& s, const sluice_turn_stats& turn,
                       const sluice_stream_stats& streams) {
  constexpr std::string_view kRoles[] = {"both", "relay", "media"};
  Json json;
  json.begin_object()
      .member("role", kRoles[s.tier])
      .member("relay", s.relay != 0)
      .member("trunk", s.trunk != 0)
      .member("turn", s.turn != 0)
      .member("flows", s.flows)
      .member("max_flows", s.max_flows)
      .member("unconfirmed", s.unconfirmed)
      .member("flows_created", s.flows_created)
      .member("flows_expired", s.flows_expired);
  traffic(json, "up", s.up_packets, s.up_bytes);
  traffic(json, "down", s.down_packets, s.down_bytes);
  json.member("routes", s.routes)
      .member("max_routes", s.max_routes)
      .member("servers", s.servers)
      .member("ports_open", s.ports_open);
  if (s.trunk_direct != 0) traffic(json, "direct", s.direct_packets, s.direct_bytes);
  if (turn.on != 0) json.key("turn_figures").raw(turn_json(turn));
  if (streams.max_streams != 0) json.key("streams").raw(streams_json(streams));
  json.end_object();
  return json.take();
}

Response v1_relay(sluice_engine* engine) {
  auto stats = sized<sluice_relay_stats>();
  sluice_get_relay_stats(engine, &stats);
  auto turn = sized<sluice_turn_stats>();
  sluice_get_turn_stats(engine, &turn);
  auto streams = sized<sluice_stream_stats>();
  sluice_get_stream_stats(engine, &streams);
  return json_response(relay_json(stats, turn, streams));
}

Response v1_servers(sluice_engine* engine) {
  Json json;
  json.begin_object().key("servers").begin_array();
  for (const auto& server : server_list(engine)) json.raw(server_json(server));
  json.end_array().end_object();
  return json_response(json.take());
}

Response v1_put_server(sluice_engine* engine, std::string_view id, std::string_view body) {
  const auto object = parse_object(body);
  if (!object) return problem(object.error());
  JsonReader r(*object, "");
  r.only({"address", "trunk"});
  const std::string name(id);
  auto server = sized<sluice_server>();
  server.id = name.c_str();
  server.address = r.text("address");
  server.trunk = r.flag("trunk", false) ? 1 : 0;
  if (r.problem()) return problem(*r.problem());
  auto error = sized<sluice_error>();
  if (const auto code = sluice_put_server(engine, &server, &error); code != SLUICE_OK)
    return refused(code, error);
  LogLine(Level::info, "server_put")
      .with("id", id)
      .with("address", server.address)
      .with("trunk", server.trunk);
  Json json;
  json.begin_object()
      .member("id", id)
      .member("address", server.address)
      .member("trunk", server.trunk != 0)
      .end_object();
  return json_response(json.take());
}

Response v1_remove_server(sluice_engine* engine, std::string_view id) {
  auto error = sized<sluice_error>();
  if (const auto code = sluice_remove_server(engine, std::string(id).c_str(), &error); code != SLUICE_OK)
    return refused(code, error);
  LogLine(Level::info, "server_removed").with("id", id);
  return json_response("{\"removed\":true}");
}

Response v1_routes(sluice_engine* engine) {
  auto stats = sized<sluice_relay_stats>();
  sluice_get_relay_stats(engine, &stats);
  Json json;
  json.begin_object().member("routes", stats.routes).member("capacity", stats.max_routes).end_object();
  return json_response(json.take());
}

Response v1_put_routes(sluice_engine* engine, std::string_view body) {
  const auto list = read_routes(body);
  if (!list) return problem(list.error());
  auto error = sized<sluice_error>();
  if (const auto code = sluice_put_routes(engine, list->routes.data(), list->routes.size(), &error);
      code != SLUICE_OK)
    return refused(code, error);
  auto stats = sized<sluice_relay_stats>();
  sluice_get_relay_stats(engine, &stats);
  Json json;
  json.begin_object()
      .member("installed", list->routes.size())
      .member("routes", stats.routes)
      .member("capacity", stats.max_routes)
      .end_object();
  return json_response(json.take());
}

Response v1_remove_routes(sluice_engine* engine, std::string_view body) {
  const auto list = read_routes(body);
  if (!list) return problem(list.error());
  auto error = sized<sluice_error>();
  size_t removed = 0;
  if (const auto code =
          sluice_remove_routes(engine, list->routes.data(), list->routes.size(), &removed, &error);
      code != SLUICE_OK)
    return refused(code, error);
  Json json;
  json.begin_object().member("removed", removed).end_object();
  return json_response(json.take());
}

Response v1_sdp(sluice_engine* engine, std::string_view body) {
  const auto object = parse_object(body);
  if (!object) return problem(object.error());
  JsonReader r(*object, "");
  r.only({"sdp", "side", "server", "ttl_s"});
  auto request = sized<sluice_sdp_request>();
  const std::string_view sdp = r.long_text("sdp");
  const std::string_view side = r.text("side");
  request.sdp = sdp.data();
  request.sdp_len = sdp.size();
  request.direction = side == "answer" ? SLUICE_TO_CLIENT : SLUICE_TO_SERVER;
  request.ttl_s = r.number("ttl_s", 1, kTtlMax, kRouteTtl);
  if (object->contains("server")) request.server = r.text("server");
  if (r.problem()) return problem(*r.problem());
  if (side != "offer" && side != "answer")
    return problem({400, "side", "It is neither offer nor answer.",
                    "offer: a client's, on its way to the server; answer: the server's, on its way back."});
  std::string text(kMaxSdpJsonBytes, '\0');
  size_t length = 0;
  auto result = sized<sluice_sdp_result>();
  auto error = sized<sluice_error>();
  if (const auto code =
          sluice_rewrite_sdp(engine, &request, text.data(), text.size(), &length, &result, &error);
      code != SLUICE_OK)
    return refused(code, error);
  Json json;
  json.begin_object().member("sdp", std::string_view(text).substr(0, length)).key("ufrags").begin_array();
  for (unsigned i = 0; i < result.ufrag_count; ++i) json.value(result.ufrag[i]);
  json.end_array().end_object();
  return json_response(json.take());
}

Response v1_turn_credentials(sluice_engine* engine, std::string_view body, std::string_view name) {
  const auto object = parse_object(body.empty() ? "{}" : body);
  if (!object) return problem(object.error());
  JsonReader r(*object, "");
  r.only({"user", "ttl_s"});
  const char* user = r.text("user", "guest");
  const unsigned ttl_s = r.number("ttl_s", 1, kTtlMax, kTurnTtl);
  if (r.problem()) return problem(*r.problem());
  auto login = sized<sluice_turn_login>();
  auto error = sized<sluice_error>();
  if (const auto code = sluice_turn_credential(engine, user, ttl_s, &login, &error); code != SLUICE_OK)
    return refused(code, error);
  const auto uris = turn_uris(engine, name);
  Json list;
  list.begin_array();
  for (const auto& uri : uris) list.value(uri);
  list.end_array();
  const std::string urls = list.take();
  Json json;
  json.begin_object()
      .member("username", login.username)
      .member("password", login.password)
      .member("ttl_s", ttl_s)
      .key("uris")
      .raw(urls);
  json.key("iceServers").begin_array().begin_object().key("urls").raw(urls);
  json.member("username", login.username).member("credential", login.password);
  json.end_object().end_array().end_object();
  return json_response(json.take());
}

}  // namespace sluice::http
