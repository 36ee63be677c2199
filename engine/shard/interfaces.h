// Values of Packet::ifindex that are no interface of the host: packets that came through something else, and
// have to go back by it. Whatever copies a packet's path (ice::PathAddress) so knows the way back.
#pragma once

#include <cstdint>

#include "net/base/virtual_interface.h"

namespace sluice::engine {

/// A relay endpoint of this very process speaks to one of its public endpoints: `remote` is the former.
inline constexpr uint32_t kInsideInterface = 0x2000'0000;
inline constexpr uint32_t kTrunkInterface = 0x8000'0000;  ///< | trunk peer of this shard

constexpr bool is_virtual(uint32_t ifindex) { return ifindex >= kInsideInterface; }
constexpr bool is_trunk(uint32_t ifindex) { return ifindex >= kTrunkInterface; }
constexpr bool is_inside(uint32_t ifindex) { return ifindex == kInsideInterface; }
/// Whether what goes to `a`'s interface reaches `b`'s too: interfaces of the host all do.
constexpr bool same_leg(uint32_t a, uint32_t b) { return a == b || (!is_virtual(a) && !is_virtual(b)); }

}  // namespace sluice::engine
