// The worker on a thread of its own, as in production.
#include "engine/slow/stream_thread.h"

#include <semaphore>

#include "tests/unit/slow/stream_rig.h"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("the thread sleeps until a socket or a shard has something, and ends when asked") {
  RingOf<slow::ToStream> to(64);
  RingOf<slow::FromStream> from(64);
  std::counting_semaphore<1 << 20> bell{0};
  auto listener = slow::listen_stream({Address::v4(127, 0, 0, 1), 0}, false);
  REQUIRE(listener);
  const Endpoint at = listener->bound;
  std::vector<slow::StreamListener> listeners;
  listeners.push_back(std::move(*listener));
  auto worker = slow::StreamWorker::make(
      std::move(listeners), {},
      {{&*to,
        &*from,
        {[](void* s) { static_cast<std::counting_semaphore<1 << 20>*>(s)->release(); }, &bell}}},
      {.ice = true, .turn = true});
  REQUIRE(worker);
  auto thread = slow::StreamThread::start(**worker);
  REQUIRE(thread);
  StreamClient client(at);
  for (uint8_t i = 0; i < 50; ++i) {
    client.send(framed(stun_request(i)));
    slow::StreamId id;
    while (from->size_approx() == 0) bell.acquire();
    from->for_each(1, [&](const slow::FromStream& m) { id = m.stream; });
    to->try_emplace([&](slow::ToStream& m) { m.set_datagram(id, stun_request(i)); });
    (*worker)->wake();
    while (client.received.size() < (i + 1U) * 22U) client.receive();
  }
  thread->reset();
  CHECK((*worker)->counters().datagrams_out == 50);
}

TEST_CASE("a thread without streams starts and stops") {
  for (int i = 0; i < 50; ++i) {
    auto worker = slow::StreamWorker::make({}, {}, {}, {});
    REQUIRE(worker);
    auto thread = slow::StreamThread::start(**worker);
    REQUIRE(thread);
    if (i % 2 == 0) (*worker)->wake();
  }
}
