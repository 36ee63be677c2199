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

namespace {

/// Two shards with bells; packets lent by the first while it is awake, given back by the second while the
/// first sleeps.
struct Lender {
  explicit Lender(engine::LinkSizes sizes = {}) : s(2, sizes) {
    for (uint32_t i : {0u, 1u}) {
      engine::ShardBells bells;
      for (uint32_t other : {0u, 1u}) {
        bells.peers.push_back(s.shard(other).waker());
        bells.lenders.push_back(s.shard(other).lender_waker());
      }
      s.shard(i).set_bells(std::move(bells));
    }
    s.step();
  }
  void lend(uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
      engine::PeerMessage m;
      m.packet.slot = core.take_slot();
      m.packet.offset = kHeadroom;
      m.packet.len = 1;
      REQUIRE(core.lend(ShardId{1}, m));
    }
  }
  /// How often the lender is woken while it sleeps and the borrower runs.
  uint64_t wakes_asleep() {
    const uint64_t before = s.backend(0).wakes;
    s.backend(0).asleep = [&] {
      for (int i = 0; i < 4; ++i) s.shard(1).run_once();
    };
    s.shard(0).run_once();
    REQUIRE_FALSE(s.backend(0).asleep);
    return s.backend(0).wakes - before;
  }
  Shards s;
  engine::Core& core = s.core(0);
};

}  // namespace

TEST_CASE("a shard with slots enough is not woken for a few that come home, and has them once it wakes") {
  Lender l;
  l.lend(100);
  CHECK(l.wakes_asleep() == 0);
  CHECK(l.core.slots_lent == 0);
  CHECK(l.core.pool.in_flight() == 0);
}

TEST_CASE("a shard is woken when many of its slots have come home") {
  engine::LinkSizes sizes;
  sizes.peer = 64;
  Lender l(sizes);
  l.lend(31);
  CHECK(l.wakes_asleep() == 0);
  l.lend(64);
  CHECK(l.wakes_asleep() >= 1);
}

TEST_CASE("a shard sleeps on its lent slots only while its pool has an eighth and a batch to spare") {
  Lender l;
  PacketPool& pool = l.core.pool;
  const uint32_t enough = pool.capacity() / 8 + kRxBurst;
  std::vector<SlotIndex> held;
  for (uint32_t left = pool.free() - 40; left > 0; left = left > 40 ? left - 40 : 0) {
    while (pool.free() > left) held.push_back(pool.take());
    l.lend(std::min(left, 3u));
    const uint32_t asleep_with = pool.free();
    CHECK((l.wakes_asleep() > 0) == (asleep_with < enough));
    CHECK(l.core.slots_lent == 0);
  }
  for (const SlotIndex slot : held) pool.drop(slot);
}

TEST_CASE("what comes right behind a session's first check, in the same batch, is the session's") {
  Shards s(2);
  const Client c = s.offer(Role::agent);
  const std::array<uint8_t, 14> client_hello{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  std::array<uint8_t, 40> media{0x80, kOpusPt};
  s.place(0, c.at, client_hello);
  s.check(c, 0);
  s.place(0, c.at, client_hello);
  s.place(0, c.at, media);
  s.step();
  CHECK(s.core(0).cold[c.key().index].dtls_started);
  CHECK(s.core(0).drops[Drop::unproven_address] == 0);
  CHECK(s.core(0).drops[Drop::miss] == 0);
  CHECK(s.core(0).drops[Drop::srtp_no_keys] == 1);
  // At another shard, of which the client knows nothing, it follows its check.
  s.discard_handshakes(0);
  s.check(c, 1);
  s.place(1, c.at, media);
  s.step(2);
  CHECK(s.core(1).drops[Drop::miss] == 0);
  CHECK(s.core(0).drops[Drop::srtp_no_keys] == 2);
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
