#include "net/wire/classify.h"
#include "tests/sim/story.h"
#include "tests/sim/swarm.h"

namespace sluice::sim {
namespace {

bool is_dtls(Bytes b) { return wire::classify(b) == wire::PacketClass::dtls; }

}  // namespace

TEST_CASE("a certificate that the offer does not name gets no keys") {
  World w({});
  HostOptions c = echo_caller();
  c.peer.lie_about_certificate = true;
  Host& h = w.call(c);
  REQUIRE(ends(w, h, seconds(5)));
  CHECK(h.closed == CloseReason::dtls);
  CHECK_FALSE(h.peer.connected());
  CHECK_FALSE(h.was_connected);
  CHECK(heard(h).empty());
  w.run_for(seconds(2));
  check_all_gone(w);
}

TEST_CASE("a lost last flight is sent again for the client's retransmission") {
  World w({});
  Host& h = w.call(echo_caller());
  int lost = 0;
  w.lose = [&](const Host&, bool to_server, Bytes b) {
    const bool last_flight = !to_server && is_dtls(b) && dtls::looks_like_client_retransmission(b);
    return last_flight && ++lost <= 3;
  };
  REQUIRE(w.run_until(w.now() + seconds(10), [&] { return h.peer.connected(); }));
  CHECK(lost == 4);
  w.run_for(seconds(2));
  CHECK(flows(w, h));
}

TEST_CASE("a handshake survives the loss of every third datagram") {
  World w({});
  Host& h = w.call(echo_caller());
  int n = 0;
  w.lose = [&](const Host&, bool, Bytes b) { return is_dtls(b) && ++n % 3 == 0; };
  REQUIRE(connects(w, h, seconds(20)));
  w.run_for(seconds(2));
  CHECK(flows(w, h));
}

TEST_CASE("a session that is hung up ends at once and the client is told") {
  World w({});
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(1));
  w.hang_up(h);
  REQUIRE(ends(w, h, millis(1100)));
  CHECK(h.closed == CloseReason::hangup);
  w.run_for(millis(100));
  CHECK(h.peer.dtls().got_close_notify());
  h.peer.die();
  w.run_for(seconds(2));
  check_all_gone(w);
}

TEST_CASE("an offer that nobody follows up ends after the setup limit") {
  World w({});
  w.lose = [](const Host&, bool, Bytes) { return true; };
  Host& h = w.call(echo_caller());
  w.run_for(seconds(29));
  CHECK(h.closed == CloseReason::none);
  REQUIRE(ends(w, h, seconds(3)));
  CHECK(h.closed == CloseReason::setup_timeout);
  w.run_for(seconds(2));
  check_all_gone(w);
}

TEST_CASE("draining takes no new call, lets calls go on until the deadline and then ends them") {
  World w(shards(2));
  Host& stays = w.call(echo_caller(1));
  Host& leaves = w.call(echo_caller(2));
  REQUIRE(connects(w, stays));
  REQUIRE(connects(w, leaves));
  w.run_for(seconds(1));
  w.engine().drain(w.now() + seconds(5), w.now());
  Host& late = w.call(echo_caller(3));
  CHECK_FALSE(late.key);
  CHECK(late.refused.message == "this server is shutting down");
  w.hang_up(leaves);
  w.run_for(seconds(4));
  CHECK(stays.closed == CloseReason::none);
  CHECK(heard(stays).back().at > w.now() - millis(100));
  REQUIRE(ends(w, stays, seconds(3)));
  CHECK(stays.closed == CloseReason::drain);
  w.run_for(seconds(2));
  CHECK(w.events.back().kind == engine::Event::Kind::drained);
  check_all_gone(w);
}

TEST_CASE("a full ring between shards is counted, and the room plays on when it is drained") {
  WorldOptions o = shards(2);
  o.engine.peer_ring = 4;
  World w(o);
  Host& talks = call_on(w, 0, publisher(1));
  Host& far = call_on(w, 1, player(2));
  REQUIRE(connects(w, talks));
  REQUIRE(connects(w, far));
  w.run_for(seconds(2));
  CHECK(w.unsent(Drop::ring_full) == 0);
  // Twenty packets come at once.
  w.backend(0).stall_receive(true);
  w.run_for(millis(400));
  w.backend(0).stall_receive(false);
  w.run_for(millis(200));
  CHECK(w.unsent(Drop::ring_full) > 5);
  CHECK(flows(w, far));
  CHECK(far.peer.problem() == "");
  for (Host* h : {&talks, &far}) w.hang_up(*h), h->peer.die();
  w.run_for(seconds(3));
  check_all_gone(w);
}

TEST_CASE("an empty pool is counted, and calls go on when it fills again") {
  WorldOptions o;
  o.engine.pool_slots = 128;
  World w(o);
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  w.run_for(seconds(2));
  CHECK(w.drops(Drop::pool_empty) == 0);
  std::vector<SlotIndex> taken;
  engine::Core& core = w.shard(0).core();
  // Twice, since the echo line gives back what it holds.
  for (int i = 0; i < 2; ++i) {
    for (SlotIndex s = core.pool.take(); s != kNoSlot; s = core.pool.take()) {
      taken.push_back(s);
      ++core.slots_in_echo;  // somebody holds it, as far as conservation goes
    }
    w.run_for(seconds(1));
  }
  CHECK(w.drops(Drop::pool_empty) > 20);
  for (const SlotIndex s : taken) core.pool.drop(s);
  core.slots_in_echo -= static_cast<uint32_t>(taken.size());
  w.run_for(seconds(1));
  CHECK(flows(w, h));
  CHECK(h.peer.problem() == "");
}

TEST_CASE("a full ring to the handshake worker delays handshakes and loses none") {
  WorldOptions o;
  o.engine.handshake_ring = 8;
  o.worker_lag = millis(50);
  World w(o);
  for (uint32_t i = 1; i <= 12; ++i) w.call(echo_caller(i));
  REQUIRE(w.run_until(w.now() + seconds(15), [&] {
    return std::ranges::all_of(w.hosts(), [](const auto& h) { return h->peer.connected(); });
  }));
  CHECK(w.drops(Drop::dtls_no_worker) > 0);
}

TEST_CASE("equal seeds give equal wires, byte for byte and microsecond for microsecond") {
  for (const uint64_t seed : {3u, 17u, 34u, 145u, 859u}) {
    const Outcome a = run_swarm(draw(seed)), b = run_swarm(draw(seed));
    CHECK(a.trace_hash == b.trace_hash);
    CHECK(a.datagrams == b.datagrams);
    CHECK(run_swarm(draw(seed + 1)).trace_hash != a.trace_hash);
  }
}

}  // namespace sluice::sim
