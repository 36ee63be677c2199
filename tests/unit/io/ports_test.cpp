// Relay ports over every backend, as sockets and steered.
#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "tests/unit/io/port_rig.h"

namespace sluice::io::test {
namespace {

// Before any thread.
[[maybe_unused]] const bool kOwnNetwork = enter_own_network();

TEST_CASE_TEMPLATE("an open relay port receives and sends as itself, over both families", B, EVERY_PORTS) {
  PortRig rig(B::with());
  for (const auto* host : {"127.0.0.1", "127.0.0.2", "::1"}) {
    const Endpoint port = with_port(host, 20'007);
    Peer peer(port.is_v4() ? "127.0.0.1:0" : "[::1]:0");
    REQUIRE(rig.backend->open_port(port));
    peer.send(port, "hello");
    rig.receive(1);
    CHECK(rig.text(rig.rx[0]) == "hello");
    CHECK(rig.rx[0].offset == kHeadroom);
    CHECK(rig.rx[0].rx_time > Micros{});
    CHECK(str(rig.rx[0].remote) == str(peer.here()));
    CHECK(str(rig.rx[0].local) == str(port));
    rig.echo();
    const auto back = peer.receive();
    CHECK(back.bytes == "hello");
    CHECK(str(back.from) == str(port));
  }
  CHECK(rig.backend->counters().rx_packets == 3);
  CHECK(rig.backend->counters().tx_packets == 3);
  CHECK(rig.backend->counters().rx_bytes == 15);
  CHECK(rig.backend->counters().tx_bytes == 15);
  CHECK(rig.drops[Drop::tx_error] == 0);
}

TEST_CASE_TEMPLATE("empty, odd and long datagrams, and those beyond an MTU, leave whole", B, EVERY_PORTS) {
  PortRig rig(B::with());
  for (const auto* host : {"127.0.0.1", "::1"}) {
    const Endpoint port = with_port(host, 20'000);
    Peer peer(port.is_v4() ? "127.0.0.1:0" : "[::1]:0");
    REQUIRE(rig.backend->open_port(port));
    for (const size_t n : {size_t{0}, size_t{1}, size_t{172}, size_t{1471}, size_t{kMaxDatagram}}) {
      const std::string bytes(n, static_cast<char>('a' + n % 26));
      peer.send(port, bytes);
      rig.receive(1);
      rig.echo();
      const auto back = peer.receive();
      CHECK(back.bytes == bytes);
      CHECK(str(back.from) == str(port));
    }
    peer.send(port, std::string(kMaxDatagram + 1, 'x'));
    peer.send(port, "y");
    rig.receive(1);
    CHECK(rig.text(rig.rx[0]) == "y");
    rig.clear();
  }
  CHECK(rig.drops[Drop::oversize] == 2);
  CHECK(rig.drops[Drop::tx_error] == 0);
}

TEST_CASE_TEMPLATE("a port that is not open delivers nothing and sends nothing", B, EVERY_PORTS) {
  PortRig rig(B::with());
  Peer peer("127.0.0.1:0");
  const Endpoint port = with_port("127.0.0.1", 20'001);
  const Endpoint open = with_port("127.0.0.1", 20'002);
  REQUIRE(rig.backend->open_port(open));
  REQUIRE(rig.backend->open_port(port));
  rig.backend->close_port(port);
  peer.send(port, "void");
  peer.send(open, "in");
  rig.receive(1);
  rig.backend->receive(rig.rx, kPoll, rig.drops);
  REQUIRE(rig.rx.size() == 1);
  CHECK(rig.text(rig.rx[0]) == "in");
  rig.clear();
  rig.compose("out", port, peer.here());
  rig.compose("out", with_port("127.0.0.1", 20'003), peer.here());
  rig.compose("ok", open, peer.here());
  rig.send();
  CHECK(peer.receive().bytes == "ok");
  CHECK(peer.nothing_waiting());
  CHECK(rig.drops[Drop::tx_no_route] == 2);
}

TEST_CASE_TEMPLATE("what waited at a port when it closed is lost, and a port opens again", B, EVERY_PORTS) {
  PortRig rig(B::with());
  Peer peer("127.0.0.1:0");
  const Endpoint port = with_port("127.0.0.1", 20'001);
  for (int round = 0; round < 50; ++round) {
    REQUIRE(rig.backend->open_port(port));
    CHECK(!rig.backend->open_port(port));  // it is open
    peer.send(port, fmt::format("{}", round));
    rig.receive(1);
    CHECK(rig.text(rig.rx[0]) == fmt::format("{}", round));
    rig.clear();
    for (int i = 0; i < 5; ++i) peer.send(port, "late");
    rig.backend->close_port(port);
    // Steered ports share a queue, which is emptied here.
    rig.backend->receive(rig.rx, kPoll, rig.drops);
    CHECK(rig.rx.empty());
  }
}

TEST_CASE_TEMPLATE("ports open in claimed blocks of the grant only, and a block has one owner", B,
                   EVERY_PORTS) {
  PortRig rig(B::with());
  CHECK(!rig.backend->open_port(with_port("127.0.0.1", 19'967)));  // before the range
  CHECK(!rig.backend->open_port(with_port("127.0.0.1", 30'001)));
  CHECK(!rig.backend->open_port(with_port("127.0.0.3", 20'000)));  // another address
  CHECK(rig.backend->open_port(with_port("127.0.0.1", 20'000)));

  PortRig other(B::with(), rig);  // a second shard
  CHECK(!other.backend->claim_block(19'968));
  CHECK(!other.backend->claim_block(20'033));  // no multiple of 64
  CHECK(!other.backend->claim_block(30'016));  // behind the range
  CHECK(!other.backend->open_port(with_port("127.0.0.1", 20'001)));
  CHECK(other.backend->claim_block(29'952));
  CHECK(other.backend->claim_block(29'952));
  CHECK(!other.backend->open_port(with_port("127.0.0.1", 29'951)));
  CHECK(other.backend->open_port(with_port("127.0.0.1", 30'000)));
  CHECK(!rig.backend->claim_block(29'952));
  CHECK(!rig.backend->grant_relay(PortRig::grant()));  // at most once
}

TEST_CASE_TEMPLATE("two shards each get what arrives at their own ports, and send as them", B, EVERY_PORTS) {
  PortRig a(B::with());
  PortRig b(B::with(), a);
  REQUIRE(b.backend->claim_block(20'032));
  Peer peer("127.0.0.1:0");
  const Endpoint at_a = with_port("127.0.0.1", 20'031);
  const Endpoint at_b = with_port("127.0.0.1", 20'032);
  REQUIRE(a.backend->open_port(at_a));
  REQUIRE(b.backend->open_port(at_b));
  for (int i = 0; i < 20; ++i) {
    peer.send(at_a, "a");
    peer.send(at_b, "b");
  }
  for (auto* rig : {&a, &b}) {
    rig->receive(20);
    rig->backend->receive(rig->rx, kPoll, rig->drops);
    CHECK(rig->rx.size() == 20);
    for (const Packet& p : rig->rx) {
      CHECK(rig->text(p) == (rig == &a ? "a" : "b"));
      CHECK(str(p.local) == str(rig == &a ? at_a : at_b));
    }
    rig->echo();
    for (int i = 0; i < 20; ++i) CHECK(str(peer.receive().from) == str(rig == &a ? at_a : at_b));
  }
  a.compose("not mine", at_b, peer.here());
  a.send();
  CHECK(a.drops[Drop::tx_no_route] == 1);
}

TEST_CASE_TEMPLATE("a port that another program has is not opened, and that program keeps its packets", B,
                   EVERY_PORTS) {
  Peer owner("127.0.0.1:20005");
  PortRig rig(B::with());
  CHECK(!rig.backend->open_port(owner.here()));
  CHECK(rig.backend->open_port(with_port("127.0.0.2", 20'005)));
  Peer peer("127.0.0.1:0");
  peer.send(owner.here(), "theirs");
  CHECK(owner.receive().bytes == "theirs");
}

TEST_CASE_TEMPLATE("5000 ports are open at once, and each says what it got", B, EVERY_PORTS) {
  PortRig rig(B::with(), 4096);
  constexpr uint16_t kPorts = 5000;
  for (uint16_t first = 19'968; first < 20'000 + kPorts; first += kPortBlock)
    REQUIRE(rig.backend->claim_block(first));
  for (uint16_t i = 0; i < kPorts; ++i)
    REQUIRE(rig.backend->open_port(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i))));
  Peer peer("127.0.0.1:0");
  std::set<uint16_t> seen;
  for (uint16_t i = 0; i < kPorts;) {
    for (int k = 0; k < 50; ++k, ++i)
      peer.send(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i)), fmt::format("{}", 20'000 + i));
    rig.receive(50);
    for (const Packet& p : rig.rx) {
      CHECK(rig.text(p) == fmt::format("{}", p.local.port));
      seen.insert(p.local.port);
    }
    rig.echo();
    std::set<uint16_t> back;
    for (int k = 0; k < 50; ++k) {
      const auto d = peer.receive();
      CHECK(d.bytes == fmt::format("{}", d.from.port));
      back.insert(d.from.port);
    }
    CHECK(back.size() == 50);
  }
  CHECK(seen.size() == kPorts);
  for (uint16_t i = 0; i < kPorts; i += 2)
    rig.backend->close_port(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i)));
  for (uint16_t i = 0; i < kPorts; i += 2)
    CHECK(rig.backend->open_port(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i))));
}

TEST_CASE_TEMPLATE("a burst at one port, among others, is received in order and whole", B, EVERY_PORTS) {
  PortRig rig(B::with());
  Peer peer("127.0.0.1:0");
  for (uint16_t i = 0; i < 8; ++i)
    REQUIRE(rig.backend->open_port(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i))));
  std::array<int, 8> next{};
  for (int i = 0; i < 50; ++i)
    for (uint16_t port = 0; port < 8; ++port)
      if (port == 3 || i % 10 == 0)
        peer.send(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + port)), fmt::format("{}", i));
  for (int left = 50 + 7 * 5; left > 0; rig.clear()) {
    rig.receive(1);
    left -= static_cast<int>(rig.rx.size());
    for (const Packet& p : rig.rx) {
      int& n = next[p.local.port - 20'000u];
      CHECK(rig.text(p) == fmt::format("{}", n));
      n += p.local.port == 20'003 ? 1 : 10;
    }
  }
}

TEST_CASE_TEMPLATE("neither a busy listen starves the relay ports, nor busy ports the listen", B,
                   EVERY_PORTS) {
  for (const bool busy_ports : {false, true}) {
    PortRig rig(B::with(), 2048);
    const Endpoint port = with_port("127.0.0.1", 20'000);
    REQUIRE(rig.backend->open_port(port));
    rig.backend->receive(rig.rx, kPoll, rig.drops);  // armed
    Peer peer("127.0.0.1:0");
    for (int i = 0; i < 100; ++i) peer.send(busy_ports ? port : rig.at(), "busy");
    peer.send(busy_ports ? rig.at() : port, "quiet");
    size_t before = 0;
    size_t all = 0;
    for (bool found = false; !found; rig.clear()) {
      rig.receive(1);
      all += rig.rx.size();
      for (const Packet& p : rig.rx) found |= rig.text(p) == "quiet";
      if (!found) before += rig.rx.size();
      REQUIRE(before <= 100);
    }
    if (rig.backend->name() == std::string_view("mmsg")) CHECK(before <= kRxBurst);
    while (all < 101) rig.receive(1), all += rig.rx.size(), rig.clear();
  }
}

TEST_CASE("the listen has its share of each batch beside more ready ports than one call names") {
  PortRig rig(MmsgSockets::with(), 4096);
  Peer peer("127.0.0.1:0");
  for (uint16_t block = 1; block < 4; ++block)
    REQUIRE(rig.backend->claim_block(static_cast<uint16_t>(19'968 + kPortBlock * block)));
  for (uint16_t i = 0; i < 200; ++i) {
    const Endpoint port = with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i));
    REQUIRE(rig.backend->open_port(port));
    for (int k = 0; k < 8; ++k) peer.send(port, "port");
  }
  for (int i = 0; i < 100; ++i) peer.send(rig.at(), "listen");
  for (size_t listen = 0, all = 0; all < 1'700; rig.clear()) {
    rig.receive(1);
    all += rig.rx.size();
    const auto here = static_cast<size_t>(
        std::ranges::count_if(rig.rx, [&](const Packet& p) { return rig.text(p) == "listen"; }));
    listen += here;
    CHECK(here >= std::min<size_t>(100 - (listen - here), kRxBurst / 2));
  }
}

TEST_CASE("a quiet port is heard in the next batch, however busy others and the listen are") {
  for (const size_t busy : {4, 8, 40}) {
    PortRig rig(MmsgSockets::with(), 4096);
    Peer peer("127.0.0.1:0");
    const auto port = [](size_t i) { return with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i)); };
    REQUIRE(rig.backend->claim_block(19'968 + kPortBlock));
    for (size_t i = 0; i <= busy; ++i) REQUIRE(rig.backend->open_port(port(i)));
    const auto fill = [&] {
      for (size_t i = 0; i < busy; ++i)
        for (int k = 0; k < 8; ++k) peer.send(port(i), "busy");
      for (int i = 0; i < 64; ++i) peer.send(rig.at(), "listen");
    };
    for (int i = 0; i < 4; ++i) {
      fill();
      rig.receive(1);
      rig.clear();
    }
    for (int i = 0; i < 20; ++i) {
      fill();
      peer.send(port(busy), "quiet");
      size_t batches = 0;
      for (bool found = false; !found; rig.clear()) {
        rig.receive(1);
        ++batches;
        found = std::ranges::any_of(rig.rx, [&](const Packet& p) { return rig.text(p) == "quiet"; });
      }
      // Half of a batch is the listen's.
      CHECK(batches <= busy / 32 + 1);
    }
  }
}

TEST_CASE_TEMPLATE("with the pool empty ports are drained and counted, and service resumes with the slots", B,
                   EVERY_PORTS) {
  PortRig rig(B::with(), kMinPoolSlots);
  const Endpoint port = with_port("127.0.0.1", 20'000);
  const Endpoint second = with_port("127.0.0.1", 20'001);
  REQUIRE(rig.backend->open_port(port));
  REQUIRE(rig.backend->open_port(second));
  Peer peer("127.0.0.1:0");
  std::vector<SlotIndex> hoard;
  for (SlotIndex s; (s = rig.pool().take()) != kNoSlot;) hoard.push_back(s);
  uint64_t sent = 0;
  while (rig.drops[Drop::pool_empty] < 5) {
    for (int i = 0; i < 20; ++i, sent += 2) {
      peer.send(port, "x");
      peer.send(second, "x");
    }
    rig.backend->receive(rig.rx, kPoll, rig.drops);
    for (const Packet& p : rig.rx) hoard.push_back(p.slot);
    rig.rx.clear();
    REQUIRE(sent < 100'000);
  }
  for (const SlotIndex s : hoard) rig.pool().drop(s);
  for (const Endpoint& e : {port, second}) {
    peer.send(e, "again");
    for (bool found = false; !found; rig.clear()) {
      rig.receive(1);
      for (const Packet& p : rig.rx) found |= rig.text(p) == "again" && p.local == e;
    }
  }
}

TEST_CASE_TEMPLATE("a shard asleep wakes for a relay port", B, EVERY_PORTS) {
  PortRig rig(B::with());
  const Endpoint port = with_port("127.0.0.1", 20'000);
  REQUIRE(rig.backend->open_port(port));
  Peer peer("127.0.0.1:0");
  constexpr int kRounds = 50;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) peer.send(port, peer.receive().bytes);
  });
  for (int i = 0; i < kRounds; ++i) {
    rig.compose(fmt::format("{}", i), port, peer.here());
    rig.send();
    rig.receive(1);
    CHECK(rig.text(rig.rx[0]) == fmt::format("{}", i));
    rig.clear();
  }
  other.join();
  CHECK(rig.backend->counters().sleeps > 0);
}

}  // namespace
}  // namespace sluice::io::test
