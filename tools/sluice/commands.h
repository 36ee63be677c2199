// The subcommands. Each returns the process's exit status: 0 done, 1 could not, 2 wrong usage.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "engine/control/token.h"
#include "tools/sluice/client.h"
#include "tools/sluice/config.h"
#include "tools/sluice/relay_options.h"

namespace sluice {

int run_daemon(const Config& config);
int check(const Config& config);

struct TokenRequest {
  std::string room_secret;  ///< "@FILE"
  std::string room;
  std::vector<std::string> allow;  ///< "publish", "play", "agent"
  bool takeover = false;
  int64_t ttl_s = 0;
};
int make_token(const TokenRequest& request);

struct UfragRequest {
  std::string route_key, ice_key;  ///< "@FILE"; ice_key may be empty: no passwords then
  std::string server;              ///< "NODE" or "REGION.NODE"
  unsigned count = 1;
  unsigned ttl_s = 3600;
};
/// "UFRAG [PASSWORD]" lines.
int make_ufrags(const UfragRequest& request);

struct TurnRequest {
  std::string turn_secret;  ///< "@FILE", of which the first secret counts
  std::string user;
  unsigned ttl_s = 86400;
};
/// A line with the username and one with the password.
int make_turn_login(const TurnRequest& request);

struct TopOptions {
  ClientOptions client;
  bool once = false;
  std::string sort = "age";
  unsigned interval_ms = 1000;
};
int top(const TopOptions& options);

struct DrainOptions {
  ClientOptions client;
  bool wait = false;
};
int drain(const DrainOptions& options);

/// The engine's own configuration out of ours and the secrets, which have to live as long; so has this, as
/// the log's end.
struct EngineConfig {
  EngineConfig(const Config& config, const RelaySecrets& secrets);
  EngineConfig(const EngineConfig&) = delete;
  EngineConfig& operator=(const EngineConfig&) = delete;

  sluice_config c{};
  std::set<std::string> said;  ///< lines that the engine has logged while it opened
  bool opened = false;

 private:
  void relay(const Config& config, const RelaySecrets& secrets);
  /// A list of C strings that lives as long as this.
  void put(const std::vector<std::string>& strings, const char* const*& list, size_t& count);

  std::deque<std::vector<const char*>> lists_;
};

/// "sluice: --listen: the port is in use; stop the other process" on stderr; the exit status that goes with
/// it.
int report(const sluice_error& error);

}  // namespace sluice
