// One request in, one response out: host, rights, route, handler. No sockets. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/control/http/auth.h"
#include "engine/control/http/events.h"
#include "engine/control/http/message.h"
#include "engine/control/http/router.h"
#include "engine/control/http/signalling.h"
#include "engine/control/http/static.h"
#include "engine/sluice.h"

namespace sluice::http {

struct ServiceOptions {
  Policy policy;
  StaticFiles files;
  std::function<std::string()> metrics_text;  ///< Prometheus text format 0.0.4
  std::function<void()> drain;                ///< POST /v1/drain
  std::function<int64_t()> wall_clock_s;      ///< empty: the system's
};

class Service {
 public:
  /// `engine` outlives the service.
  Service(sluice_engine* engine, ServiceOptions options);

  Response handle(const Request& request);
  /// How long a body may be behind this head: only administrators may send the long ones.
  size_t body_limit(const Request& head) const;

  EventHub& events() { return events_; }
  /// To be called with each event of sluice_poll_events(): forgets ended sessions, tells listeners, logs.
  void on_engine_event(const sluice_event& event);
  /// From now on /readyz says 503.
  void set_draining() { draining_ = true; }

 private:
  Response dispatch(const Match& match, const Target& target, const Request& request);
  Response signalling(const Match& match, const Target& target, const Request& request);
  Response options(const Match& match, const Request& request) const;
  Response simple(RouteId route, const Match& match, const Target& target, const Request& request);
  Response relay(RouteId route, const Match& match, const Request& request);
  int64_t now_s() const;

  sluice_engine* engine_;
  ServiceOptions options_;
  Signalling signalling_;
  EventHub events_;
  bool draining_ = false;
};

}  // namespace sluice::http
