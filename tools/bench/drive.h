// One run of one contestant: starts it, loads it, measures it, ends it.
#pragma once

#include "tools/bench/contestants.h"

namespace sluice::bench {

struct DriveOptions {
  double seconds = 5;
  double warmup = 1;
  bool setups = false;
  bool (*interrupted)() = [] { return false; };  ///< true: the run is given up
};

/// The error is a sentence for people.
std::expected<Sample, std::string> drive(const Stage& stage, const Contestant& contestant,
                                         const DriveOptions& options);

}  // namespace sluice::bench
