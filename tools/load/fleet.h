// The threads of one run, driven together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tools/load/report.h"
#include "tools/load/worker.h"

namespace sluice::load {

/// Called while a Fleet works, on the caller's thread.
struct FleetWatch {
  /// Every 20 ms or so; false ends the trial early.
  std::function<bool(std::string_view phase)> tick = [](std::string_view) { return true; };
  /// At the edges of the measured window: true when it begins.
  std::function<void(bool)> window = [](bool) {};
};

class Fleet {
 public:
  /// All must outlive it. `capacity`: sessions at most. `veth`: nullptr for sockets.
  Fleet(const Options& options, const Credentials& credentials, uint32_t capacity, const Veth* veth);

  /// What carries the packets, for people; the error is a sentence for them.
  std::expected<std::string, std::string> start();
  Nanos began() const { return began_; }
  /// Sums over the threads; tx_refused is left 0.
  Live live() const;
  /// `n` sessions that send until stop(), nothing measured.
  void begin(uint32_t n);
  /// `n` sessions that send for `seconds` after the warm-up; nothing if none came up or the tick said no.
  std::optional<TrialRecord> trial(uint32_t n, double seconds, const FleetWatch& watch);
  /// Closes the sessions and ends the threads.
  void stop();

  // After stop().
  SetupFigures setup() const;
  std::vector<Second> series() const;

 private:
  uint32_t part(uint32_t n, uint32_t i) const;
  Pace pace(uint32_t n, uint32_t i, Nanos epoch, double rate) const;
  bool set_up(uint32_t n, Nanos epoch, const FleetWatch& watch);

  const Options& o_;
  const Credentials& credentials_;
  uint32_t capacity_;
  const Veth* veth_;
  Nanos began_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sluice::load
