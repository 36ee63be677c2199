#include "engine/control/http/v1.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <time.h>

#include "engine/control/http/v1_parts.h"
#include "engine/control/json.h"
#include "engine/control/openapi.h"

namespace sluice::http {
namespace {

using control::Json;

constexpr size_t kDefaultLimit = 1000;
constexpr size_t kMaxLimit = 65536;

int64_t monotonic_us() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

void text_or_null(Json& json, std::string_view key, std::string_view text) {
  json.key(key);
  text.empty() ? json.null() : json.value(text);
}

void drops(Json& json, const uint64_t (&counters)[SLUICE_DROP_REASONS_MAX], std::string_view key = "drops") {
  json.key(key).begin_object();
  for (unsigned i = 0; i < SLUICE_DROP_REASONS_MAX; ++i)
    if (const char* name = sluice_drop_name(i); name != nullptr && counters[i] > 0)
      json.member(name, counters[i]);
  json.end_object();
}

void setup(Json& json, const sluice_session_stats& s) {
  const auto since_offer = [&](std::string_view key, int64_t at) {
    json.key(key);
    at == 0 ? json.null() : json.value(static_cast<double>(at - s.offered_us) / 1000.0);
  };
  json.key("setup_ms").begin_object();
  since_offer("first_check", s.first_check_us);
  since_offer("dtls_start", s.dtls_start_us);
  since_offer("dtls_done", s.dtls_done_us);
  since_offer("first_rtp_in", s.first_rtp_in_us);
  since_offer("first_rtp_out", s.first_rtp_out_us);
  json.end_object();
}

void track(Json& json, const sluice_track_stats& t) {
  json.begin_object()
      .member("direction", t.outbound ? "out" : "in")
      .member("kind", t.kind)
      .member("codec", t.codec)
      .member("ssrc", t.ssrc)
      .member("packets", t.packets)
      .member("bytes", t.bytes)
      .member("lost", t.lost)
      .member("fraction_lost", t.fraction_lost)
      .member("jitter_ms", t.jitter_ms)
      .member("bitrate_bps", t.bitrate_bps)
      .member("level_dbov", t.audio_level_dbov)
      .member("nacks", t.nacks)
      .member("retransmitted", t.retransmitted)
      .member("plis", t.plis)
      .end_object();
}

Problem no_session() { return {404, "session", "There is no such session.", "GET /v1/sessions lists them."}; }

std::optional<sluice_session_stats> stats_of(sluice_engine* engine, std::string_view id) {
  const auto session = number<sluice_session>(id);
  auto stats = sized<sluice_session_stats>();
  if (!session || *session == 0 || sluice_get_session_stats(engine, *session, &stats) != SLUICE_OK)
    return std::nullopt;
  return stats;
}

/// Asks again while the list grows under our hands.
std::vector<sluice_session> session_ids(sluice_engine* engine) {
  std::vector<sluice_session> ids(64);
  size_t n = sluice_sessions(engine, ids.data(), ids.size());
  while (n > ids.size()) {
    ids.resize(n + 64);
    n = sluice_sessions(engine, ids.data(), ids.size());
  }
  ids.resize(n);
  return ids;
}

}  // namespace

std::string_view event_name(sluice_event_type type) {
  constexpr std::string_view kNames[] = {"created", "checking", "connected", "moved", "closed", "drained"};
  return static_cast<size_t>(type) < std::size(kNames) ? kNames[type] : "unknown";
}

std::string session_json(const sluice_session_stats& s, int64_t now_us) {
  Json json;
  json.begin_object()
      .member("id", std::to_string(s.session))
      .member("role", sluice_role_name(s.role))
      .member("name", s.name)
      .member("state", sluice_state_name(s.state));
  if (s.state == SLUICE_CLOSED) json.member("close_reason", sluice_close_reason_name(s.reason));
  text_or_null(json, "remote", s.remote);
  text_or_null(json, "local", s.local);
  text_or_null(json, "srtp_profile", s.srtp_profile);
  json.member("shard", s.shard)
      .member("age_ms", static_cast<double>(std::max<int64_t>(0, now_us - s.offered_us)) / 1000.0)
      .member("rtt_ms", s.rtt_ms);
  traffic(json, "rx", s.rx_packets, s.rx_bytes);
  traffic(json, "tx", s.tx_packets, s.tx_bytes);
  json.member("moves", s.moves);
  drops(json, s.drops);
  setup(json, s);
  json.member("subscribers", s.subscribers).key("tracks").begin_array();
  for (unsigned i = 0; i < std::min<unsigned>(s.track_count, SLUICE_TRACKS_MAX); ++i) track(json, s.track[i]);
  json.end_array().end_object();
  return json.take();
}

std::string shard_json(const sluice_shard_stats& s) {
  Json json;
  json.begin_object().member("shard", s.shard).member("core", s.core).member("io", s.io);
  traffic(json, "rx", s.rx_packets, s.rx_bytes);
  traffic(json, "tx", s.tx_packets, s.tx_bytes);
  json.member("rx_calls", s.rx_calls)
      .member("tx_calls", s.tx_calls)
      .member("rx_no_buffers", s.rx_no_buffers)
      .member("rx_rearmed", s.rx_rearmed)
      .member("kernel_drops", s.kernel_drops)
      .member("sleeps", s.sleeps)
      .member("loops", s.loops)
      .member("handed_over", s.handed_over)
      .member("steered", s.steered)
      .member("cpu_ms", static_cast<double>(s.cpu_us) / 1000.0)
      .member("sessions", s.sessions)
      .member("flows", s.flows)
      .member("pool_capacity", s.pool_capacity)
      .member("pool_free", s.pool_free)
      .member("late_allocations", s.late_allocations);
  drops(json, s.drops);
  drops(json, s.unsent, "unsent");
  json.end_object();
  return json.take();
}

std::string room_json(const sluice_room_stats& r) {
  Json json;
  json.begin_object().member("name", r.name);
  text_or_null(json, "publisher", r.publisher == 0 ? std::string() : std::to_string(r.publisher));
  json.member("subscribers", r.subscribers).end_object();
  return json.take();
}

std::string engine_json(const sluice_engine_stats& s, const std::vector<std::string>& udp) {
  Json json;
  json.begin_object()
      .member("version", sluice_version())
      .member("io", s.io)
      .member("srtp", s.srtp)
      .member("fingerprint", s.fingerprint)
      .member("shards", s.shards)
      .member("rooms", s.rooms)
      .member("draining", s.draining != 0)
      .key("udp")
      .begin_array();
  for (const auto& endpoint : udp) json.value(endpoint);
  json.end_array().key("sessions").begin_object();
  json.member("new", s.sessions_new)
      .member("checking", s.sessions_checking)
      .member("connected", s.sessions_connected)
      .member("created", s.sessions_created)
      .member("closed", s.sessions_closed)
      .end_object();
  json.key("handshakes")
      .begin_object()
      .member("done", s.handshakes_done)
      .member("failed", s.handshakes_failed);
  json.end_object().key("closed_by_reason").begin_object();
  for (unsigned i = 1; i < std::size(s.closed_by_reason); ++i)
    json.member(sluice_close_reason_name(static_cast<sluice_close_reason>(i)), s.closed_by_reason[i]);
  json.end_object().key("drop_reasons").begin_object();
  for (unsigned i = 1; sluice_drop_name(i) != nullptr; ++i)
    json.member(sluice_drop_name(i), sluice_drop_text(i));
  json.end_object().end_object();
  return json.take();
}

std::string event_json(const sluice_event& event, const sluice_session_stats* stats) {
  Json json;
  json.begin_object().member("type", event_name(event.type)).member("session", std::to_string(event.session));
  if (stats != nullptr) json.member("role", sluice_role_name(stats->role)).member("name", stats->name);
  if (event.type == SLUICE_EVENT_CLOSED) json.member("reason", sluice_close_reason_name(event.reason));
  json.member("time_us", event.time_us).end_object();
  return json.take();
}

Response v1_sessions(sluice_engine* engine, const Target& target) {
  size_t limit = kDefaultLimit;
  if (const auto asked = target.param("limit")) {
    const auto n = number<size_t>(*asked);
    if (!n || *n == 0 || *n > kMaxLimit)
      return problem({400, "limit", "limit is a whole number from 1 to 65536.", "Leave it out for 1000."});
    limit = *n;
  }
  const auto ids = session_ids(engine);
  const int64_t now = monotonic_us();
  Json json;
  json.begin_object().member("total", ids.size()).key("sessions").begin_array();
  for (auto it = ids.rbegin(); it != ids.rend() && limit > 0; ++it) {
    auto stats = sized<sluice_session_stats>();
    if (sluice_get_session_stats(engine, *it, &stats) != SLUICE_OK) continue;
    json.raw(session_json(stats, now));
    --limit;
  }
  json.end_array().end_object();
  return json_response(json.take());
}

Response v1_session(sluice_engine* engine, std::string_view id) {
  const auto stats = stats_of(engine, id);
  if (!stats) return problem(no_session());
  return json_response(session_json(*stats, monotonic_us()));
}

Response v1_hang_up(sluice_engine* engine, std::string_view id) {
  const auto session = number<sluice_session>(id);
  auto error = sized<sluice_error>();
  if (!session || sluice_hangup(engine, *session, &error) != SLUICE_OK) return problem(no_session());
  return json_response("{\"closed\":true}");
}

Response v1_rooms(sluice_engine* engine) {
  std::vector<sluice_room_stats> rooms(16, sized<sluice_room_stats>());
  size_t n = sluice_rooms(engine, rooms.data(), rooms.size());
  while (n > rooms.size()) {
    rooms.resize(n + 16, sized<sluice_room_stats>());
    n = sluice_rooms(engine, rooms.data(), rooms.size());
  }
  rooms.resize(n);
  Json json;
  json.begin_object().key("rooms").begin_array();
  for (const auto& room : rooms) json.raw(room_json(room));
  json.end_array().end_object();
  return json_response(json.take());
}

Response v1_shards(sluice_engine* engine) {
  auto totals = sized<sluice_engine_stats>();
  sluice_get_engine_stats(engine, &totals);
  Json json;
  json.begin_object().key("shards").begin_array();
  for (unsigned i = 0; i < totals.shards; ++i) {
    auto stats = sized<sluice_shard_stats>();
    if (sluice_get_shard_stats(engine, i, &stats) == SLUICE_OK) json.raw(shard_json(stats));
  }
  json.end_array().end_object();
  return json_response(json.take());
}

Response v1_engine(sluice_engine* engine) {
  auto stats = sized<sluice_engine_stats>();
  sluice_get_engine_stats(engine, &stats);
  char endpoints[64][56];
  const size_t n =
      std::min<size_t>(sluice_listening(engine, endpoints, std::size(endpoints)), std::size(endpoints));
  return json_response(engine_json(stats, {endpoints, endpoints + n}));
}

Response v1_openapi() { return json_response(std::string(kOpenApi)); }

}  // namespace sluice::http
