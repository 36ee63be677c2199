// A shard's accelerated transmit: takes out of a batch what can leave as prebuilt frames.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/base/pool.h"
#include "net/io/backend.h"
#include "net/io/link/frame_writer.h"
#include "net/io/link/neighbours.h"

namespace sluice::io::link {

struct TransmitOptions {
  FrameOptions frames;
  /// Paths (pairs of addresses) remembered, 64 bytes each; rounded up to a power of two. One for which there
  /// is no room goes by the sockets until another was idle for two periods of revalidation.
  uint32_t entries = 1u << 15;
};

/// Where packets went: each is counted once, those lost to a full queue in Drop::tx_full only. All but
/// `frames` are left to the sockets.
struct LinkCounters {
  uint64_t frames = 0;        ///< packets that left as frames
  uint64_t not_suited = 0;    ///< no source, multicast, loopback, tunnel, no route, interface down
  uint64_t unknown = 0;       ///< the path is being asked for, or its place is taken
  uint64_t no_neighbour = 0;  ///< the neighbour is not resolved
  uint64_t too_long = 0;      ///< does not fit the path's MTU
  uint64_t revalidated = 0;   ///< sent by the socket to have the neighbour asked
  uint64_t behind = 0;        ///< behind another packet of its batch that went to there by the socket
  uint64_t refused = 0;       ///< the kernel would not take the frame
};

/// One shard's. Made on any thread, then used by the shard's only; destroyed when that has ended.
class Transmitter {
 public:
  /// `neighbours` and `pool` must outlive it. The error (no CAP_NET_RAW) says what to do.
  static std::expected<std::unique_ptr<Transmitter>, IoError> make(Neighbours& neighbours, PacketPool& pool,
                                                                   const TransmitOptions& options = {});
  ~Transmitter();
  Transmitter(const Transmitter&) = delete;
  Transmitter& operator=(const Transmitter&) = delete;

  /// Sends what it can as frames, gives those slots back to the pool and leaves the rest in `tx`, in order,
  /// for the sockets. Per destination address the order is kept. Counts into tx_packets, tx_bytes, tx_calls,
  /// tx_gso_segments and Drop::tx_full. No lock and no allocation; system calls: one per interface, and one
  /// to wake the resolver when there is something to ask.
  void send(TxBatch& tx, IoCounters& counters, DropCounters& drops);

  const LinkCounters& counters() const;
  /// For the log: what is on, and what it bypasses.
  static std::string describe();

 private:
  struct Impl;
  explicit Transmitter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io::link
