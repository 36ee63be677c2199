// How the relay tier's packets leave and arrive on this host: local ports, prebuilt headers.
#pragma once

#include "engine/capi/handle.h"

namespace sluice::capi {

/// Before the engine is made. What was asked for by name must be had; what is only the default may be
/// missing, and is then said. Precondition: the relay's addresses are filled in.
std::expected<void, engine::Failure> make_relay_io(ParsedConfig& c, sluice_engine& e);

/// Of one shard's backend.
io::BackendOptions backend_options(const sluice_engine& e, ShardId shard);

}  // namespace sluice::capi
