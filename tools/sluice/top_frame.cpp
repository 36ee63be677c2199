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

uint64_t drops(const json::object& o) {
  uint64_t sum = 0;
  if (const auto* d = object(o, "drops"))
    for (const auto& item : *d) sum += count(*d, item.key());
  return sum;
}

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

std::expected<TopFrame, std::string> parse_frame(std::string_view engine, std::string_view sessions,
                                                 std::string_view shards) {
  const auto e = parse_object(engine);
  if (!e) return std::unexpected(std::string("/v1/engine is no JSON object"));
  const auto s = parse_object(sessions);
  const auto* list = s ? array(*s, "sessions") : nullptr;
  if (list == nullptr) return std::unexpected(std::string("/v1/sessions has no list of sessions"));
  const auto h = parse_object(shards);
  const auto* threads = h ? array(*h, "shards") : nullptr;
  if (threads == nullptr) return std::unexpected(std::string("/v1/shards has no list of shards"));
  TopFrame out;
  out.version = text(*e, "version");
  out.io = text(*e, "io");
  out.srtp = text(*e, "srtp");
  const auto* draining = e->if_contains("draining");
  out.draining = draining != nullptr && draining->is_bool() && draining->get_bool();
  out.total = count(*s, "total");
  for (const auto& v : *list)
    if (v.is_object()) out.sessions.push_back(session(v.get_object()));
  for (const auto& v : *threads)
    if (v.is_object()) out.shards.push_back(shard(v.get_object()));
  return out;
}

}  // namespace sluice
