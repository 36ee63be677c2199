// HTTP/1.1 and HTTPS on the control thread, by Boost.Beast, which only connection.cpp includes.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "engine/control/http/service.h"
#include "net/base/endpoint.h"

namespace sluice::http {

struct ServerOptions {
  Endpoint listen;        ///< port 0: any
  std::string cert_file;  ///< PEM chain; set both for HTTPS
  std::string key_file;
  size_t max_connections = 1024;
  size_t max_per_address = 256;  ///< loopback is not counted
  unsigned header_timeout_s = 10;
  unsigned body_timeout_s = 15;
  unsigned idle_timeout_s = 60;
  unsigned write_timeout_s = 30;
};

/// The control thread's loop: HTTP, the engine's events, signals and a tick.
class Server {
 public:
  struct Hooks {
    std::function<void(int)> on_signal;                 ///< SIGTERM or SIGINT
    std::function<void(const sluice_event&)> on_event;  ///< after Service::on_engine_event
    std::function<void()> on_tick;                      ///< twice a second
  };

  /// `engine` and `service` outlive the server. The error is one sentence: port in use, certificate
  /// unreadable.
  static std::expected<std::unique_ptr<Server>, std::string> open(sluice_engine* engine, Service& service,
                                                                  const ServerOptions& options, Hooks hooks);
  virtual ~Server() = default;

  /// Where it really listens.
  virtual Endpoint local() const = 0;
  /// Serves until stop().
  virtual void run() = 0;
  /// From a hook or a handler. Connections are cut.
  virtual void stop() = 0;
};

}  // namespace sluice::http
