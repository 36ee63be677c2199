// A generator before a network in memory; time is the test's.
#pragma once

#include "tests/unit/load/pretend_wire.h"
#include "tools/load/generator.h"

namespace sluice::load {

inline constexpr Nanos kStart = 1'000'000'000'000;

template <class P>
struct Rig {
  Options options;
  Credentials credentials;
  PretendWire wire;
  Sessions sessions;
  TxQueue control;
  Bench bench;
  P protocol;
  Traffic traffic;
  Generator generator;
  Nanos now = kStart - 10'000'000;

  Rig(uint32_t n, const Options& o, Credentials c, PretendWire::Network network)
      : options(o),
        credentials(std::move(c)),
        wire(std::move(network)),
        sessions(n),
        control(wire),
        bench{options, credentials, 0, 77, wire, sessions, control},
        protocol(bench),
        traffic(100),
        generator(bench, protocol, traffic, kStart) {
    generator.set_pace({.target = n,
                        .setup_rate = 1e6,
                        .active = n,
                        .epoch = kStart,
                        .begin = kStart,
                        .end = kStart + kSecond});
  }

  void run(Nanos until, Nanos step = 500'000) {
    for (; now < until; now += step) {
      wire.clock = now;
      generator.step(now);
    }
  }
  const Figures& figures() const { return generator.figures(); }
};

}  // namespace sluice::load
