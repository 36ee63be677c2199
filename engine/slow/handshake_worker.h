// The worker that runs DTLS handshakes (0.3 to 0.6 ms of CPU each), so that no shard ever does.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/slow/handshake_messages.h"
#include "engine/slow/wake.h"
#include "net/base/units.h"
#include "net/dtls/context.h"

namespace sluice::slow {

/// One shard, seen from the worker, which is the consumer of `in` and the producer of `out`. All must outlive
/// it.
struct HandshakePort {
  ToHandshakeRing* in = nullptr;
  FromHandshakeRing* out = nullptr;
  Wake wake;  ///< called after something was pushed to `out`, at most once per message handled
};

struct HandshakeLimits {
  uint32_t max_sessions = 4096;  ///< in progress or kept, over all shards; a start beyond it fails: too_many
  Micros start_limit = seconds(30);  ///< from `start` to `connected`; beyond it the session fails: timeout
  uint32_t max_messages = 16;  ///< handled per step and shard, in turns, so that a step stays below ~10 ms
  /// CPU time of the calling thread in microseconds, for the counters; nullptr (the simulator): not measured.
  uint64_t (*cpu_clock)() = nullptr;
};

/// Since start. A copy; see HandshakeWorker::counters().
struct HandshakeCounters {
  uint64_t started = 0;
  uint64_t done = 0;
  std::array<uint64_t, dtls::kFailureCount> failed{};  ///< index: dtls::Failure
  uint64_t closed = 0;        ///< ended by ToHandshake::close or by the client's close_notify
  uint64_t in_progress = 0;   ///< now, not since start: sessions held, kept ones included
  uint64_t cpu_us = 0;        ///< inside DTLS calls
  uint64_t handshake_us = 0;  ///< sum over `done` of the time from the first datagram to connected
  uint64_t datagrams_in = 0;
  uint64_t datagrams_out = 0;
  uint64_t datagrams_unknown = 0;  ///< for a session that the worker does not hold (late, or never started)
  uint64_t retransmissions = 0;    ///< flights sent again
};

/// Stepped by one thread in production (HandshakeThread) and inline by the simulator.
class HandshakeWorker {
 public:
  HandshakeWorker(const dtls::Context& context, std::span<const HandshakePort> ports,
                  HandshakeLimits limits = {});
  HandshakeWorker(const HandshakeWorker&) = delete;
  HandshakeWorker& operator=(const HandshakeWorker&) = delete;
  ~HandshakeWorker();

  /// Handles at most limits.max_messages of each shard, one of each shard in turn, and all retransmissions
  /// that are due. Returns when it wants to be stepped next unless woken before: `now` itself if more is
  /// waiting, kNever if nothing is. A shard whose `out` ring is full is left alone (its `in` ring then fills
  /// up) and loses nothing but retransmissions.
  Micros step(Micros now);

  /// Any thread; as of the end of the last step.
  HandshakeCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::slow
