// `sluice bench`: the whole scorecard.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::bench {

struct Options {
  std::vector<std::string> only;  ///< keys of scenarios; empty: all
  bool long_too = false;          ///< of all, also those that take minutes
  uint32_t pairs = 5;             ///< rounds; in each every contestant runs once
  double seconds = 5;             ///< measured in each run
  double rate = 0;                ///< packets per second of a flow and direction; 0: each scenario's own
  std::string out = ".";          ///< folder for scorecard.md, .svg and .json
  unsigned server_core = 0, generator_core = 1;
};

/// Exit status: 0 all bars passed or none was missed, 1 could not, 2 wrong usage, 3 a bar was missed.
int run(const Options& options, std::string_view version);

}  // namespace sluice::bench
