// TCP and TLS of this host, for ICE-TCP and TURN.
#pragma once

#include <vector>

#include "engine/capi/handle.h"

namespace sluice::capi {

/// Before the engine is made: TCP wherever UDP is served, as far as it is to be had, and TLS where it was
/// asked for. Turns c.engine.max_streams off if nothing is to be served.
std::expected<void, engine::Failure> open_streams(ParsedConfig& c, sluice_engine& e);
/// Where TCP is served.
std::vector<Endpoint> tcp_bound(const sluice_engine& e);
/// Once the engine is made.
std::expected<void, engine::Failure> make_stream_worker(sluice_engine& e);

}  // namespace sluice::capi
