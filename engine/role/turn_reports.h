// What the control thread sees of allocations, and how it ends them. Owner thread only.
#pragma once

#include "engine/shard/core.h"
#include "net/stun/message.h"

namespace sluice::engine {

/// Publishes what there is, or no longer is, at the index. `made_by`: the request that has just made it.
void report_allocation(Core& c, uint32_t allocation, const stun::View* made_by = nullptr);
/// The next part of all, whose counters have moved since.
void publish_allocations(Core& c);

/// An operator's word; its stream, if it came by one, ends with it. No effect if it has gone.
void close_allocation(Core& c, Handle which);
/// All of them, and the ports that are reserved.
void end_allocations(Core& c);

}  // namespace sluice::engine
