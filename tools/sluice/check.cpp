#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

#include "tools/sluice/commands.h"
#include "tools/sluice/explain.h"

namespace sluice {
namespace {

/// What the engine would be on this machine, tried on a port of its own so that a running daemon is not
/// disturbed.
int try_engine(Config config, const RelaySecrets& secrets, std::string& out) {
  config.listen = {"127.0.0.1:0"};
  if (!config.trunk.empty()) config.trunk = "127.0.0.1:0";
  for (auto& tls : config.turn_tls) tls = "127.0.0.1:0";
  EngineConfig engine_config(config, secrets);
  sluice_engine* engine = nullptr;
  sluice_error error{};
  error.size = sizeof error;
  sluice_config c = engine_config.c;
  c.log = nullptr;
  if (sluice_open(&c, &engine, &error) != SLUICE_OK) return report(error);
  out.resize(sluice_describe(engine, nullptr, 0) + 1);
  sluice_describe(engine, out.data(), out.size());
  out.pop_back();
  sluice_close(engine);
  return 0;
}

int check_secret(const std::string& reference, std::string_view option) {
  if (reference.empty()) return 0;
  const auto file = control::read_secret(reference);
  if (!file) {
    fmt::print(stderr, "sluice: --{}: {}\n", option, file.error());
    return 1;
  }
  if (!file->warning.empty()) fmt::print("warning: --{}: {}\n", option, file->warning);
  return 0;
}

int check_readable(const std::string& file, std::string_view option) {
  if (file.empty() || ::access(file.c_str(), R_OK) == 0) return 0;
  fmt::print(stderr, "sluice: --{}: cannot read {}: {}\n", option, file, std::strerror(errno));
  return 1;
}

}  // namespace

int check(const Config& config) {
  fmt::print("{}\nWhat it does:\n  {}\n\n{}\n", explain_values(config),
             fmt::join(explain_tiers(config), "\n  "), explain_access(config));
  if (const int bad = check_secret(config.admin_token, "admin-token"); bad != 0) return bad;
  if (const int bad = check_secret(config.room_secret, "room-secret"); bad != 0) return bad;
  if (const int bad = check_readable(config.http_cert, "http-cert"); bad != 0) return bad;
  if (const int bad = check_readable(config.http_key, "http-key"); bad != 0) return bad;
  if (const int bad = check_readable(config.turn_tls_cert, "turn-tls-cert"); bad != 0) return bad;
  if (const int bad = check_readable(config.turn_tls_key, "turn-tls-key"); bad != 0) return bad;
  const auto secrets = read_relay_secrets(config);
  if (!secrets) {
    fmt::print(stderr, "sluice: {}\n", secrets.error());
    return 1;
  }
  for (const auto& warning : secrets->warnings) fmt::print("warning: {}\n", warning);
  std::string engine;
  if (const int bad = try_engine(config, *secrets, engine); bad != 0) return bad;
  fmt::print("Engine, tried on a port of its own:\n{}", engine);
  return 0;
}

}  // namespace sluice
