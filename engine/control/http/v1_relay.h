// The part of /v1 that steers the relay tier: servers, routes, descriptions on their way through,
// credentials. Bodies are JSON, whatever Content-Type says: curl -d is welcome. Control thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/control/http/message.h"
#include "engine/sluice.h"

namespace sluice::http {

/// Some 80 000 routes.
inline constexpr size_t kMaxRoutesBytes = 8 * 1024 * 1024;
/// A description of 65536 bytes, written as a JSON string.
inline constexpr size_t kMaxSdpJsonBytes = 256 * 1024;

Response v1_relay(sluice_engine* engine);
Response v1_servers(sluice_engine* engine);
Response v1_put_server(sluice_engine* engine, std::string_view id, std::string_view body);
Response v1_remove_server(sluice_engine* engine, std::string_view id);
Response v1_routes(sluice_engine* engine);
Response v1_put_routes(sluice_engine* engine, std::string_view body);
Response v1_remove_routes(sluice_engine* engine, std::string_view body);
Response v1_sdp(sluice_engine* engine, std::string_view body);
/// `name`: how clients call this host where TLS wants a name; empty: its addresses will do.
Response v1_turn_credentials(sluice_engine* engine, std::string_view body, std::string_view name);

std::string server_json(const sluice_server_stats& stats);
std::string relay_json(const sluice_relay_stats& stats, const sluice_turn_stats& turn,
                       const sluice_stream_stats& streams);

}  // namespace sluice::http
