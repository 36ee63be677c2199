// What the kernel knows of routes and neighbours, kept current for transmitters: rtnetlink on a thread of its
// own.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/io/backend.h"
#include "net/io/link/path.h"

namespace sluice::io::link {

struct NeighbourOptions {
  /// Frames do not tell the kernel that a neighbour is in use or answers. So one packet per neighbour and
  /// this long goes by its socket, which makes the kernel ask again whether the neighbour is there; one that
  /// is not is forgotten by the kernel about 8 s later (delay_first_probe_time and three probes), and by us
  /// with it.
  Micros revalidate_every = seconds(5);
};

struct NeighbourCounters {
  uint64_t queries = 0;          ///< addresses that transmitters asked for
  uint64_t invalidations = 0;    ///< routes, addresses or links changed: every path is asked for again
  uint64_t neighbour_moves = 0;  ///< a neighbour in use appeared, changed its MAC address or went away
};

struct ShardPaths;  // paths.h

/// One per process and network namespace (that of the thread that calls make()). Owns a thread.
///
/// A change of a neighbour is one atomic store, and transmitters use it from their next packet on; a change
/// of routes, rules, addresses or links invalidates every path at once, so that its packets go by the sockets
/// until it is asked for again. Behind a router a whole prefix is known at once, so with a default route any
/// other route that appears counts as such a change (an address on a new interface brings some), but one of
/// link-local or multicast addresses. Only neighbours in the states REACHABLE, STALE, DELAY, PROBE and
/// PERMANENT are used, only on running Ethernet interfaces that do ARP.
///
/// Frames are not fragmented on their way, and narrow links behind a router are told of to the kernel only.
/// So IPv6 packets of more than 1280 bytes (RFC 8200 §5) go there by sockets. IPv4 packets of up to 576 bytes
/// (RFC 791 §3.2) leave as frames at once, of up to 1280 as far as the kernel knows of no narrower link on
/// that path: it is asked first, and again each period of revalidation in which there are such packets.
class Neighbours {
 public:
  /// The error, where frames are not permitted (no CAP_NET_RAW) or routes cannot be asked for, says what to
  /// do about it.
  static std::expected<std::unique_ptr<Neighbours>, IoError> make(const NeighbourOptions& options = {});
  ~Neighbours();

  /// Asks the kernel once, now. `source` may be unspecified. The error says why frames cannot go there:
  /// loopback, tunnel, multicast, no route, or a neighbour that is not resolved yet (anything that is sent
  /// there by a socket makes the kernel resolve it). For control threads; may be called from any.
  std::expected<Path, IoError> look_up(const Address& source, const Address& destination);

  NeighbourCounters counters() const;

  /// For Transmitter: the shard's end of the rings, lives until detach(). Any control thread.
  ShardPaths& attach();
  void detach(ShardPaths& paths);

 private:
  struct Impl;
  explicit Neighbours(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io::link
