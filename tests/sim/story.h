// What stories have in common.
#pragma once

#include <doctest/doctest.h>

#include "tests/sim/world.h"

namespace sluice::sim {

using test::CallRole;
using test::kAudio;
using test::kVideo;

inline HostOptions caller(CallRole role, uint32_t id, std::string name) {
  HostOptions o;
  o.peer.role = role;
  o.peer.id = id;
  o.name = std::move(name);
  return o;
}
inline HostOptions echo_caller(uint32_t id = 1) { return caller(CallRole::agent, id, "echo"); }

/// Runs until the client has its keys.
inline bool connects(World& w, const Host& h, Micros within = seconds(5)) {
  return w.run_until(w.now() + within, [&] { return h.peer.connected() && h.was_connected; });
}

inline const std::vector<test::Heard>& heard(const Host& h, test::Kind k = kAudio) {
  return h.peer.listener(k).heard();
}

}  // namespace sluice::sim
