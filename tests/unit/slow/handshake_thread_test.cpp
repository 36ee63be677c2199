// The worker on a thread of its own, as in production. Virtual time stands still here: clients need no timer.
#include "engine/slow/handshake_thread.h"

#include <semaphore>

#include <doctest/doctest.h>

#include "tests/unit/slow/shards.h"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("handshakes run on the worker's thread, which sleeps until it is woken and ends when asked") {
  Shard shard;
  std::counting_semaphore<1 << 20> bell{0};
  auto port = shard.port();
  port.wake = {[](void* s) { static_cast<std::counting_semaphore<1 << 20>*>(s)->release(); }, &bell};
  slow::HandshakeLimits limits;
  limits.cpu_clock = slow::thread_cpu_us;
  slow::HandshakeWorker worker(server_context(), {&port, 1}, limits);
  auto thread = slow::HandshakeThread::start(worker);
  REQUIRE(thread);
  for (uint64_t id = 1; id <= 20; ++id) {
    shard.add(id).client.start();
    REQUIRE(shard.start(id));
    shard.forward();
    (*thread)->wake();
  }
  const auto done = [&] {
    return std::ranges::all_of(shard.peers,
                               [](const auto& p) { return p.second->keys && p.second->client.connected(); });
  };
  while (!done()) {
    bell.acquire();
    shard.receive();
    shard.forward();
    (*thread)->wake();
  }
  for (auto& [id, p] : shard.peers) CHECK(same(*p->keys, p->client.keys()));
  thread->reset();
  CHECK(worker.counters().done == 20);
  CHECK(worker.counters().cpu_us > 0);
}

TEST_CASE("a thread without work starts and stops") {
  Shard shard;
  const auto port = shard.port();
  slow::HandshakeWorker worker(server_context(), {&port, 1});
  for (int i = 0; i < 50; ++i) {
    auto thread = slow::HandshakeThread::start(worker);
    REQUIRE(thread);
    if (i % 2 == 0) (*thread)->wake();
  }
  CHECK(worker.counters().started == 0);
}
