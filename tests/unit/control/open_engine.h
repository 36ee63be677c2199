// An engine with one shard on a free port of loopback.
#pragma once

#include "engine/sluice.h"

namespace sluice::test {

/// nullptr with the reason in `error`.
using Tune = void (*)(sluice_config&);
inline sluice_engine* open_engine(unsigned max_sessions, sluice_error& error, Tune tune = nullptr) {
  const char* listen = "127.0.0.1:0";
  sluice_config config{};
  sluice_config_init(&config);
  config.listen = &listen;
  config.listen_count = 1;
  config.shards = 1;
  config.io = SLUICE_IO_MMSG;
  config.max_sessions = max_sessions;
  if (tune != nullptr) tune(config);
  error = {};
  error.size = sizeof error;
  sluice_engine* engine = nullptr;
  return sluice_open(&config, &engine, &error) == SLUICE_OK ? engine : nullptr;
}

}  // namespace sluice::test
