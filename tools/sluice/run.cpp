#include <chrono>
#include <cstdio>
#include <memory>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "engine/control/http/server.h"
#include "engine/telemetry/metrics.h"
#include "tools/sluice/commands.h"
#include "tools/sluice/console_files.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
using control::Level;
using control::LogLine;
using EnginePtr = std::unique_ptr<sluice_engine, decltype(&sluice_close)>;

// A little more than the deadline given to the engine, which ends the calls at it.
constexpr std::chrono::seconds kDrainGrace{3};

int fail(const std::string& text) {
  fmt::print(stderr, "sluice: {}\n", text);
  return 1;
}

void start_log(const Config& config) {
  auto logger = std::make_shared<spdlog::logger>("sluice", std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  logger->set_level(kLevels[static_cast<size_t>(config.log_level)]);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  control::set_log_addresses(config.log_addresses);
}

/// SIGTERM and SIGINT are the control thread's; threads made while this lives never see them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

std::expected<void, std::string> read_secrets(const Config& config, http::Policy& policy) {
  const auto one = [](const std::string& reference, std::string_view option,
                      control::Secret& out) -> std::expected<void, std::string> {
    if (reference.empty()) return {};
    auto file = control::read_secret(reference);
    if (!file) return std::unexpected(fmt::format("--{}: {}", option, file.error()));
    if (!file->warning.empty())
      LogLine(Level::warning, "secret_file").with("option", option).with("text", file->warning);
    out = std::move(file->secret);
    return {};
  };
  if (auto r = one(config.admin_token, "admin-token", policy.admin_token); !r) return r;
  return one(config.room_secret, "room-secret", policy.room_secret);
}

void warn_about_access(const http::Policy& policy) {
  if (policy.loopback_only) return;
  if (policy.admin_token.empty())
    LogLine(Level::warning, "access").with("text", "/v1 and /metrics are shut: no --admin-token");
  if (policy.room_secret.empty())
    LogLine(Level::warning, "access")
        .with("text", "whoever reaches the HTTP port may publish, play and talk: no --room-secret");
}

/// Capacities and choices, but for what the engine has `said` already.
void log_description(const sluice_engine* engine, const std::set<std::string>& said) {
  std::string text(sluice_describe(engine, nullptr, 0) + 1, '\0');
  sluice_describe(engine, text.data(), text.size());
  text.pop_back();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (!line.empty() && !said.contains(line)) LogLine(Level::info, "engine").with("text", line);
    at = end + 1;
  }
}

std::string udp_text(const sluice_engine* engine) {
  std::vector<std::array<char, 56>> list(sluice_listening(engine, nullptr, 0));
  sluice_listening(engine, reinterpret_cast<char(*)[56]>(list.data()), list.size());
  std::string out;
  for (const auto& e : list) out.append(out.empty() ? "" : ",").append(e.data());
  return out;
}

/// What happens between ready and exit.
class Daemon {
 public:
  Daemon(const Config& config, sluice_engine* engine, http::Policy policy)
      : config_(config), engine_(engine), service_(engine, service_options(std::move(policy))) {}

  std::expected<void, std::string> open() {
    http::ServerOptions options;
    options.listen = config_.http;
    options.cert_file = config_.http_cert;
    options.key_file = config_.http_key;
    auto server = http::Server::open(engine_, service_, options,
                                     {.on_signal = [this](int number) { on_signal(number); },
                                      .on_event = [this](const sluice_event& e) { on_event(e); },
                                      .on_tick = [this] { on_tick(); }});
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    return {};
  }

  void run() {
    EndpointText text;
    fmt::print("ready http={} udp={}\n", format(server_->local(), text), udp_text(engine_));
    std::fflush(stdout);
    server_->run();
  }

 private:
  http::ServiceOptions service_options(http::Policy policy) {
    http::ServiceOptions o;
    o.policy = std::move(policy);
    o.files = config_.console_dir.empty() ? http::StaticFiles(console_files())
                                          : http::StaticFiles(std::filesystem::path(config_.console_dir));
    o.metrics_text = [this] { return telemetry::render(telemetry::take_snapshot(engine_), setup_times_); };
    o.drain = [this] { start_drain(); };
    return o;
  }

  void on_signal(int number) {
    if (draining()) {
      LogLine(Level::warning, "exit").with("text", "second signal, calls are cut");
      _exit(128 + number);
    }
    start_drain();
  }

  bool draining() const { return drain_end_ != Clock::time_point::max(); }

  void start_drain() {
    if (draining()) return;
    drain_end_ = Clock::now() + std::chrono::seconds(config_.drain_seconds);
    LogLine(Level::info, "drain")
        .with("seconds", config_.drain_seconds)
        .with("text", "no new sessions; a second signal ends the process at once");
    service_.set_draining();
    service_.events().publish("shutdown", "{}");
    sluice_drain(engine_, config_.drain_seconds * 1000);
  }

  void on_event(const sluice_event& event) {
    if (event.type == SLUICE_EVENT_DRAINED) server_->stop();
    if (event.type != SLUICE_EVENT_CONNECTED && event.type != SLUICE_EVENT_CLOSED) return;
    sluice_session_stats stats{};
    stats.size = sizeof stats;
    if (sluice_get_session_stats(engine_, event.session, &stats) == SLUICE_OK) setup_times_.observe(stats);
    if (event.type == SLUICE_EVENT_CLOSED) setup_times_.forget(event.session);
  }

  void on_tick() {
    if (!draining() || Clock::now() < drain_end_ + kDrainGrace) return;
    LogLine(Level::warning, "drain").with("text", "the engine did not finish in time");
    server_->stop();
  }

  const Config& config_;
  sluice_engine* engine_;
  telemetry::SetupTimes setup_times_;
  http::Service service_;
  std::unique_ptr<http::Server> server_;
  Clock::time_point drain_end_ = Clock::time_point::max();
};

}  // namespace

int run_daemon(const Config& config) {
  start_log(config);
  ::signal(SIGPIPE, SIG_IGN);
  http::Policy policy = make_policy(config);
  if (auto secrets = read_secrets(config, policy); !secrets) return fail(secrets.error());
  warn_about_access(policy);
  const auto secrets = read_relay_secrets(config);
  if (!secrets) return fail(secrets.error());
  for (const auto& warning : secrets->warnings) LogLine(Level::warning, "secret_file").with("text", warning);
  EngineConfig engine_config(config, *secrets);
  sluice_engine* raw = nullptr;
  sluice_error error{};
  error.size = sizeof error;
  {
    const SignalsBlocked blocked;
    if (sluice_open(&engine_config.c, &raw, &error) != SLUICE_OK) return report(error);
  }
  const EnginePtr engine(raw, &sluice_close);
  engine_config.opened = true;
  log_description(raw, engine_config.said);
  for (const auto& line : explain_tiers(config)) LogLine(Level::info, "role").with("text", line);
  Daemon daemon(config, raw, std::move(policy));
  if (auto opened = daemon.open(); !opened) return fail(opened.error());
  daemon.run();
  LogLine(Level::info, "exit").with("text", "drained");
  return 0;
}

}  // namespace sluice
