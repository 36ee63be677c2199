// The flags of `sluice bench`.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "tools/bench/run.h"

namespace sluice {

class BenchCommand {
 public:
  /// Adds `bench`. `status` and this must live until parsing is over.
  void add_to(CLI::App& app, int& status);

 private:
  int run();

  bench::Options options_;
  std::string cores_ = "0,1";
};

}  // namespace sluice
