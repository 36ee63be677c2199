// The simulator itself: what it is said to do it does, and what it is to notice it notices.

#include <set>

#include "tests/sim/story.h"
#include "tests/sim/swarm.h"

namespace sluice::sim {
namespace {

const Endpoint kServer{Address::v4(192, 0, 2, 1), 3478};

}  // namespace

TEST_CASE("a slot that nobody accounts for stops the simulation") {
  World w({});
  Host& h = w.call(echo_caller());
  REQUIRE(connects(w, h));
  REQUIRE(w.shard(0).core().pool.take() != kNoSlot);
  CHECK_THROWS_AS(w.run_for(seconds(1)), Violation);
}

TEST_CASE("more than three times what an unproven address sent stops the simulation") {
  Amplification a;
  const std::vector<uint8_t> request(100), response{1, 1, 0, 0, 0};
  a.received(kServer, request, true);
  CHECK(a.sent(kServer, 300));
  CHECK_FALSE(a.sent(kServer, 1));
  a.received(kServer, response, false);
  CHECK_FALSE(a.sent(kServer, 1000));
  a.received(kServer, response, true);
  CHECK(a.sent(kServer, 1000));
}

TEST_CASE("a link loses, doubles, damages and reorders about as often as it says") {
  const std::vector<uint8_t> sent{0, 0, 0, 0, 0, 0, 0, 0};
  LinkOptions o;
  o.delay = millis(10);
  o.loss = 0.1;
  o.reorder = 0.1;
  o.duplicate = 0.1;
  o.corrupt = 0.1;
  Link link(o, Rng(5));
  int arrived = 0, damaged = 0, overtaken = 0;
  Micros newest;
  for (int i = 0; i < 10'000; ++i)
    link.send(millis(i), sent, [&](Micros at, std::vector<uint8_t> bytes) {
      CHECK(at >= millis(i + 10));
      ++arrived;
      damaged += bytes != sent;
      overtaken += at < newest;
      newest = std::max(newest, at);
    });
  CHECK(std::abs(arrived - 9'900) < 200);
  CHECK(std::abs(damaged - 990) < 150);
  CHECK(overtaken > 1'000);
  CHECK(std::abs(static_cast<int>(link.counters().lost) - 1'000) < 150);
}

TEST_CASE("a link carries no more than its rate, and drops what its queue does not hold") {
  LinkOptions o;
  o.delay = Micros{};
  o.bits_per_second = 8'000'000;
  o.queue_bytes = 10'000;
  Link link(o, Rng(5));
  const std::vector<uint8_t> datagram(972);  // 1000 bytes with IP and UDP
  std::vector<Micros> arrivals;
  for (int i = 0; i < 100; ++i)
    link.send({}, datagram, [&](Micros at, std::vector<uint8_t>) { arrivals.push_back(at); });
  REQUIRE(arrivals.size() == 11);
  for (size_t i = 0; i < arrivals.size(); ++i) CHECK(arrivals[i] == millis(static_cast<int64_t>(i) + 1));
}

TEST_CASE("bursts lose several in a row") {
  LinkOptions o;
  o.delay = Micros{};
  o.burst_enter = 0.01;
  o.burst_leave = 0.2;
  Link link(o, Rng(5));
  int longest = 0, run = 0;
  for (int i = 0; i < 5'000; ++i) {
    bool got = false;
    link.send(millis(i), std::vector<uint8_t>(10), [&](Micros, std::vector<uint8_t>) { got = true; });
    run = got ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  CHECK(longest >= 10);
  link.heal();
  const uint64_t lost = link.counters().lost;
  for (int i = 0; i < 1'000; ++i) link.send(millis(6'000 + i), std::vector<uint8_t>(10), [](Micros, auto) {});
  CHECK(link.counters().lost == lost);
}

TEST_CASE("seeds draw every feature, alone and together") {
  std::set<std::string> seen;
  int with[10] = {};
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const Plan p = draw(seed);
    const bool on[10] = {p.lossy,      p.corrupting, p.nat,      p.rebinding, p.restarting,
                         p.hanging_up, p.takeover,   p.attacked, p.tiny,      p.stalling};
    for (size_t i = 0; i < 10; ++i) with[i] += on[i];
    seen.insert(describe(p).substr(describe(p).find(':')));
  }
  for (const int n : with) CHECK(n > 100);
  CHECK(seen.size() > 700);
}

}  // namespace sluice::sim
