#include <algorithm>

#include <boost/json.hpp>

#include "tools/sluice/top_table.h"

namespace sluice {
namespace {

namespace json = boost::json;

std::optional<double> number(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (v == nullptr || !v->is_number()) return std::nullopt;
  return v->to_number<double>();
}

double number_or_zero(const json::object& o, std::string_view key) { return number(o, key).value_or(0); }

uint64_t count(const json::object& o, std::string_view key) {
  return static_cast<uint64_t>(std::max(0.0, number_or_zero(o, key)));
}

std::string text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

const json::object* object(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v == nullptr ? nullptr : v->if_object();
}

const json::array* array(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v == nullptr ? nullptr : v->if_array();
}

/// Of a counter for each reason.
uint64_t sum(const json::object* o) {
  uint64_t all = 0;
  if (o != nullptr)
    for (const auto& item : *o) all += count(*o, item.key());
  return all;
}

uint64_t drops(const json::object& o) { return sum(object(o, "drops")); }

void add_track(TopSession& s, const json::object& t) {
  const bool out = text(t, "direction") == "out";
  (out ? s.out_bps : s.in_bps) += number_or_zero(t, "bitrate_bps");
  s.loss = std::max(s.loss, number_or_zero(t, "fraction_lost"));
  if (const auto j = number(t, "jitter_ms")) s.jitter_ms = std::max(s.jitter_ms.value_or(0), *j);
  if (const auto l = number(t, "level_dbov")) s.level_dbov = std::max(s.level_dbov.value_or(-127), *l);
}

TopSession session(const json::object& o) {
  TopSession s;
  s.id = text(o, "id");
  s.role = text(o, "role");
  s.name = text(o, "name");
  s.state = text(o, "state");
  s.remote = text(o, "remote");
  s.age_s = number_or_zero(o, "age_ms") / 1000;
  s.rtt_ms = number(o, "rtt_ms");
  s.drops = drops(o);
  s.shard = static_cast<unsigned>(count(o, "shard"));
  if (const auto* tracks = array(o, "tracks"))
    for (const auto& t : *tracks)
      if (t.is_object()) add_track(s, t.get_object());
  return s;
}

uint64_t packets(const json::object& o, std::string_view key) {
  const auto* side = object(o, key);
  return side == nullptr ? 0 : count(*side, "packets");
}
uint64_t bytes(const json::object& o, std::string_view key) {
  const auto* side = object(o, key);
  return side == nullptr ? 0 : count(*side, "bytes");
}
bool flag(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_bool() && v->get_bool();
}

/// What a server and the relay as a whole have in common.
template <class T>
void put_flows(const json::object& o, T& out) {
  out.flows = count(o, "flows");
  out.unconfirmed = count(o, "unconfirmed");
  out.routes = count(o, "routes");
  out.up_packets = packets(o, "up");
  out.up_bytes = bytes(o, "up");
  out.down_packets = packets(o, "down");
  out.down_bytes = bytes(o, "down");
}

TopServer server(const json::object& o) {
  TopServer s;
  s.address = text(o, "address");
  s.name = text(o, "id");
  if (s.name.empty()) s.name = s.address;
  s.trunk = flag(o, "trunk");
  s.state = text(o, "state");
  s.rtt_ms = static_cast<double>(count(o, "rtt_us")) / 1000;
  put_flows(o, s);
  return s;
}

TopRelay relay(const json::object& o) {
  TopRelay r;
  r.on = flag(o, "relay");
  r.alone = text(o, "role") == "relay";
  r.max_flows = count(o, "max_flows");
  r.created = count(o, "flows_created");
  r.expired = count(o, "flows_expired");
  r.max_routes = count(o, "max_routes");
  r.ports = count(o, "ports_open");
  r.direct = object(o, "direct") != nullptr;
  r.direct_packets = packets(o, "direct");
  r.direct_bytes = bytes(o, "direct");
  put_flows(o, r);
  return r;
}

TopTurn turn(const json::object& o) {
  TopTurn t;
  t.on = true;
  t.allocations = count(o, "allocations");
  t.max_allocations = count(o, "max_allocations");
  t.created = count(o, "created");
  t.up_packets = packets(o, "up");
  t.up_bytes = bytes(o, "up");
  t.down_packets = packets(o, "down");
  t.down_bytes = bytes(o, "down");
  const auto* refused = object(o, "refused");
  if (refused == nullptr) return t;
  t.unauthenticated = count(*refused, "401");
  t.quota = count(*refused, "486");
  for (const auto& [code, n] : *refused) t.refused += count(*refused, code);
  return t;
}

TopAllocation allocation(const json::object& o) {
  TopAllocation a;
  a.id = text(o, "id");
  a.user = text(o, "user");
  a.client = text(o, "client");
  a.transport = text(o, "transport");
  a.left_s = number_or_zero(o, "lifetime_s");
  a.up_packets = packets(o, "up");
  a.up_bytes = bytes(o, "up");
  a.down_packets = packets(o, "down");
  a.down_bytes = bytes(o, "down");
  const auto* relayed = array(o, "relayed");
  if (relayed == nullptr || relayed->empty() || !relayed->front().is_string()) return a;
  a.relayed = std::string(relayed->front().get_string()) + (relayed->size() > 1 ? "+" : "");
  return a;
}

TopStreams streams(const json::object& o) {
  const auto* ended = object(o, "ended");
  return {.max = count(o, "max"),
          .open = count(o, "open"),
          .open_tls = count(o, "open_tls"),
          .accepted = count(o, "accepted"),
          .refused = sum(object(o, "refused")),
          .tls_failures = ended != nullptr ? count(*ended, "tls") : 0};
}

TopShard shard(const json::object& o) {
  TopShard s;
  s.shard = static_cast<unsigned>(count(o, "shard"));
  s.core = static_cast<unsigned>(count(o, "core"));
  s.io = text(o, "io");
  s.sessions = count(o, "sessions");
  s.rx_packets = packets(o, "rx");
  s.tx_packets = packets(o, "tx");
  s.drops = drops(o);
  s.kernel_drops = count(o, "kernel_drops");
  s.pool_free = count(o, "pool_free");
  s.pool_capacity = count(o, "pool_capacity");
  s.cpu_ms = number_or_zero(o, "cpu_ms");
  return s;
}

std::optional<json::object> parse_object(std::string_view document) {
  boost::system::error_code error;
  json::value v = json::parse(document, error);
  if (error || !v.is_object()) return std::nullopt;
  return std::move(v.get_object());
}

}  // namespace

std::expected<TopFrame, std::string> parse_frame(const TopDocuments& documents) {
  const auto e = parse_object(documents.engine);
  if (!e) return std::unexpected(std::string("/v1/engine is no JSON object"));
  const auto s = parse_object(documents.sessions);
  const auto* list = s ? array(*s, "sessions") : nullptr;
  if (list == nullptr) return std::unexpected(std::string("/v1/sessions has no list of sessions"));
  const auto h = parse_object(documents.shards);
  const auto* threads = h ? array(*h, "shards") : nullptr;
  if (threads == nullptr) return std::unexpected(std::string("/v1/shards has no list of shards"));
  TopFrame out;
  out.version = text(*e, "version");
  out.io = text(*e, "io");
  out.srtp = text(*e, "srtp");
  out.draining = flag(*e, "draining");
  if (const auto r = parse_object(documents.relay)) {
    out.relay = relay(*r);
    if (const auto* figures = object(*r, "turn_figures")) out.turn = turn(*figures);
    if (const auto* figures = object(*r, "streams")) out.streams = streams(*figures);
  }
  const auto known = parse_object(documents.servers);
  if (const auto* servers = known ? array(*known, "servers") : nullptr)
    for (const auto& v : *servers)
      if (v.is_object()) out.relay.servers.push_back(server(v.get_object()));
  out.total = count(*s, "total");
  for (const auto& v : *list)
    if (v.is_object()) out.sessions.push_back(session(v.get_object()));
  for (const auto& v : *threads)
    if (v.is_object()) out.shards.push_back(shard(v.get_object()));
  return out;
}

void add_allocations(TopFrame& frame, std::string_view document) {
  const auto page = parse_object(document);
  const auto* list = page ? array(*page, "allocations") : nullptr;
  if (list == nullptr) return;
  for (const auto& v : *list)
    if (v.is_object()) frame.turn.list.push_back(allocation(v.get_object()));
}

}  // namespace sluice
