// The kernel's routing tables as a whole, where they are simple enough to be looked up here. Control threads.
#pragma once

#include <expected>
#include <vector>

#include "net/io/link/netlink.h"
#include "net/io/link/ways.h"

namespace sluice::io::link {

/// A route as the kernel would choose it: the first that covers a destination decides.
struct TableRow {
  RouteInfo route;
  KnownRoute::Kind kind = KnownRoute::Kind::ask;
};

/// Why there are no rows: each destination has to be asked for.
enum class Unread : uint8_t {
  not_simple,  ///< a rule chooses tables (a VRF, a mark, a source), or there are too many rows
  failed,      ///< the kernel did not tell, or they changed each time; another time it may
};

/// All of both families, at most `most`.
std::expected<std::vector<TableRow>, Unread> read_tables(size_t most);

}  // namespace sluice::io::link
