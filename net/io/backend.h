// The seam between the engine and whatever carries UDP: io_uring, recvmmsg, DPDK queues, or the simulator.
// Called per batch, never per packet, so it may be virtual.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
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

  bool operator==(const PortRange&) const = default;
};

/// A shard owns ports in blocks of so many, aligned, the same on every relay address.
inline constexpr uint16_t kPortBlock = 64;

/// Local endpoints for relayed legs: every address with every port of the range.
struct RelayGrant {
  std::span<const Address> addresses;
  PortRange ports;
};

/// How relay ports are served on this host.
struct RelayAbility {
  uint32_t max_open = 0;     ///< ports that can be open at once on this shard
  bool steered = false;      ///< the range is delivered to one socket: open_port() makes none
  bool prebuilt_tx = false;  ///< frames leave with prebuilt headers where the route allows it
  std::string text;          ///< what is on, what is off and what would turn it on, one line
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
  uint64_t tx_frames = 0;        ///< packets that left with prebuilt headers
  uint64_t rx_no_buffers = 0;    ///< uring: multishot ended by -ENOBUFS and was re-armed
  uint64_t rx_rearmed = 0;       ///< uring: multishot ended for another reason (CQ overflow) and was re-armed
  uint64_t kernel_drops = 0;     ///< SO_RXQ_OVFL: lost before we saw them
  uint64_t sleeps = 0;           ///< times the thread was ready to block in the kernel
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

  /// Before the first receive(), at most once: local endpoints beyond the listening ones. An error says what
  /// is missing.
  virtual std::expected<RelayAbility, IoError> grant_relay(const RelayGrant& grant) = 0;
  /// The shard takes the block of kPortBlock ports that begins at `first`, a multiple of it, for as long as
  /// the backend lives; nobody else has it. False: refused. A system call at most.
  virtual bool claim_block(uint16_t first) = 0;
  /// From now on datagrams to `local`, an endpoint of the grant in a claimed block, are received and sends
  /// may name it as source. False: no socket is left (RLIMIT_NOFILE) or the port is another program's. For
  /// set-up, never per packet: costs system calls where ports are sockets. No allocation.
  virtual bool open_port(const Endpoint& local) = 0;
  /// Datagrams that still arrive are not delivered. `local` is open. What the kernel still holds for it may
  /// be delivered if it is opened again before the next receive().
  virtual void close_port(const Endpoint& local) = 0;

  virtual const IoCounters& counters() const = 0;
  /// "uring", "mmsg" or "sim".
  virtual const char* name() const = 0;
};

/// A deadline that never waits.
inline constexpr Micros kPoll{INT64_MIN};

}  // namespace sluice::io
