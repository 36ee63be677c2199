// Where first packets lead, and the flows that they make: what the packet path asks for. Owner thread only.
#pragma once

#include <expected>

#include "engine/shard/core.h"
#include "net/ice/check.h"
#include "net/stun/message.h"

namespace sluice::engine::relay {

/// What ice::route_request() says of a request, with Expiry::report.
using Routed = std::expected<ice::CheckedRequest, Drop>;

struct Target {
  Drop drop = Drop::none;
  bool here = false;  ///< a session of this process
  ServerIndex server = Shared::kNoServer;
};
/// Of a binding request.
Target target_of(const Core& c, const stun::View& view, const Routed& routed);

/// An unanswered flow for the packet's sender, who has none. none, or why there is none.
Drop make_flow(Core& c, const Packet& p, ServerIndex server);

}  // namespace sluice::engine::relay
