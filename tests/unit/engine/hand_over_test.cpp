#include <doctest/doctest.h>

#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::Role;

TEST_CASE("an address that two shards believe to be the other's does not bounce between them") {
  Shards s(2);
  // Two sessions behind one socket, one owned by each shard; the kernel gives its packets to shard 0.
  Client here = s.offer(Role::agent);
  Client there = s.offer(Role::agent);
  there.at = here.at;
  s.check(here, 0);
  s.check(there, 1);
  s.step(3);
  REQUIRE(s.core(0).owns(here.key()));
  REQUIRE(s.core(1).owns(there.key()));
  // The address turns to the session of shard 1 and back.
  s.check(there, 0);
  s.step(4);
  const size_t answers = s.backend(0).sent.size() + s.backend(1).sent.size();
  s.check(here, 0);
  s.step(20);
  CHECK(s.core(0).handed_over + s.core(1).handed_over <= 4);
  CHECK(s.backend(0).sent.size() + s.backend(1).sent.size() > answers);
  const std::array<uint8_t, 13> dtls{22, 0xfe, 0xfd};
  s.place(0, here.at, dtls);
  s.step(20);
  CHECK(s.core(0).handed_over + s.core(1).handed_over <= 5);
}

TEST_CASE("an address follows the session whose check came last, at its owner and elsewhere") {
  Shards s(2);
  Client here = s.offer(Role::agent);
  Client there = s.offer(Role::agent);
  there.at = here.at;
  s.check(here, 0);
  s.check(there, 1);
  s.step(3);
  const FlowKey key{here.at, kServer};
  s.check(there, 0);
  s.step(4);
  CHECK(s.core(0).flows.find(key)->session.key == there.key());
  s.check(here, 0);
  s.step(4);
  CHECK(s.core(0).flows.find(key)->session.key == here.key());
  // The end of the other session leaves the flow alone.
  engine::Command forget;
  forget.kind = engine::Command::Kind::forget;
  forget.session = there.key();
  s.tell(0, forget);
  s.step();
  REQUIRE(s.core(0).flows.find(key) != nullptr);
  CHECK(s.core(0).flows.find(key)->session.key == here.key());
}

TEST_CASE("a client that keeps moving at a shard that does not own it is followed, at a bounded rate") {
  Shards s(2);
  Client c = s.offer(Role::agent);
  s.check(c, 1);
  s.step(2);
  for (uint16_t port = 6000; port < 6020; ++port) {
    c.at.port = port;
    s.check(c, 0);
    s.step(2);
    s.advance(seconds(2));
    CHECK(s.core(0).flows.find({c.at, kServer}) != nullptr);
  }
  CHECK(s.core(0).flows.size() == engine::HandedOver::kMax);
  for (uint16_t port = 7000; port < 7020; ++port) {
    c.at.port = port;
    s.check(c, 0);
    s.step(2);
  }
  CHECK(s.core(0).flows.find({Endpoint{c.at.addr, 7019}, kServer}) == nullptr);
  CHECK(s.core(0).flows.size() == engine::HandedOver::kMax);
}
