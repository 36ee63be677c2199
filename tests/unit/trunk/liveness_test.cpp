// Hellos: how soon a dead server is known, what loss does, and what they tell.
#include <random>

#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;

namespace {

/// A relay and a server that polls of the relay keep in touch; time goes in steps of the relay's deadlines.
struct World : Connected {
  Micros now = kStart + micros(200);
  int hellos = 0;

  /// Runs until `end`; `delivers(n)` says whether the n-th hello is answered. Returns the first change.
  template <class F>
  Change run(Micros end, F delivers) {
    Datagram d(kControlBytes);
    while (relay.trunk.deadline() <= end) {
      now = std::max(now, relay.trunk.deadline());
      while (const auto due = relay.trunk.poll(now, d)) {
        if (due->change != Change::none) return due->change;
        if (!delivers(hellos++)) continue;
        const auto heard = server.receive(d, relay, now);
        if (!heard) continue;
        const auto r = relay.receive(server.welcome(heard->peer), server, now + micros(500));
        if (r && r->change != Change::none) return r->change;
      }
    }
    now = end;
    return Change::none;
  }
};

}  // namespace

TEST_CASE("a server that dies is down within 75 ms of its last sign of life") {
  for (int64_t offset = 0; offset < 20'000; offset += 700) {
    World w;
    const Micros died = kStart + seconds(1) + micros(offset);
    CHECK(w.run(died, [](int) { return true; }) == Change::none);
    CHECK(w.relay.trunk.can_send(w.link.server));
    CHECK(w.run(died + seconds(1), [](int) { return false; }) == Change::down);
    CHECK(w.now - died <= millis(75));
    CHECK_FALSE(w.relay.trunk.can_send(w.link.server));
  }
}

TEST_CASE("two hellos or welcomes in a row may be lost") {
  World w;
  CHECK(w.run(kStart + seconds(5), [](int n) { return n % 3 == 0; }) == Change::none);
}

TEST_CASE("frames from the server are signs of life too") {
  World w;
  for (int i = 0; i < 100; ++i) {
    const Micros t = kStart + millis(10 * i);
    CHECK(w.run(t, [](int) { return false; }) == Change::none);
    CHECK(w.relay.receive(w.server.data(w.link.relay, {&kFrame, 1}), w.server, t).has_value());
  }
  CHECK(w.run(w.now + millis(75), [](int) { return false; }) == Change::down);
}

TEST_CASE(
    "a server that comes back in the same life is up with the first answer, and asked less often until "
    "then") {
  World w;
  CHECK(w.run(kStart + seconds(1), [](int) { return false; }) == Change::down);
  const int before = w.hellos;
  CHECK(w.run(w.now + seconds(1), [](int) { return false; }) == Change::none);
  CHECK(w.hellos - before >= 9);
  CHECK(w.hellos - before <= 12);
  CHECK(w.run(w.now + seconds(1), [](int) { return true; }) == Change::up);
  const auto r = w.server.receive(w.relay.data(w.link.server, {&kFrame, 1}), w.relay, w.now);
  REQUIRE(r.has_value());
  CHECK(r->peer == w.link.relay);
}

TEST_CASE("hellos go out at a steady rate, and after a pause not in a crowd") {
  World w;
  const auto count = [&](Micros span) {
    const int before = w.hellos;
    CHECK(w.run(w.now + span, [](int) { return true; }) == Change::none);
    return w.hellos - before;
  };
  CHECK(count(seconds(10)) >= 499);
  CHECK(w.hellos <= 502);
  Datagram d(kControlBytes);
  int at_once = 0;
  w.now += millis(60);
  while (const auto due = w.relay.trunk.poll(w.now, d)) at_once += due->hello != 0;
  CHECK(at_once == 1);
}

TEST_CASE("the round-trip time is smoothed and what is lost on the way is counted on both sides") {
  World w;
  std::mt19937 rng(4);
  uint64_t up_lost = 0, down_lost = 0;
  Micros t = w.now;
  for (int i = 0; i < 1000; ++i) {
    t += millis(1);
    CHECK(w.run(t, [](int) { return true; }) == Change::none);
    const Datagram up = w.relay.data(w.link.server, {&kFrame, 1});
    const Datagram down = w.server.data(w.link.relay, {&kFrame, 1});
    if (rng() % 10 == 0)
      ++up_lost;
    else
      REQUIRE(w.server.receive(up, w.relay, t).has_value());
    if (rng() % 5 == 0)
      ++down_lost;
    else
      REQUIRE(w.relay.receive(down, w.server, t).has_value());
  }
  // The last datagrams before a loss is noticed.
  REQUIRE(w.server.receive(w.relay.data(w.link.server, {&kFrame, 1}), w.relay, t).has_value());
  CHECK(w.run(t + millis(40), [](int) { return true; }) == Change::none);
  const Figures relay = w.relay.trunk.figures(w.link.server), server = w.server.trunk.figures(w.link.relay);
  CHECK(server.lost == up_lost);
  CHECK(relay.remote_lost == up_lost);
  CHECK(relay.lost == down_lost);
  CHECK(server.remote_lost == down_lost);
  CHECK(server.received == 1000 - up_lost + 2);
  CHECK(relay.rtt >= micros(400));
  CHECK(relay.rtt <= micros(600));
}

TEST_CASE("draining is told by the next hello and the next welcome, once") {
  World w;
  w.server.trunk.set_draining(true);
  CHECK(w.run(w.now + millis(50), [](int) { return true; }) == Change::status);
  CHECK(w.relay.trunk[w.link.server].status.draining);
  CHECK(w.relay.trunk.can_send(w.link.server));
  CHECK(w.run(w.now + millis(100), [](int) { return true; }) == Change::none);
  w.relay.trunk.set_draining(true);
  CHECK(w.run(w.now + millis(50), [](int) { return true; }) == Change::none);
  CHECK(w.server.trunk[w.link.relay].status.draining);
}

TEST_CASE("a relay that says nothing any more is forgotten, one that only says hello is not") {
  World w;
  Datagram d(kControlBytes);
  CHECK(w.run(kStart + seconds(60), [](int) { return true; }) == Change::none);
  CHECK_FALSE(w.server.trunk.poll(w.now, d).has_value());
  CHECK(w.server.trunk.deadline() <= w.now + seconds(10));
  CHECK_FALSE(w.server.trunk.poll(w.now + seconds(9), d).has_value());
  const auto due = w.server.trunk.poll(w.now + seconds(10), d);
  REQUIRE(due.has_value());
  CHECK(due->change == Change::forgotten);
  CHECK(due->peer == w.link.relay);
  CHECK_FALSE(w.server.trunk.can_send(w.link.relay));
  CHECK_FALSE(w.server.trunk.poll(w.now + seconds(10), d).has_value());
  CHECK(w.server.trunk.deadline() == kNever);
}

TEST_CASE("an index waits for all others before it names another peer") {
  Node node({.id = kRelay}, address_of(1), 1, 8, 8);
  const auto first = node.trunk.add_server(1, address_of(2), 1, kStart);
  node.trunk.remove(*first);
  for (uint32_t i = 0; i < 7; ++i) CHECK(node.trunk.add_server(2 + i, address_of(2), 1, kStart) != first);
  CHECK(node.trunk.add_server(20, address_of(2), 1, kStart) == first);
  CHECK_FALSE(node.trunk.add_server(21, address_of(2), 1, kStart).has_value());
}

TEST_CASE("many servers are polled one by one, each with its own deadline") {
  Node relay({.id = kRelay}, address_of(1), 1);
  for (uint32_t i = 0; i < 40; ++i)
    REQUIRE(relay.trunk.add_server(100 + i, address_of(2), 1, kStart + millis(i)).has_value());
  Datagram d(kControlBytes);
  std::array<int, 64> sent{};
  for (int64_t ms = 0; ms < 100; ++ms)
    while (const auto due = relay.trunk.poll(kStart + millis(ms), d)) ++sent[due->peer];
  for (size_t i = 0; i < 40; ++i) CHECK(sent[i] == 1);
}
