// What stories have in common.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/sim/check.h"
#include "tests/sim/world.h"

namespace sluice::sim {

using engine::CloseReason;
using test::CallRole;
using test::kAudio;
using test::kVideo;

inline HostOptions caller(CallRole role, uint32_t id, std::string name) {
  HostOptions o;
  o.peer.role = role;
  o.peer.id = id;
  o.name = std::move(name);
  o.edge.nat = false;
  return o;
}
inline HostOptions echo_caller(uint32_t id = 1) { return caller(CallRole::agent, id, "echo"); }
inline HostOptions publisher(uint32_t id) { return caller(CallRole::publish, id, "room"); }
inline HostOptions player(uint32_t id) { return caller(CallRole::play, id, "room"); }

/// A world of several shards, each client on the one that is named.
inline Host& call_on(World& w, size_t shard, const HostOptions& o) {
  const auto number = static_cast<uint32_t>(w.hosts().size() + 1);
  w.kernel().steer({public_address(number, o.ipv6), 50'000}, w.options().listen[0],
                   ShardId{static_cast<uint8_t>(shard)});
  return w.call(o);
}
inline WorldOptions shards(uint32_t n) {
  WorldOptions o;
  o.engine.shards = n;
  return o;
}

/// Runs until the client and the engine have their keys.
inline bool connects(World& w, const Host& h, Micros within = seconds(5)) {
  return w.run_until(w.now() + within, [&] { return h.peer.connected() && h.was_connected; });
}
/// Runs until the engine says that the session has ended.
inline bool ends(World& w, const Host& h, Micros within) {
  return w.run_until(w.now() + within, [&] { return h.closed != CloseReason::none; });
}

inline const std::vector<test::Heard>& heard(const Host& h, test::Kind k = kAudio) {
  return h.peer.listener(k).heard();
}
inline size_t heard_of(const Host& h, uint32_t source, test::Kind k = kAudio) {
  return static_cast<size_t>(
      std::ranges::count_if(heard(h, k), [&](const test::Heard& x) { return x.mark.source == source; }));
}
/// Packets of the last second, of 50 that a talking client sends.
inline bool flows(World& w, const Host& h, test::Kind k = kAudio) {
  const size_t before = heard(h, k).size();
  w.run_for(seconds(1));
  return heard(h, k).size() - before >= 45;
}

}  // namespace sluice::sim
