// Sessions that come by TCP: what the streams worker hands to a shard, and what the shard hands back.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::Role;

namespace {

uint32_t stream(uint32_t index, uint32_t generation = 1) {
  return slow::StreamId(index, generation, false).ifindex();
}

Shards shards(uint32_t n) { return Shards(n, {.streams = 64}); }

/// By what way the shards have sent to `c` since the last call.
std::vector<uint32_t> ways(Shards& s, uint32_t n, const Client& c) {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < n; ++i) {
    auto& sent = s.backend(i).sent;
    for (const Datagram& d : sent)
      if (d.remote == c.at) out.push_back(d.ifindex);
    std::erase_if(sent, [&](const Datagram& d) { return d.remote == c.at; });
  }
  return out;
}

bool all_by(const std::vector<uint32_t>& ways, uint32_t way) {
  return !ways.empty() && std::ranges::all_of(ways, [&](uint32_t w) { return w == way; });
}

}  // namespace

TEST_CASE("a session that comes by a stream is answered, challenged and played to by it") {
  Shards s = shards(1);
  Client player = s.offer(Role::play);
  player.stream = stream(3);
  s.check(player, 0);
  s.step();
  CHECK(all_by(ways(s, 1, player), player.stream));
  CHECK(s.core(0).hot[player.key().index].path.ifindex == player.stream);

  s.finish(player, 0);
  Client publisher = s.connect(Role::publish, 0);
  s.tell_room(0, publisher.key(), 0, 1);
  s.step();
  for (uint64_t seq = 1; seq <= 5; ++seq) s.say(publisher, 0, seq);
  s.step(2);
  const auto& sent = s.backend(0).sent;
  CHECK(std::ranges::none_of(
      sent, [&](const Datagram& d) { return d.remote == player.at && d.ifindex != player.stream; }));
  CHECK(s.heard(player).size() == 5);
}

TEST_CASE("TCP and UDP between the same numbers are two paths, each answered its own way") {
  Shards s = shards(1);
  Client c = s.offer(Role::agent);
  s.check(c, 0);
  s.step();
  CHECK(all_by(ways(s, 1, c), 0));
  c.stream = stream(0);
  s.check(c, 0);
  s.step();
  const auto by_stream = ways(s, 1, c);
  CHECK(std::ranges::count(by_stream, c.stream) >= 1);
  CHECK(s.core(0).agents[c.key().index].path_count() == 2);
  CHECK(s.core(0).flows.size() == 2);
  // A third: the same numbers again, after the stream has been another's.
  c.stream = stream(0, 2);
  s.check(c, 0);
  s.step();
  CHECK(s.core(0).agents[c.key().index].path_count() == 3);
}

TEST_CASE("media moves from TCP to UDP and back as the client does") {
  Shards s = shards(1);
  Client c = s.offer(Role::agent);
  c.stream = stream(1);
  s.check(c, 0);
  s.step();
  s.finish(c, 0);
  const auto path = [&] { return s.core(0).hot[c.key().index].path.ifindex; };
  uint64_t seq = 1;
  s.say(c, 0, seq++);
  s.step();
  CHECK(path() == stream(1));
  for (const uint32_t way : {0U, stream(1), 0U, stream(2)}) {
    s.advance(seconds(1));
    c.stream = way;
    s.check(c, 0);
    s.step();
    s.advance(millis(300));
    s.say(c, 0, seq++);
    s.step();
    CHECK(path() == way);
  }
}

TEST_CASE("a stream at one shard serves a session that another owns, and no kernel is asked to steer it") {
  Shards s = shards(2);
  Client c = s.connect(Role::agent, 0);
  ways(s, 2, c);
  s.notices(1);
  c.stream = stream(1);
  s.check(c, 1);
  s.step(3);
  CHECK(s.core(1).handed_over == 1);
  const auto answers = ways(s, 2, c);
  CHECK(std::ranges::count(answers, c.stream) >= 1);
  const auto steered = s.notices(1);
  CHECK(std::ranges::none_of(steered, [](const auto& n) { return n.kind == engine::Notice::Kind::steer; }));
  // What follows needs no second look at its ufrag.
  s.advance(millis(300));
  s.say(c, 1, 1);
  s.step(3);
  CHECK(s.core(1).handed_over == 2);
  CHECK(s.core(0).hot[c.key().index].path.ifindex == c.stream);
}

TEST_CASE("a stream's end does not end its session, and the session's end ends its streams") {
  Shards s = shards(1);
  Client c = s.offer(Role::agent);
  c.stream = stream(5);
  s.check(c, 0);
  s.step();
  s.finish(c, 0);
  s.end_stream(0, c.at, c.stream);
  s.step();
  REQUIRE(s.core(0).owns(c.key()));
  c.stream = stream(6);
  s.check(c, 0);
  s.step();
  engine::Command close;
  close.session = c.key();
  close.reason = engine::CloseReason::hangup;
  s.tell(0, close);
  s.step();
  CHECK_FALSE(s.core(0).owns(c.key()));
  auto closed = s.closed_streams();
  std::ranges::sort(closed);
  CHECK(closed == std::vector{stream(5), stream(6)});
  CHECK(s.core(0).flows.size() == 0);
}

TEST_CASE(
    "datagrams that the ring to the worker has no room for are dropped, and counted, and nothing leaks") {
  Shards s(1, {.streams = 4});
  Client player = s.offer(Role::play);
  player.stream = stream(3);
  s.check(player, 0);
  s.step();
  s.finish(player, 0);
  s.heard(player);
  Client publisher = s.connect(Role::publish, 0);
  s.tell_room(0, publisher.key(), 0, 1);
  s.step();
  for (uint64_t seq = 1; seq <= 20; ++seq) s.say(publisher, 0, seq);
  s.step();
  CHECK(s.core(0).unsent[Drop::ring_full] >= 16);
  CHECK(s.heard(player).size() <= 4);
}

TEST_CASE("a shard without streams drops what is to go by one") {
  Shards s(1);
  Packet p;
  p.slot = s.core(0).take_slot();
  p.offset = kHeadroom;
  p.len = 10;
  p.ifindex = stream(1);
  s.core(0).transmit(p);
  s.step();
  CHECK(s.core(0).unsent[Drop::ring_full] == 1);
}

TEST_CASE("a shard that sleeps sees what the worker has pushed") {
  Shards s = shards(1);
  Client c = s.offer(Role::agent);
  c.stream = stream(1);
  CHECK(s.shard(0).due() > io::kPoll);
  s.check(c, 0);
  CHECK(s.shard(0).due() == io::kPoll);
}
