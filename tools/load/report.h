// What a run found, as text and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/load/figures.h"
#include "tools/load/options.h"
#include "tools/load/search.h"

namespace sluice::load {

struct TrialRecord {
  uint32_t sessions = 0;
  double seconds = 0;
  Figures figures;
  std::vector<std::string> limits;  ///< why it says nothing of the system; empty: it does
  double packets_per_second() const;
};

struct Result {
  std::string version;
  std::string wire;
  std::vector<TrialRecord> trials;  ///< one without --search
  std::optional<uint32_t> best;     ///< --search: the largest number of sessions carried
  bool lower_bound = false;         ///< more was not tried, or the generator was the limit
  SetupFigures setup;
  std::vector<Second> series;
  bool interrupted = false;

  /// The trial that the summary is about: the best one of a search, else the last.
  const TrialRecord* main() const;
  bool valid() const;
};

/// Of this machine, as /proc/cpuinfo calls it.
std::string cpu_model();
/// Lines for people, ends with a newline.
std::string summary(const Options& options, const Result& result);
/// Why no session may have come up, and what to look at.
std::string explain_silence(const Options& options);
/// One object; tools/load/README.md says what is in it. Secrets of the command line are not.
std::string to_json(const Options& options, const Result& result);
/// The heading of live lines, and one of them.
std::string live_heading();
struct LiveLine {
  double seconds = 0;
  uint64_t ready = 0, failed = 0;
  double tx_per_second = 0, rx_per_second = 0;
  uint64_t dropped = 0;
  std::string_view phase;
};
std::string live_line(const LiveLine& l);

}  // namespace sluice::load
