#include <doctest/doctest.h>

#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::Command;
using engine::Notice;
using engine::Role;

TEST_CASE("a shard lends no more slots than their way home holds") {
  engine::LinkSizes sizes;
  sizes.peer = 2;
  Shards s(2, sizes);
  engine::Core& lender = s.core(0);
  uint32_t lent = 0;
  for (int i = 0; i < 20; ++i) {
    engine::PeerMessage m;
    m.packet.slot = lender.take_slot();
    m.packet.offset = kHeadroom;
    m.packet.len = 1;
    m.packet.remote = {Address::v4(10, 0, 0, 1), 1000};
    m.packet.local = kServer;
    lent += lender.lend(ShardId{1}, m) ? 1 : 0;
    // The lender does not come round to fetching what is given back.
    s.shard(1).run_once();
  }
  CHECK(lent == lender.ports.home_from_peer[1]->capacity());
  CHECK(lender.drops[Drop::ring_full] == 20 - lent);
  s.step();
  CHECK(lender.pool.in_flight() == 0);
  CHECK(s.core(1).pool.in_flight() == 0);
}

TEST_CASE("a session that was claimed but could not be taken up ends when it is told to, once") {
  Shards s(1);
  const Client c = s.offer(Role::agent);
  REQUIRE(s.directory().claim(c.key(), ShardId{0}).claim == engine::Directory::Claim::mine);
  Command close;
  close.kind = Command::Kind::close;
  close.reason = engine::CloseReason::hangup;
  close.session = c.key();
  s.tell(0, close);
  s.tell(0, close);
  s.step();
  const auto notices = s.notices(0);
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].kind == Notice::Kind::closed);
  CHECK(notices[0].session == c.key());
  s.check(c, 0);
  s.step();
  CHECK(s.core(0).drops[Drop::ufrag_gone] == 1);
  CHECK(s.core(0).live_sessions == 0);
}

TEST_CASE("a shard whose last session runs out says so, without a packet") {
  Shards s(1);
  s.connect(Role::agent, 0);
  s.advance(seconds(1));
  s.step();
  engine::ShardReport r;
  REQUIRE(s.shard(0).report(r));
  CHECK(r.sessions == 1);
  s.advance(seconds(40));
  s.step();
  CHECK(s.core(0).live_sessions == 0);
  s.advance(seconds(1));
  s.step();
  REQUIRE(s.shard(0).report(r));
  CHECK(r.sessions == 0);
}

TEST_CASE("a request that is answered by an error takes nothing up") {
  Shards s(1);
  const Client c = s.offer(Role::agent);
  s.check(c, 0, stun::Attr::ice_controlled);
  s.step();
  CHECK(s.core(0).live_sessions == 0);
  REQUIRE(s.backend(0).sent.size() == 1);
  // RFC 8445 §7.3.1.1: 487, role conflict.
  const auto answer = stun::View::parse(s.backend(0).sent[0].bytes);
  REQUIRE(answer);
  CHECK(answer->is_binding(stun::Class::error));
  CHECK(s.notices(0).empty());
}

TEST_CASE("a client that moves with every packet is followed, but not spoken of each time") {
  Shards s(1);
  Client c = s.connect(Role::agent, 0);
  const std::array<Endpoint, 2> at{c.at, Endpoint{c.at.addr, 6000}};
  c.at = at[1];
  s.check(c, 0);
  s.step();
  s.say(c, 0, 0);
  s.step();
  // Past the time for which a nomination outweighs media on another path.
  s.advance(millis(300));
  s.notices(0);
  for (uint64_t n = 1; n < 51; ++n) {
    c.at = at[(n + 1) % 2];
    s.say(c, 0, n);
    s.step();
    CHECK(s.core(0).hot[c.key().index].path.remote == c.at);
  }
  size_t moved = 0;
  for (const Notice& n : s.notices(0)) moved += n.kind == Notice::Kind::moved ? 1u : 0u;
  CHECK(moved == 1);
  s.advance(seconds(1));
  s.step();
  engine::SessionReport r;
  REQUIRE(s.shard(0).session_report(c.key().index, r));
  CHECK(r.remote == c.at);
  CHECK(r.moves >= 49);
}

TEST_CASE("checks from an unproven address of a session draw on the budget of its neighbourhood") {
  Shards s(1);
  const Client c = s.offer(Role::agent);
  // Nobody answers the challenges: the address stays unproven.
  for (int i = 0; i < 20'000; ++i) {
    s.check(c, 0);
    if (i % 50 == 0) s.step();
  }
  s.step();
  CHECK(s.core(0).drops[Drop::rate_limited] > 0);
}
