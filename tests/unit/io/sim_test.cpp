#include "net/io/sim/sim.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/io/rig.h"

namespace sluice::io::test {
namespace {

const Endpoint kClient{Address::v4(192, 0, 2, 1), 4000};
const Endpoint kServer{Address::v4(198, 51, 100, 1), 3478};

struct World {
  explicit World(SimBackend::Options o = {}) : own(64), sim(own.pool, o) {}
  ~World() {
    for (const Packet& p : rx) own.pool.drop(p.slot);
    CHECK(own.pool.free() == own.pool.capacity());
  }
  bool inject(std::string_view text, Micros at, uint8_t ecn = 0) {
    return sim.inject({.from = kClient, .to = kServer, .at = at, .ifindex = 3, .len = 0, .ecn = ecn},
                      as_bytes(text));
  }
  std::vector<std::string> drain() {
    std::vector<std::string> out;
    sim.drain([&](const SimDatagram& d, Bytes b) {
      out.push_back(fmt::format("{}>{} {}", str(d.from), str(d.to), as_text(b)));
    });
    return out;
  }
  void echo() {
    TxBatch tx;
    for (Packet p : rx) {
      tx.push(p);
    }
    rx.clear();
    sim.send(tx, drops);
  }
  OwnPool own;
  SimBackend sim;
  RxBatch rx;
  DropCounters drops;
};

TEST_CASE("the simulator's backend delivers at the virtual time and tells what it was given") {
  World w;
  CHECK(w.sim.now() == seconds(1));
  CHECK(w.sim.next_arrival() == kNever);
  w.inject("early", seconds(1), 2);
  w.inject("late", seconds(2));
  CHECK(w.sim.receive(w.rx, seconds(9), w.drops) == seconds(1));
  CHECK(w.sim.deadline() == seconds(9));
  REQUIRE(w.rx.size() == 1);
  const Packet& p = w.rx[0];
  CHECK(as_text(w.own.pool.payload(p)) == "early");
  CHECK(p.offset == kHeadroom);
  CHECK(p.remote == kClient);
  CHECK(p.local == kServer);
  CHECK(p.ecn == 2);
  CHECK(p.ifindex == 3);
  CHECK(p.rx_time == seconds(1));
  CHECK(w.sim.pending() == 1);
  CHECK(w.sim.next_arrival() == seconds(2));
  w.sim.set_now(seconds(2));
  w.sim.receive(w.rx, kPoll, w.drops);
  CHECK(w.rx.size() == 2);
  w.echo();
  CHECK(w.drain() == std::vector<std::string>{"198.51.100.1:3478>192.0.2.1:4000 early",
                                              "198.51.100.1:3478>192.0.2.1:4000 late"});
  CHECK(w.drain().empty());
}

TEST_CASE("the simulator's queues are bounded and count what they refuse") {
  World w({.rx_queue = 3, .tx_queue = 2});
  for (int i = 0; i < 3; ++i) CHECK(w.inject("x", seconds(1)));
  CHECK(!w.inject("x", seconds(1)));
  CHECK(w.sim.counters().kernel_drops == 1);
  w.sim.receive(w.rx, kPoll, w.drops);
  CHECK(w.rx.size() == 3);
  w.echo();
  CHECK(w.drops[Drop::tx_full] == 1);
  CHECK(w.drain().size() == 2);
}

TEST_CASE("the simulator's faults fail sends, empty the pool and stall receiving") {
  World w;
  for (int i = 0; i < 4; ++i) w.inject("x", seconds(1));
  w.inject(std::string(kMaxDatagram + 1, 'x'), seconds(1));
  w.sim.stall_receive(true);
  w.sim.receive(w.rx, kPoll, w.drops);
  CHECK(w.rx.empty());
  w.sim.stall_receive(false);
  w.sim.receive(w.rx, kPoll, w.drops);
  CHECK(w.rx.size() == 4);
  CHECK(w.drops[Drop::oversize] == 1);
  w.sim.fail_sends(3, Drop::tx_full);
  w.echo();
  CHECK(w.drops[Drop::tx_full] == 3);
  CHECK(w.drain().size() == 1);
  w.sim.pretend_pool_empty(true);
  w.inject("x", seconds(1));
  w.sim.receive(w.rx, kPoll, w.drops);
  CHECK(w.rx.empty());
  CHECK(w.drops[Drop::pool_empty] == 1);
  w.sim.pretend_pool_empty(false);
  w.sim.wake();
  CHECK(w.sim.take_wake());
  CHECK(!w.sim.take_wake());
}

TEST_CASE("a relay port is served by the shard that claimed its block, while it is open") {
  SimBackend::Options o;
  o.relay_ports = 2;
  World w(o);
  const std::array addresses{Address::v4(203, 0, 113, 1)};
  REQUIRE(w.sim.grant_relay({.addresses = addresses, .ports = {.lo = 50'000, .hi = 50'200}}));
  const Endpoint port{addresses[0], 50'100};
  CHECK(w.sim.grants(port));
  CHECK_FALSE(w.sim.serves(port));
  CHECK_FALSE(w.sim.open_port(port));
  CHECK_FALSE(w.sim.claim_block(50'001));
  REQUIRE(w.sim.claim_block(port.port / kPortBlock * kPortBlock));
  CHECK_FALSE(w.sim.claim_block(port.port / kPortBlock * kPortBlock));
  CHECK(w.sim.serves(port));
  const auto arrives = [&] {
    w.sim.inject({.from = kClient, .to = port, .at = seconds(1), .ifindex = 0, .len = 0, .ecn = 0},
                 as_bytes("x"));
    w.sim.receive(w.rx, seconds(9), w.drops);
    const bool any = !w.rx.empty();
    w.echo();
    return any;
  };
  CHECK_FALSE(arrives());
  CHECK(w.drops[Drop::port_closed] == 1);
  REQUIRE(w.sim.open_port(port));
  CHECK(arrives());
  CHECK(w.drain().size() == 1);
  REQUIRE(w.sim.open_port({addresses[0], 50'101}));
  CHECK_FALSE(w.sim.open_port({addresses[0], 50'102}));
  w.sim.close_port(port);
  CHECK(w.sim.ports_open() == 1);
  CHECK_FALSE(arrives());
  // Nor can anything be sent from it.
  TxBatch tx;
  Packet& p = tx.push();
  p.slot = w.own.pool.take();
  p.local = port;
  p.remote = kClient;
  w.sim.send(tx, w.drops);
  CHECK(w.drops[Drop::tx_no_route] == 1);
}

}  // namespace
}  // namespace sluice::io::test
