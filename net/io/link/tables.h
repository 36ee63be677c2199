// The kernel's routing tables as a whole, where they are simple enough to be looked up here. Control threads.
#pragma once

#include <optional>
#include <vector>

#include "net/io/link/netlink.h"
#include "net/io/link/ways.h"

namespace sluice::io::link {

/// A route as the kernel would choose it: the first that covers a destination decides.
struct TableRow {
  RouteInfo route;
  KnownRoute::Kind kind = KnownRoute::Kind::ask;
};

/// All of both families. Nothing where a rule chooses tables (a VRF, a mark, a source), where there are more
/// than `most` rows, or where the kernel does not tell: then each destination has to be asked for.
std::optional<std::vector<TableRow>> read_tables(size_t most);

}  // namespace sluice::io::link
