// The simulator's NATs, held to RFC 4787.

#include <set>

#include <doctest/doctest.h>

#include "tests/sim/nat.h"

namespace sluice::sim {
namespace {

const Endpoint kInside{Address::v4(10, 0, 0, 1), 50'000};
const Endpoint kNeighbour{Address::v4(10, 0, 0, 2), 50'000};
const Address kOutside = Address::v4(198, 51, 100, 7);
const Endpoint kServer{Address::v4(192, 0, 2, 1), 3478};
const Endpoint kOtherAddress{Address::v4(192, 0, 2, 2), 3478};
const Endpoint kOtherPort{Address::v4(192, 0, 2, 1), 9};

constexpr Behaviour kKinds[] = {Behaviour::endpoint_independent, Behaviour::address_dependent,
                                Behaviour::address_and_port_dependent};

Nat nat(const NatOptions& o) { return Nat(o, kOutside, Rng(1)); }

}  // namespace

TEST_CASE("NATs map as their kind does, whatever they filter") {
  for (const auto mapping : kKinds)
    for (const auto filtering : kKinds) {
      Nat n = nat({.mapping = mapping, .filtering = filtering});
      const Endpoint first = n.out(kInside, kServer, {});
      CHECK(first.addr == kOutside);
      CHECK(n.out(kInside, kServer, {}) == first);
      CHECK((n.out(kInside, kOtherPort, {}) == first) == (mapping != Behaviour::address_and_port_dependent));
      CHECK((n.out(kInside, kOtherAddress, {}) == first) == (mapping == Behaviour::endpoint_independent));
      CHECK(n.out(kNeighbour, kServer, {}) != first);
    }
}

TEST_CASE("NATs filter as their kind does, whatever they map") {
  for (const auto mapping : kKinds)
    for (const auto filtering : kKinds) {
      Nat n = nat({.mapping = mapping, .filtering = filtering});
      const Endpoint at = n.out(kInside, kServer, {});
      CHECK(n.in(at, kServer, {}) == kInside);
      CHECK(n.in(at, kOtherPort, {}).has_value() == (filtering != Behaviour::address_and_port_dependent));
      CHECK(n.in(at, kOtherAddress, {}).has_value() == (filtering == Behaviour::endpoint_independent));
      CHECK_FALSE(n.in({kOutside, static_cast<uint16_t>(at.port ^ 1)}, kServer, {}));
    }
}

TEST_CASE("a NAT keeps a client's port where it can, and else none that it ever gave") {
  Nat keeps = nat({.mapping = Behaviour::address_and_port_dependent, .preserves_ports = true});
  CHECK(keeps.out(kInside, kServer, {}).port == kInside.port);
  CHECK(keeps.out(kInside, kOtherPort, {}).port != kInside.port);
  CHECK(keeps.out(kNeighbour, kServer, {}).port != kInside.port);
  keeps.rebind();
  CHECK(keeps.out(kNeighbour, kServer, {}).port != kInside.port);
  CHECK(keeps.out(kInside, kServer, {}).port == kInside.port);

  Nat draws = nat({});
  std::set<uint16_t> seen;
  for (int i = 0; i < 1000; ++i) {
    CHECK(seen.insert(draws.out(kInside, kServer, {}).port).second);
    draws.rebind();
  }
}

TEST_CASE("clients behind one NAT reach each other at their outside endpoints if it hairpins") {
  for (const bool hairpins : {true, false}) {
    Nat n = nat({.filtering = Behaviour::endpoint_independent, .hairpins = hairpins});
    const Endpoint neighbour = n.out(kNeighbour, kServer, {});
    // RFC 4787 §6, REQ-9 a: the source is the outside one.
    const Endpoint from = n.out(kInside, neighbour, {});
    CHECK(from.addr == kOutside);
    CHECK((n.in(neighbour, from, {}) == kNeighbour) == hairpins);
  }
}

TEST_CASE("NATs forget what is silent and what is rebound") {
  Nat n = nat({.filtering = Behaviour::endpoint_independent});
  const Endpoint first = n.out(kInside, kServer, {});
  CHECK(n.in(first, kServer, seconds(60)));
  CHECK(n.owner(first, seconds(60)) == kInside);
  CHECK_FALSE(n.in(first, kServer, seconds(61)));
  CHECK_FALSE(n.owner(first, seconds(61)));
  const Endpoint second = n.out(kInside, kServer, seconds(61));
  CHECK(second != first);
  CHECK(n.mappings() == 1);
  CHECK(n.newest(kInside) == second);
  const Address elsewhere = Address::v4(203, 0, 113, 9);
  n.rebind(elsewhere);
  CHECK_FALSE(n.in(second, kServer, seconds(61)));
  CHECK_FALSE(n.newest(kInside));
  CHECK(n.out(kInside, kServer, seconds(61)).addr == elsewhere);
}

TEST_CASE("what comes in keeps a mapping alive only where the NAT says so") {
  for (const bool refreshes : {true, false}) {
    Nat n = nat({.filtering = Behaviour::endpoint_independent, .inbound_refreshes = refreshes});
    const Endpoint at = n.out(kInside, kServer, {});
    REQUIRE(n.in(at, kServer, seconds(50)));
    CHECK(n.in(at, kServer, seconds(100)).has_value() == refreshes);
  }
}

}  // namespace sluice::sim
