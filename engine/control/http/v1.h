// /v1: what is going on, as JSON. Shapes are described in engine/control/openapi.json, served as
// /v1/openapi.json. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/http/message.h"
#include "engine/control/http/target.h"
#include "engine/sluice.h"

namespace sluice::http {

/// Newest first; ?limit=1..65536 (default 1000) bounds the list, `total` says how many there are.
Response v1_sessions(sluice_engine* engine, const Target& target);
Response v1_session(sluice_engine* engine, std::string_view id);
Response v1_hang_up(sluice_engine* engine, std::string_view id);
Response v1_rooms(sluice_engine* engine);
Response v1_shards(sluice_engine* engine);
Response v1_engine(sluice_engine* engine);
Response v1_openapi();

/// "connected", "closed", ...
std::string_view event_name(sluice_event_type type);
/// `now_us`: CLOCK_MONOTONIC.
std::string session_json(const sluice_session_stats& stats, int64_t now_us);
std::string shard_json(const sluice_shard_stats& stats);
/// `udp`: what sluice_listening() says.
std::string engine_json(const sluice_engine_stats& stats, const std::vector<std::string>& udp);
std::string room_json(const sluice_room_stats& stats);
/// `stats` may be null: the session's figures are gone already.
std::string event_json(const sluice_event& event, const sluice_session_stats* stats);

}  // namespace sluice::http
