#include <doctest/doctest.h>

#include "tests/unit/slow/shards.h"

using namespace sluice;
using namespace sluice::test;

namespace {

struct World {
  explicit World(slow::HandshakeLimits limits = {}, uint32_t out = 256)
      : shards{std::make_unique<Shard>(256, out), std::make_unique<Shard>(256, out)},
        ports{shards[0]->port(), shards[1]->port()},
        worker(server_context(), ports, limits) {
    set_virtual_time(now);
  }
  Shard& operator[](size_t i) { return *shards[i]; }

  void pass() {
    for (auto& s : shards) s->forward();
    next = worker.step(now);
    for (auto& s : shards) s->receive();
  }
  /// Without loss nothing needs a timer.
  void settle(int rounds = 50) {
    for (int i = 0; i < rounds; ++i) pass();
  }
  void advance(Micros by) {
    now += by;
    set_virtual_time(now);
  }

  Micros now = seconds(1);
  Micros next = kNever;
  std::array<std::unique_ptr<Shard>, 2> shards;
  std::array<slow::HandshakePort, 2> ports;
  slow::HandshakeWorker worker;
};

uint64_t failures(const slow::HandshakeCounters& c) {
  uint64_t n = 0;
  for (const uint64_t k : c.failed) n += k;
  return n;
}

}  // namespace

TEST_CASE("sessions of two shards connect, with the same number on both, and are forgotten at once") {
  World w;
  for (size_t i = 0; i < 2; ++i) {
    w[i].add(7).client.start();
    REQUIRE(w[i].start(7));
  }
  w.settle();
  for (size_t i = 0; i < 2; ++i) {
    Peer& p = *w[i].peers.at(7);
    CHECK(p.client.connected());
    REQUIRE(p.keys);
    CHECK(same(*p.keys, p.client.keys()));
    CHECK(dtls::looks_like_client_retransmission(p.last_flight));
    CHECK(p.last_flight.size() == 75);
    CHECK(p.close_notify.size() == 39);
    CHECK(w[i].wakes > 0);
    p.client.input(p.close_notify);
    CHECK(p.client.got_close_notify());
  }
  const auto c = w.worker.counters();
  CHECK(c.started == 2);
  CHECK(c.done == 2);
  CHECK(c.in_progress == 0);
  CHECK(failures(c) == 0);
  CHECK(w.next == kNever);
}

TEST_CASE("two hundred handshakes at once all finish, none waits for another, and messages are shared out") {
  World w;
  for (uint64_t id = 1; id <= 200; ++id) {
    w[id % 2].add(id).client.start();
    REQUIRE(w[id % 2].start(id));
  }
  int rounds = 0;
  for (; rounds < 500 && w.worker.counters().done < 200; ++rounds) {
    w.pass();
    // A step takes at most max_messages of each shard.
    CHECK((*w[0].in).size_approx() <= 256);
  }
  for (int i = 0; i < 2; ++i) w[0].receive(), w[1].receive();
  for (auto& s : w.shards)
    for (auto& [id, p] : s->peers) {
      REQUIRE(p->keys);
      CHECK(same(*p->keys, p->client.keys()));
    }
  CHECK(w.worker.counters().in_progress == 0);
  CHECK(w.worker.counters().retransmissions == 0);
}

TEST_CASE("a step handles a bounded number of messages and asks to be stepped again") {
  slow::HandshakeLimits limits;
  limits.max_messages = 4;
  World w(limits);
  for (uint64_t id = 1; id <= 20; ++id) {
    w[0].add(id);
    REQUIRE(w[0].start(id));
  }
  CHECK(w.worker.step(w.now) == w.now);
  CHECK(w[0].in->size_approx() == 16);
  // One shard's queue does not hold up the other's.
  w[1].add(1);
  REQUIRE(w[1].start(1));
  CHECK(w.worker.step(w.now) == w.now);
  CHECK(w[1].in->size_approx() == 0);
  CHECK(w[0].in->size_approx() == 12);
}

TEST_CASE("the wrong certificate fails with its reason and without keys, and others are not disturbed") {
  World w;
  auto wrong = w[0].add(1).client.fingerprint();
  wrong.digest[3] ^= 1;
  w[0].add(2);
  REQUIRE(w[0].start(1, wrong));
  REQUIRE(w[0].start(2));
  w[0].peers.at(1)->client.start();
  w[0].peers.at(2)->client.start();
  w.settle();
  CHECK(w[0].peers.at(1)->failed == dtls::Failure::fingerprint_mismatch);
  CHECK(!w[0].peers.at(1)->keys);
  CHECK(w[0].peers.at(1)->client.alert() == 42);
  CHECK(w[0].peers.at(2)->keys);
  const auto c = w.worker.counters();
  CHECK(c.failed[static_cast<size_t>(dtls::Failure::fingerprint_mismatch)] == 1);
  CHECK(c.in_progress == 0);
}

TEST_CASE("a session whose client never finishes fails after 30 s, started or not") {
  World w;
  w[0].add(1);
  w[0].add(2).client.start();
  REQUIRE(w[0].start(1));
  REQUIRE(w[0].start(2));
  w[0].forward();
  w.worker.step(w.now);
  const Micros began = w.now;
  int steps = 0;
  while (w.now < began + seconds(40) && ++steps < 100) {
    const Micros next = w.worker.step(w.now);
    if (next == kNever) break;
    w.advance(std::max(next - w.now, Micros{1}));
    w[0].out->for_each(1000, [](slow::FromHandshake&) {});
  }
  CHECK(w.worker.counters().in_progress == 0);
  CHECK(w.worker.counters().failed[static_cast<size_t>(dtls::Failure::timeout)] == 2);
  CHECK(w.worker.counters().retransmissions > 5);
  CHECK((w.now - began).us / 1'000'000 == 30);
  CHECK(steps < 40);
}

TEST_CASE("a lost flight is sent again at the deadline that step() returns") {
  World w;
  Peer& p = w[0].add(1);
  REQUIRE(w[0].start(1));
  p.client.start();
  w[0].forward();
  CHECK(w.worker.step(w.now) == w.now + dtls::kFirstTimer);
  w[0].out->for_each(1000, [](slow::FromHandshake&) {});
  w.advance(dtls::kFirstTimer);
  w.settle();
  CHECK(p.keys);
  CHECK(w.worker.counters().retransmissions == 1);
}

TEST_CASE("starts beyond the limit are refused, and room comes back") {
  slow::HandshakeLimits limits;
  limits.max_sessions = 3;
  World w(limits);
  for (uint64_t id = 1; id <= 4; ++id) {
    w[0].add(id);
    REQUIRE(w[0].start(id));
  }
  w.settle(2);
  CHECK(w[0].peers.at(4)->failed == dtls::Failure::too_many);
  CHECK(w.worker.counters().in_progress == 3);
  REQUIRE(w[0].close(1));
  REQUIRE(w[0].start(4));
  w[0].peers.at(4)->client.start();
  w.settle();
  CHECK(w[0].peers.at(1)->closed == 1);
  CHECK(w[0].peers.at(4)->keys);
}

TEST_CASE("close is answered whether or not the session is held, and says goodbye if it can") {
  World w;
  w[0].add(1);
  w[0].add(2).client.start();
  w[0].add(3).client.start();
  w[0].keep = true;
  REQUIRE(w[0].close(1));
  REQUIRE(w[0].start(2, true));
  REQUIRE(w[0].start(3, true));
  w.settle();
  CHECK(w[0].peers.at(1)->closed == 1);
  REQUIRE(w[0].peers.at(2)->keys);
  CHECK(w[0].peers.at(2)->close_notify.empty());
  CHECK(w.worker.counters().in_progress == 2);
  REQUIRE(w[0].close(2));
  w[0].peers.at(3)->client.close();
  w.settle();
  CHECK(w[0].peers.at(2)->closed == 1);
  CHECK(w[0].peers.at(2)->client.got_close_notify());
  CHECK(w[0].peers.at(3)->closed == 1);
  CHECK(w.worker.counters().closed == 3);
  CHECK(w.worker.counters().in_progress == 0);
}

TEST_CASE("a kept session outlives the time limit of handshakes") {
  World w;
  w[0].keep = true;
  w[0].add(1).client.start();
  REQUIRE(w[0].start(1, true));
  w.settle();
  REQUIRE(w[0].peers.at(1)->keys);
  w.advance(seconds(100));
  w.settle();
  CHECK(!w[0].peers.at(1)->failed);
  CHECK(w.worker.counters().in_progress == 1);
}

TEST_CASE("datagrams of unknown sessions are counted and open nothing") {
  World w;
  w[0].add(1).client.start();
  w.settle();
  CHECK(w.worker.counters().datagrams_unknown == 1);
  CHECK(w.worker.counters().in_progress == 0);
  CHECK(w[0].peers.at(1)->datagrams == 0);
}

TEST_CASE("a second start for a session begins again") {
  World w;
  w[0].add(1).client.start();
  auto wrong = w[0].peers.at(1)->client.fingerprint();
  wrong.digest[0] ^= 1;
  REQUIRE(w[0].start(1, wrong));
  REQUIRE(w[0].start(1));
  w.settle();
  CHECK(w[0].peers.at(1)->keys);
}

TEST_CASE("a shard that does not empty its ring loses no outcome, and the other shard is served meanwhile") {
  World w({}, 2);
  for (uint64_t id = 1; id <= 12; ++id) {
    w[0].add(id).client.start();
    REQUIRE(w[0].start(id));
  }
  w[1].add(1).client.start();
  REQUIRE(w[1].start(1));
  for (int i = 0; i < 50; ++i) {
    for (auto& s : w.shards) s->forward();
    w.next = w.worker.step(w.now);
    w[1].receive();
  }
  CHECK(w[1].peers.at(1)->keys);
  CHECK(w.next <= w.now + millis(1));
  CHECK(w[0].in->size_approx() > 0);
  w.settle(200);
  for (auto& [id, p] : w[0].peers) CHECK(p->keys.has_value());
  CHECK(w.worker.counters().done == 13);
}

TEST_CASE("keys do not stay in the ring after they were taken") {
  World w;
  Peer& p = w[0].add(1);
  p.client.start();
  REQUIRE(w[0].start(1));
  w.settle();
  REQUIRE(p.keys);
  const auto memory = w[0].out.memory();
  const auto find = [&](Bytes secret) {
    return std::ranges::search(memory, secret,
                               [](std::byte a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
  };
  CHECK(find(p.keys->client_key()).empty());
  CHECK(find(p.keys->server_key()).empty());
  CHECK(find(p.keys->client_salt()).empty());
  // The search does find what is there: a datagram that was sent to the client.
  CHECK(!find(Bytes(p.last_flight).last(20)).empty());
}
