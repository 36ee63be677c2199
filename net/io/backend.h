// The seam between the engine and whatever carries UDP: io_uring, recvmmsg, DPDK queues, or the simulator.
// Called per batch, never per packet, so it may be virtual.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/base/pool.h"
#include "net/base/units.h"

namespace sluice::io {

/// What went wrong outside the packet path, in words for a person: what, and what to do about it.
struct IoError {
  std::string message;
  std::string fix;
};

/// Inclusive range of local UDP ports.
struct PortRange {
  uint16_t lo = 0;
  uint16_t hi = 0;
};

/// Written by the shard's thread only; read by others through published copies.
struct IoCounters {
  uint64_t rx_packets = 0;
  uint64_t rx_bytes = 0;
  uint64_t rx_calls = 0;  ///< system calls that received, or completions reaped in one go
  uint64_t tx_packets = 0;
  uint64_t tx_bytes = 0;
  uint64_t tx_calls = 0;
  uint64_t tx_gso_segments = 0;  ///< packets that left inside a segmented send
  uint64_t rx_no_buffers = 0;    ///< uring: multishot ended by -ENOBUFS and was re-armed
  uint64_t rx_rearmed = 0;       ///< uring: multishot ended for another reason (CQ overflow) and was re-armed
  uint64_t kernel_drops = 0;     ///< SO_RXQ_OVFL: lost before we saw them
  uint64_t sleeps = 0;           ///< times the thread blocked in the kernel
};

/// One shard's queues. May be made on another thread before the shard's starts; the first receive() or send()
/// ties it to its caller, from whose thread all calls then come, except wake(). Destroyed on that thread or
/// after it has ended, before the pool and the sockets; gives back every slot it holds.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Appends datagrams to `rx` until it is full or nothing is waiting; each sits in a slot of the pool given
  /// at construction, at offset kHeadroom, and belongs to the caller. If nothing is there, waits in the
  /// kernel until something is, wake() is called or `deadline` has passed; a deadline not after the current
  /// time (kPoll) does not wait. May return early with nothing (a signal, or only datagrams that were
  /// dropped). Returns the time, read once after the wait; all packets' rx_time equals it. Packets that
  /// cannot be given a slot are still taken from the socket, so that it does not stall, and counted in
  /// `drops` (pool_empty, oversize).
  virtual Micros receive(RxBatch& rx, Micros deadline, DropCounters& drops) = 0;

  /// Sends every packet in order per destination, gives all slots back to the pool (now or when the kernel is
  /// done with them) and empties `tx`. `local` picks the socket by its port and the source address of the
  /// datagram (unspecified: the kernel chooses); `ifindex` counts for link-local destinations only; `ecn` is
  /// not sent. A packet that cannot be sent is counted in `drops` (tx_full, tx_error, tx_no_route), never
  /// retried.
  virtual void send(TxBatch& tx, DropCounters& drops) = 0;

  /// Any thread: makes a receive() that waits, or the next one that would, return.
  virtual void wake() = 0;

  /// Slots that the backend itself holds (armed buffers, sends in progress); part of the pool's conservation
  /// sum.
  virtual uint32_t slots_held() const = 0;

  /// Asks for local ports beyond the listening ones, for relayed addresses; an error says what is missing.
  virtual std::expected<void, IoError> grant_ports(PortRange range) = 0;

  virtual const IoCounters& counters() const = 0;
  /// "uring", "mmsg" or "sim".
  virtual const char* name() const = 0;
};

/// A deadline that never waits.
inline constexpr Micros kPoll{INT64_MIN};

}  // namespace sluice::io
