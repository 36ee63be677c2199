// The flags of `sluice load`.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/load/options.h"
#include "tools/load/veth.h"

namespace sluice {

class LoadCommand {
 public:
  /// Adds `load` with its modes. `status` and this must live until parsing is over; `words` is the command
  /// line as typed, for the record.
  void add_to(CLI::App& app, int& status, std::vector<std::string> words);

 private:
  void add_common(CLI::App& mode);
  void add_flow(CLI::App& mode);
  void add_far_side(CLI::App& mode);
  void add_udp(CLI::App& load);
  void add_flood(CLI::App& load);
  void add_relay(CLI::App& load);
  void add_turn(CLI::App& load);
  void add_forwarder(CLI::App& load);
  void add_whip(CLI::App& load);
  void add_veth(CLI::App& load);
  int run(load::Mode mode);
  std::string parse();

  load::Options options_;
  load::VethCommand veth_;
  std::string server_cores_, target_, serve_ = "127.0.0.1:7000", cores_, io_ = "auto", direction_ = "both",
                                      path_ = "sink";
  std::string forward_listen_ = "127.0.0.1:5000", forward_to_;
  bool forward_discard_ = false;
  double forward_seconds_ = 60, consent_ = 4, quantum_us_ = 100;
  int* status_ = nullptr;
};

}  // namespace sluice
