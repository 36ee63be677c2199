// The bare forwarder that others are compared with.
#pragma once

#include <string>

namespace sluice::load {

struct ForwarderOptions {
  std::string listen;    ///< ADDR:PORT
  std::string to;        ///< ADDR:PORT, or empty: the neighbouring port of whoever sent
  bool discard = false;  ///< send nothing: a bare receiver
  std::string core;      ///< a number, or empty
  double seconds = 60;
};

/// Forwards until its time is over or a signal comes, then prints what it did. Exit status.
int run_forwarder(const ForwarderOptions& options);

}  // namespace sluice::load
