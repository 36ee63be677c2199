#include "engine/control/http/events.h"

#include <doctest/doctest.h>

using namespace sluice::http;

TEST_CASE("listeners hear what is published after they came") {
  EventHub hub;
  const auto a = hub.subscribe();
  hub.publish("session", "1");
  const auto b = hub.subscribe();
  hub.publish("session", "2");
  CHECK(a->take() == "id: 1\nevent: session\ndata: 1\n\nid: 2\nevent: session\ndata: 2\n\n");
  CHECK(b->take() == "id: 2\nevent: session\ndata: 2\n\n");
  CHECK(b->take().empty());
}

TEST_CASE("a slow listener loses the oldest events and is told how many") {
  EventHub hub;
  const auto slow = hub.subscribe();
  for (size_t i = 0; i < EventQueue::kCapacity + 3; ++i) hub.publish("session", "{}");
  const std::string text = slow->take();
  CHECK(text.starts_with("event: missed\ndata: {\"missed\":3}\n\nid: 4\n"));
  CHECK(slow->empty());
}

TEST_CASE("a listener is woken once per empty queue") {
  EventHub hub;
  const auto a = hub.subscribe();
  int woken = 0;
  a->on_ready = [&] { ++woken; };
  hub.publish("session", "{}");
  hub.publish("session", "{}");
  CHECK(woken == 1);
  a->take();
  hub.publish("session", "{}");
  CHECK(woken == 2);
}

TEST_CASE("there is a bound on listeners, and those who left make room") {
  EventHub hub;
  std::vector<std::shared_ptr<EventQueue>> all;
  for (size_t i = 0; i < EventHub::kMaxListeners; ++i) all.push_back(hub.subscribe());
  CHECK(hub.full());
  CHECK(hub.subscribe() == nullptr);
  all.pop_back();
  CHECK_FALSE(hub.full());
  CHECK(hub.subscribe() != nullptr);
}
