// A whole engine on a free port of loopback, and what browsers said to others like it.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include "engine/sluice.h"
#include "tests/support/offers.h"
#include "tests/unit/control/open_engine.h"

namespace sluice::test {

inline std::string publisher_offer() { return offer("offer-chromium156-whip.sdp"); }
inline std::string player_offer() { return offer("offer-chromium156-whep.sdp"); }
inline std::string agent_offer() { return offer("offer-chromium156-agent.sdp"); }

class LiveEngine {
 public:
  explicit LiveEngine(Tune tune = nullptr) {
    spdlog::set_level(spdlog::level::off);
    sluice_error error;
    engine_ = open_engine(64, error, tune);
    REQUIRE_MESSAGE(engine_ != nullptr, std::string(error.message));
  }
  LiveEngine(const LiveEngine&) = delete;
  LiveEngine& operator=(const LiveEngine&) = delete;
  ~LiveEngine() { sluice_close(engine_); }

  sluice_engine* get() const { return engine_; }

  /// Takes events until one is of that type, and hands each to f.
  template <class F>
  bool pump(sluice_event_type until, F f) {
    for (int rounds = 0; rounds < 100; ++rounds) {
      pollfd p{sluice_event_fd(engine_), POLLIN, 0};
      poll(&p, 1, 100);
      std::array<sluice_event, 16> events;
      bool found = false;
      while (const size_t n = sluice_poll_events(engine_, events.data(), events.size())) {
        for (size_t i = 0; i < n; ++i) {
          f(events[i]);
          found = found || events[i].type == until;
        }
      }
      if (found) return true;
    }
    return false;
  }

 private:
  sluice_engine* engine_ = nullptr;
};

}  // namespace sluice::test
