// Steers flows to shards inside the kernel: a BPF program of type SK_REUSEPORT looks the remote endpoint up
// and picks the socket of the group; a miss leaves the choice to the kernel's hash. Control thread only; may
// allocate.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/io/backend.h"
#include "net/io/socket.h"

namespace sluice::io {

inline constexpr uint32_t kSteeringEntriesMax = 1u << 24;

struct SteeringCounters {
  uint64_t hits = 0;    ///< datagrams that an entry placed
  uint64_t misses = 0;  ///< placed by the kernel's hash
  uint64_t failed = 0;  ///< an entry named a shard whose socket is gone; placed by the hash
};

class Steering {
 public:
  /// Attaches to every group of `sockets`, which must outlive this. `entries`: bound of the
  /// map, 1..kSteeringEntriesMax; the least recently used entry goes when it is full. The error says in one
  /// line why not (built without clang, no CAP_BPF and CAP_NET_ADMIN, old kernel); the kernel's own hash then
  /// stays in force.
  static std::expected<Steering, IoError> attach(const ListenSockets& sockets, uint32_t entries);

  Steering(Steering&&) noexcept;
  Steering& operator=(Steering&&) noexcept;
  /// Detaches; the kernel's hash is in force again.
  ~Steering();

  /// Datagrams from `remote` to the listening port `local_port` go to `shard` from now on. False: shard out
  /// of range or the kernel refused.
  bool set(const Endpoint& remote, uint16_t local_port, ShardId shard);
  /// False if there was none.
  bool erase(const Endpoint& remote, uint16_t local_port);
  SteeringCounters counters() const;
  /// For other programs: the map of flows. Lives as long as this; -1: not built in.
  int flows_map() const;

 private:
  struct Impl;
  explicit Steering(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io
