// Whoever is on the Internet and no engine: sans-IO, behind an edge of its own, at the end of two links.
#pragma once

#include <vector>

#include "net/base/bytes.h"
#include "tests/client/ice.h"
#include "tests/sim/edge.h"
#include "tests/sim/link.h"

namespace sluice::sim {

struct Host;

struct Station {
  Station(Edge e, Link u, Link d, bool v6) : edge(std::move(e)), up(u), down(d), ipv6(v6) {}
  virtual ~Station() = default;

  virtual void input(Bytes datagram, const Endpoint& from, Micros now) = 0;
  virtual void timeout(Micros now) = 0;
  virtual Micros deadline(Micros now) const = 0;
  virtual std::vector<test::Outgoing> take() = 0;
  /// If it is a whole WebRTC client.
  virtual const Host* host() const { return nullptr; }

  Edge edge;
  Link up, down;
  bool ipv6;
  Micros next = kNever;
};

}  // namespace sluice::sim
