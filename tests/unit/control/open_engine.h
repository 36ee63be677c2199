// An engine with one shard on a free port of loopback.
#pragma once

#include "engine/sluice.h"

namespace sluice::test {

/// nullptr with the reason in `error`.
inline sluice_engine* open_engine(unsigned max_sessions, sluice_error& error) {
  const char* listen = "127.0.0.1:0";
  sluice_config config{};
  sluice_config_init(&config);
  config.listen = &listen;
  config.listen_count = 1;
  config.shards = 1;
  config.io = SLUICE_IO_MMSG;
  config.max_sessions = max_sessions;
  error = {};
  error.size = sizeof error;
  sluice_engine* engine = nullptr;
  return sluice_open(&config, &engine, &error) == SLUICE_OK ? engine : nullptr;
}

}  // namespace sluice::test
