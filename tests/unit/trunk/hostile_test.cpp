// What somebody on the way between relay and server can do: change, repeat, reorder, redirect.
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;

namespace {

bool is_trunk_drop(Drop d) {
  return d == Drop::trunk_malformed || d == Drop::trunk_auth || d == Drop::trunk_replayed ||
         d == Drop::trunk_stale;
}

/// Every bit changed, every length: refused each time, and the datagram itself still accepted afterwards.
template <class Receive>
void check_tampering(const Datagram& good, Receive receive) {
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    CAPTURE(bit);
    Datagram bad = good;
    bad[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    const auto r = receive(bad);
    REQUIRE_FALSE(r.has_value());
    REQUIRE(is_trunk_drop(r.error()));
  }
  for (size_t n = 0; n < good.size(); ++n) {
    const auto r = receive(Datagram(good.begin(), good.begin() + static_cast<ptrdiff_t>(n)));
    REQUIRE_FALSE(r.has_value());
  }
  Datagram longer = good;
  longer.push_back(0);
  CHECK_FALSE(receive(longer).has_value());
  CHECK(receive(good).has_value());
}

}  // namespace

TEST_CASE("a changed bit or length anywhere is refused: frames to the server") {
  Connected w;
  check_tampering(w.relay.data(w.link.server, {&kFrame, 1}),
                  [&](const Datagram& d) { return w.server.receive(d, w.relay, kStart); });
}

TEST_CASE("a changed bit or length anywhere is refused: frames to the relay") {
  Connected w;
  check_tampering(w.server.data(w.link.relay, {&kFrame, 1}),
                  [&](const Datagram& d) { return w.relay.receive(d, w.server, kStart); });
}

TEST_CASE("a changed bit or length anywhere is refused: hello, known and unknown, and welcome") {
  Connected w;
  Node fresh({.id = kServer}, address_of(3), 3);
  const auto hello = next_hello(w.relay, kStart + millis(21));
  REQUIRE(hello.has_value());
  check_tampering(*hello, [&](const Datagram& d) { return fresh.receive(d, w.relay, kStart); });
  check_tampering(*hello, [&](const Datagram& d) { return w.server.receive(d, w.relay, kStart); });
  check_tampering(w.server.welcome(w.link.relay),
                  [&](const Datagram& d) { return w.relay.receive(d, w.server, kStart + millis(21)); });
}

TEST_CASE("a changed first welcome is refused") {
  Node relay({.id = kRelay}, address_of(1), 1), server({.id = kServer}, address_of(2), 2);
  REQUIRE(relay.trunk.add_server(kServer, server.address, 1, kStart).has_value());
  const auto heard = server.receive(*next_hello(relay, kStart), relay, kStart);
  check_tampering(server.welcome(heard->peer),
                  [&](const Datagram& d) { return relay.receive(d, server, kStart); });
}

TEST_CASE("nothing is accepted twice, in whatever order it comes, and all is accepted that is not too old") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    Connected w;
    std::vector<Datagram> sent;
    std::vector<int> accepted;
    for (int step = 0; step < 1000; ++step) {
      if (sent.empty() || rng() % 2 == 0) {
        sent.push_back(w.relay.data(w.link.server, {&kFrame, 1}));
        accepted.push_back(0);
        continue;
      }
      const size_t i = sent.size() - 1 - rng() % std::min<size_t>(sent.size(), 50);
      const auto r = w.server.receive(sent[i], w.relay, kStart);
      REQUIRE(r.has_value() == (accepted[i] == 0));
      if (r)
        ++accepted[i];
      else
        REQUIRE(r.error() == Drop::trunk_replayed);
    }
  }
}

TEST_CASE("a datagram sent to one server, shard or direction is nothing to another") {
  Connected w;
  Node other({.id = kServer + 1}, address_of(3), 3), shard({.id = kServer, .shard = 1}, w.server.address, 4);
  connect(w.relay, other, kServer + 1, kStart);
  const Datagram up = w.relay.data(w.link.server, {&kFrame, 1});
  const Datagram down = w.server.data(w.link.relay, {&kFrame, 1});
  for (Node* n : {&other, &shard, &w.relay}) CHECK_FALSE(n->receive(up, w.relay, kStart).has_value());
  for (Node* n : {&other, &shard, &w.server}) CHECK_FALSE(n->receive(down, w.server, kStart).has_value());
  CHECK(w.server.receive(up, w.relay, kStart).has_value());
  CHECK(w.relay.receive(down, w.server, kStart).has_value());
}

TEST_CASE(
    "a captured hello gets one welcome of its own length at another shard, and its sender no frames ever") {
  Connected w;
  Node attacker({.id = 666}, address_of(66), 66);
  Node shard({.id = kServer, .shard = 1}, w.server.address, 4);
  const auto hello = next_hello(w.relay, kStart + millis(21));
  REQUIRE(w.server.receive(*hello, w.relay, kStart).has_value());
  CHECK(w.server.receive(*hello, attacker, kStart).error() == Drop::trunk_replayed);
  const auto fooled = shard.receive(*hello, attacker, kStart);
  REQUIRE(fooled.has_value());
  CHECK(shard.receive(*hello, attacker, kStart).error() == Drop::trunk_replayed);
  CHECK(shard.welcome(fooled->peer).size() == hello->size());
  CHECK_FALSE(shard.trunk.can_send(fooled->peer));
  CHECK_FALSE(shard.trunk.route(fooled->peer).has_value());
  CHECK_FALSE(shard.receive(w.relay.data(w.link.server, {&kFrame, 1}), attacker, kStart).has_value());
  CHECK_FALSE(shard.trunk.can_send(fooled->peer));
  CHECK(w.server.trunk[w.link.relay].remote == w.relay.address);
}

TEST_CASE("old hellos do not keep a dead relay in memory") {
  Connected w;
  std::vector<Datagram> captured;
  for (int i = 1; i < 50; ++i) {
    const Micros t = kStart + millis(21 * i);
    const auto hello = next_hello(w.relay, t);
    REQUIRE(hello.has_value());
    captured.push_back(*hello);
    REQUIRE(w.server.receive(*hello, w.relay, t).has_value());
    REQUIRE(w.relay.receive(w.server.welcome(w.link.relay), w.server, t).has_value());
  }
  Datagram d(kControlBytes);
  for (int s = 1; s < 30; ++s)
    for (const Datagram& hello : captured)
      (void)w.server.receive(hello, w.relay, kStart + millis(1100 + 300 * s));
  const auto due = w.server.trunk.poll(kStart + seconds(12), d);
  REQUIRE(due.has_value());
  CHECK(due->change == Change::forgotten);
}

TEST_CASE("random bytes after any valid beginning are refused") {
  Connected w;
  std::mt19937_64 rng(1);
  const Datagram good = w.relay.data(w.link.server, {&kFrame, 1});
  for (int i = 0; i < 20'000; ++i) {
    Datagram d = good;
    const size_t keep = rng() % good.size();
    d.resize(keep + rng() % 200);
    for (size_t k = keep; k < d.size(); ++k) d[k] = static_cast<uint8_t>(rng());
    if (d == good) continue;
    REQUIRE_FALSE(w.server.receive(d, w.relay, kStart).has_value());
    REQUIRE_FALSE(w.relay.receive(d, w.server, kStart).has_value());
  }
}
