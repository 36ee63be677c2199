// The part of /v1 that shows and ends TURN allocations. Control thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/control/http/message.h"
#include "engine/control/http/target.h"
#include "engine/sluice.h"

namespace sluice::http {

/// `whole`: with the client's address as it is, not masked as in logs.
std::string allocation_json(const sluice_turn_allocation& allocation, bool whole);

/// A page: ?limit=1..1000 (100), ?after=ID, ?addresses=whole.
Response v1_turn_allocations(sluice_engine* engine, const Target& target);
Response v1_end_turn_allocation(sluice_engine* engine, std::string_view id);

}  // namespace sluice::http
