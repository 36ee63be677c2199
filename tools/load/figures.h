// What was counted, to be merged over threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/load/histogram.h"
#include "tools/load/wire.h"

namespace sluice::load {

/// Packets meant to leave within the measured window.
struct WayFigures {
  uint64_t sent = 0, sent_bytes = 0;
  uint64_t expected = 0;  ///< arrivals if nothing is lost: more than `sent` where one packet goes to many
  uint64_t delivered = 0;
  uint64_t duplicates = 0, reordered = 0, stale = 0;
  Histogram latency;  ///< from the intended moment of sending to the arrival

  void merge(const WayFigures& o);
  uint64_t lost() const { return expected > delivered ? expected - delivered : 0; }
};

/// By the second in which packets were meant to leave, since the run began.
struct Second {
  uint32_t sent = 0, expected = 0, delivered = 0;
  uint32_t ready = 0;   ///< sessions at its end
  uint32_t setups = 0;  ///< sessions that became ready in it
  Histogram latency;

  void merge(const Second& o);
};

struct SetupFigures {
  uint64_t begun = 0, ready = 0, failed = 0, retransmissions = 0;
  Histogram latency;
  Histogram first_packet;  ///< whip: from the request that was answered to the first media packet received
  Nanos first = kNanosNever, last = 0;  ///< when the first was begun and the last became ready
  std::map<std::string, uint64_t> failures;

  void merge(const SetupFigures& o);
  double per_second() const;
};

struct Figures {
  WayFigures up, down;
  Histogram lag;                ///< how much later than intended packets were handed to the kernel
  uint64_t strays = 0;          ///< media of nobody
  Nanos elapsed = 0, idle = 0;  ///< of the window; idle: of the threads, together
  Nanos cpu = 0;                ///< CPU time of the threads in the window
  WireCounters wire;            ///< in the window

  void merge(const Figures& o);
  uint64_t sent() const { return up.sent + down.sent; }
  uint64_t expected() const { return up.expected + down.expected; }
  uint64_t delivered() const { return up.delivered + down.delivered; }
  double loss() const;
};

/// Why a result does not say anything about the system under test; empty: it does.
struct Limits {
  double max_lag_ms = 2;
  uint32_t threads = 1;
};
std::vector<std::string> generator_limits(const Figures& f, const Limits& limits);

}  // namespace sluice::load
