// /metrics: the engine's counters in the Prometheus text format. One series per reason and shard, none per
// session. Control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "engine/sluice.h"

namespace sluice::telemetry {

/// What the engine said at one moment.
struct Snapshot {
  sluice_engine_stats engine;
  std::vector<sluice_shard_stats> shards;
  sluice_relay_stats relay;
  sluice_turn_stats turn;
  sluice_stream_stats streams;
  std::vector<sluice_server_stats> servers;
  double process_cpu_s = 0;
  double resident_bytes = 0;
  double start_time_s = 0;  ///< since 1970
};

/// Asks the engine and the kernel.
Snapshot take_snapshot(sluice_engine* engine);

/// How long each part of setting up a session took, over all sessions since the start.
class SetupTimes {
 public:
  SetupTimes();
  ~SetupTimes();
  SetupTimes(const SetupTimes&) = delete;
  SetupTimes& operator=(const SetupTimes&) = delete;

  /// As often as you like; each phase of a session counts once, when it has been reached.
  void observe(const sluice_session_stats& stats);
  /// The session is over: its last statistics were observed.
  void forget(sluice_session session);
  std::vector<prometheus::MetricFamily> collect() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::vector<prometheus::MetricFamily> collect(const Snapshot& snapshot);
/// Text format 0.0.4 of everything.
std::string render(const Snapshot& snapshot, const SetupTimes& setup);

}  // namespace sluice::telemetry
