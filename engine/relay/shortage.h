// Says now and then that clients are refused for want of a relay port, and what would help.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/base/units.h"
#include "net/io/backend.h"

namespace sluice::engine::relay {

/// Figures of all shards together.
struct PortUse {
  bool granted = false;      ///< there are relay ports at all
  uint32_t open = 0;         ///< ports
  uint64_t allocations = 0;  ///< refused by TURN since start
  uint64_t checks = 0;       ///< of clients without a flow, refused since start
  bool no_sockets = false;   ///< a shard has as many ports open as it may, and that is not all of them
};

/// Control thread only.
class PortShortage {
 public:
  /// Whether it is time for figures.
  bool due(Micros now) const { return now >= due_; }
  /// A line, a minute or more after the one before, if somebody was refused meanwhile.
  std::optional<std::string> look(const PortUse& use, io::PortRange range, Micros now);

 private:
  Micros due_{};
  Micros quiet_until_{};
  uint64_t allocations_ = 0, checks_ = 0;  ///< that the last line has told of
};

}  // namespace sluice::engine::relay
