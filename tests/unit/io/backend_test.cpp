// What every kernel backend owes the engine, run over each of them on loopback.
#include <atomic>
#include <thread>

#include <netinet/in.h>

#include "tests/unit/io/rig.h"

namespace sluice::io::test {
namespace {

#define EVERY_BACKEND Mmsg, Uring, UringDefer, UringSendmmsg

TEST_CASE_TEMPLATE("a datagram arrives whole, with both endpoints, and its echo goes back", B,
                   EVERY_BACKEND) {
  for (const auto* host : {"127.0.0.1:0", "[::1]:0"}) {
    Rig rig(B::with(), {host});
    Peer peer(host);
    peer.send(rig.at(), "hello");
    rig.receive(1);
    const Packet& p = rig.rx[0];
    CHECK(rig.text(p) == "hello");
    CHECK(p.offset == kHeadroom);
    CHECK(str(p.remote) == str(peer.here()));
    CHECK(str(p.local) == str(rig.at()));
    if (!p.remote.is_v4()) CHECK(p.ifindex != 0);
    CHECK(p.rx_time > Micros{});
    rig.echo();
    const auto back = peer.receive();
    CHECK(back.bytes == "hello");
    CHECK(str(back.from) == str(rig.at()));
    CHECK(rig.backend->counters().rx_packets == 1);
    CHECK(rig.backend->counters().tx_packets == 1);
    CHECK(rig.backend->counters().tx_bytes == 5);
  }
}

TEST_CASE_TEMPLATE(
    "on a wildcard socket each packet names the address it was sent to, and answers leave from it", B,
    EVERY_BACKEND) {
  for (const auto* listen : {"0.0.0.0:0", "[::]:0"}) {
    Rig rig(B::with(), {listen});
    for (const auto* address : {"127.0.0.1", "127.0.0.2", "127.9.8.7"}) {
      Peer peer("127.0.0.1:0");
      peer.send(rig.at(address), address);
      rig.receive(1);
      CHECK(str(rig.rx[0].local) == str(rig.at(address)));
      CHECK(rig.rx[0].remote.is_v4());
      rig.echo();
      CHECK(str(peer.receive().from) == str(rig.at(address)));
    }
  }
  Rig rig(B::with(), {"[::]:0"});
  Peer peer("[::1]:0");
  peer.send(rig.at("::1"), "six");
  rig.receive(1);
  CHECK(str(rig.rx[0].local) == str(rig.at("::1")));
  rig.echo();
  CHECK(str(peer.receive().from) == str(rig.at("::1")));
}

TEST_CASE_TEMPLATE("several listens are served at once and answered from the right one", B, EVERY_BACKEND) {
  Rig rig(B::with(), {"127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "0.0.0.0:0"});
  Peer four("127.0.0.1:0");
  Peer six("[::1]:0");
  four.send(rig.at(0), "a");
  four.send(rig.at(1), "b");
  six.send(rig.at(2), "c");
  four.send(rig.at("127.0.0.5", 3), "d");
  rig.receive(4);
  rig.echo();
  CHECK(str(six.receive().from) == str(rig.at(2)));
  for (int i = 0; i < 3; ++i) {
    const auto d = four.receive();
    if (d.bytes == "a") CHECK(str(d.from) == str(rig.at(0)));
    if (d.bytes == "b") CHECK(str(d.from) == str(rig.at(1)));
    if (d.bytes == "d") CHECK(str(d.from) == str(rig.at("127.0.0.5", 3)));
  }
}

TEST_CASE_TEMPLATE("a busy listen does not starve a quiet one", B, EVERY_BACKEND) {
  Rig rig(B::with(), {"127.0.0.1:0", "127.0.0.2:0"}, 2048);
  Peer peer("127.0.0.1:0");
  for (int i = 0; i < 250; ++i) peer.send(rig.at(0), "busy");
  peer.send(rig.at(1), "quiet");
  size_t before = 0;
  for (bool found = false; !found; rig.clear()) {
    rig.receive(1);
    for (const Packet& p : rig.rx) found |= rig.text(p) == "quiet";
    if (!found) before += rig.rx.size();
    REQUIRE(before <= 250);
  }
  // recvmmsg visits the sockets in turn; io_uring receives in order of arrival.
  if (rig.backend->name() == std::string_view("mmsg")) CHECK(before <= kRxBurst);
  while (rig.backend->counters().rx_packets < 251) rig.clear(), rig.receive(1);
}

TEST_CASE_TEMPLATE(
    "batches are filled, nothing is lost or reordered, and a full batch leaves the rest waiting", B,
    EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  constexpr int kCount = 300;
  for (int i = 0; i < kCount; ++i) peer.send(rig.at(), fmt::format("{:04}", i));
  int next = 0;
  while (next < kCount) {
    rig.receive(1);
    CHECK(rig.rx.size() <= kRxBurst);
    for (const Packet& p : rig.rx) CHECK(rig.text(p) == fmt::format("{:04}", next++));
    rig.clear();
  }
  CHECK(next == kCount);
  CHECK(rig.backend->counters().rx_bytes == 4 * kCount);
}

TEST_CASE_TEMPLATE("receive() appends to what is in the batch and never exceeds it", B, EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  peer.send(rig.at(), "first");
  rig.receive(1);
  for (int i = 0; i < 100; ++i) peer.send(rig.at(), fmt::format("{}", i));
  rig.receive(kRxBurst);
  CHECK(rig.rx.size() == kRxBurst);
  CHECK(rig.text(rig.rx[0]) == "first");
  CHECK(rig.text(rig.rx[1]) == "0");
  rig.backend->receive(rig.rx, kPoll, rig.drops);
  CHECK(rig.rx.size() == kRxBurst);
  rig.clear();
  rig.receive(100 - (kRxBurst - 1));
}

TEST_CASE_TEMPLATE("packets to one destination keep their order, whatever lies between them", B,
                   EVERY_BACKEND) {
  Rig rig(B::with());
  Peer a("127.0.0.1:0");
  Peer b("127.0.0.1:0");
  for (int i = 0; i < 120; ++i)
    rig.compose(std::string(static_cast<size_t>(10 + i % 7), static_cast<char>(i)), rig.at(),
                i % 3 == 0 ? b.here() : a.here());
  rig.send();
  for (int i = 0; i < 120; ++i) {
    const auto d = (i % 3 == 0 ? b : a).receive();
    CHECK(d.bytes == std::string(static_cast<size_t>(10 + i % 7), static_cast<char>(i)));
  }
  CHECK(rig.backend->counters().tx_packets == 120);
}

TEST_CASE_TEMPLATE("a run of equal size to one destination leaves segmented and arrives as it was", B,
                   EVERY_BACKEND) {
  for (const auto* host : {"127.0.0.1:0", "[::1]:0"}) {
    Rig rig(B::with(), {host});
    Peer peer(host);
    auto text = [](size_t i, size_t n) { return std::string(n, static_cast<char>('a' + i % 26)); };
    for (size_t i = 0; i < 200; ++i) rig.compose(text(i, 172), rig.at(), peer.here());
    rig.compose(text(200, 100), rig.at(), peer.here());  // a shorter one may end a run
    rig.compose(text(201, 172), rig.at(), peer.here());
    rig.send();
    for (size_t i = 0; i < 202; ++i) CHECK(peer.receive().bytes == text(i, i == 200 ? 100 : 172));
    const IoCounters& c = rig.backend->counters();
    CHECK(c.tx_packets == 202);
    CHECK(c.tx_gso_segments == 201);
    CHECK(peer.nothing_waiting());
  }
}

TEST_CASE_TEMPLATE("large equal packets are segmented within 64 KiB a send, and not at all when asked not to",
                   B, EVERY_BACKEND) {
  for (const bool gso : {true, false}) {
    Rig rig(B::with({.gso = gso}));
    Peer peer("127.0.0.1:0");
    for (int i = 0; i < 110; ++i) rig.compose(std::string(1200, static_cast<char>(i)), rig.at(), peer.here());
    rig.send();
    for (int i = 0; i < 110; ++i) CHECK(peer.receive().bytes == std::string(1200, static_cast<char>(i)));
    CHECK(rig.backend->counters().tx_gso_segments == (gso ? 110 : 0));
    CHECK(rig.drops[Drop::tx_error] == 0);
  }
}

TEST_CASE_TEMPLATE("empty datagrams go both ways", B, EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  peer.send(rig.at(), "");
  peer.send(rig.at(), "");
  rig.receive(2);
  CHECK(rig.rx[0].len == 0);
  rig.echo();
  CHECK(peer.receive().bytes.empty());
  CHECK(peer.receive().bytes.empty());
}

TEST_CASE_TEMPLATE("the longest datagram fits, a longer one is dropped as oversize", B, EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  peer.send(rig.at(), std::string(kMaxDatagram + 1, 'x'));
  peer.send(rig.at(), std::string(60'000, 'x'));
  peer.send(rig.at(), std::string(kMaxDatagram, 'y'));
  rig.receive(1);
  CHECK(rig.text(rig.rx[0]) == std::string(kMaxDatagram, 'y'));
  CHECK(rig.drops[Drop::oversize] == 2);
}

TEST_CASE_TEMPLATE("the congestion mark of each datagram is told, for both families", B, EVERY_BACKEND) {
  Rig rig(B::with(), {"[::]:0"});
  Peer four("127.0.0.1:0");
  Peer six("[::1]:0");
  for (int ecn = 0; ecn < 4; ++ecn) {
    four.set(IPPROTO_IP, IP_TOS, 0xb8 | ecn);
    six.set(IPPROTO_IPV6, IPV6_TCLASS, 0xb8 | ecn);
    four.send(rig.at("127.0.0.1"), "4");
    six.send(rig.at("::1"), "6");
    rig.receive(2);
    CHECK(rig.rx[0].ecn == ecn);
    CHECK(rig.rx[1].ecn == ecn);
    rig.clear();
  }
}

TEST_CASE_TEMPLATE(
    "with the pool empty the socket is drained and counted, and service resumes with the slots", B,
    EVERY_BACKEND) {
  Rig rig(B::with(), {"127.0.0.1:0"}, kMinPoolSlots);
  Peer peer("127.0.0.1:0");
  std::vector<SlotIndex> taken;
  for (SlotIndex s = rig.pool().take(); s != kNoSlot; s = rig.pool().take()) taken.push_back(s);
  const uint32_t held = rig.backend->slots_held();
  constexpr uint32_t kCount = 300;
  for (uint32_t i = 0; i < kCount; ++i) peer.send(rig.at(), "x");
  std::vector<Packet> got;
  const Micros deadline = far_away();
  while (got.size() + rig.drops[Drop::pool_empty] < kCount) {
    REQUIRE(monotonic_now() < deadline);
    rig.backend->receive(rig.rx, deadline, rig.drops);
    got.insert(got.end(), rig.rx.begin(), rig.rx.end());
    rig.rx.clear();
  }
  CHECK(got.size() == held);
  CHECK(rig.drops[Drop::pool_empty] == kCount - held);
  CHECK(rig.backend->slots_held() == 0);
  for (const Packet& p : got) rig.pool().drop(p.slot);
  for (const SlotIndex s : taken) rig.pool().drop(s);
  peer.send(rig.at(), "again");
  rig.receive(1);
  CHECK(rig.text(rig.rx[0]) == "again");
}

TEST_CASE_TEMPLATE("a datagram that gets the last place of a batch has its local address", B, EVERY_BACKEND) {
  for (const auto* listen : {"0.0.0.0:0", "[::]:0"}) {
    Rig rig(B::with(), {listen});
    Peer peer("127.0.0.1:0");
    for (size_t i = 0; i < kRxBurst; ++i) {
      peer.send(rig.at("127.0.0.1"), "x");
      rig.receive(i + 1);
      CHECK(rig.rx[i].local == rig.at("127.0.0.1"));
    }
  }
}

TEST_CASE_TEMPLATE("an idle receive() returns at its deadline and not before", B, EVERY_BACKEND) {
  Rig rig(B::with());
  const Micros deadline = monotonic_now() + millis(20);
  Micros now{};
  while (now < deadline) {
    now = rig.backend->receive(rig.rx, deadline, rig.drops);
    REQUIRE(rig.rx.empty());
    REQUIRE(rig.backend->counters().sleeps < 20);
  }
  CHECK(rig.backend->counters().sleeps >= 1);
  const auto sleeps = rig.backend->counters().sleeps;
  rig.backend->receive(rig.rx, kPoll, rig.drops);
  rig.backend->receive(rig.rx, now, rig.drops);
  CHECK(rig.backend->counters().sleeps == sleeps);
}

TEST_CASE_TEMPLATE("a datagram ends a wait without a deadline", B, EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  std::thread sender([&] {
    for (int i = 0; i < 50; ++i) {
      peer.send(rig.at(), fmt::format("{}", i));
      CHECK(peer.receive().bytes == fmt::format("{}", i));
    }
  });
  for (int i = 0; i < 50;) {
    rig.backend->receive(rig.rx, kNever, rig.drops);
    i += static_cast<int>(rig.rx.size());
    rig.echo();
  }
  sender.join();
}

TEST_CASE_TEMPLATE("wake() from another thread ends a wait, and one that came early ends the next", B,
                   EVERY_BACKEND) {
  Rig rig(B::with());
  std::atomic<int> sent{0};
  std::atomic<int> seen{0};
  std::thread waker([&] {
    for (int i = 1; i <= 200; ++i) {
      sent.store(i, std::memory_order_relaxed);
      rig.backend->wake();
      while (seen.load() < i) std::this_thread::yield();
    }
  });
  const Micros deadline = far_away();
  for (int i = 1; i <= 200; ++i) {
    while (sent.load(std::memory_order_relaxed) < i) rig.backend->receive(rig.rx, deadline, rig.drops);
    seen.store(i);
  }
  waker.join();
  CHECK(monotonic_now() < deadline);
  rig.backend->receive(rig.rx, kPoll, rig.drops);  // uses up what the last wake() may have left
  rig.backend->wake();
  CHECK(rig.backend->receive(rig.rx, deadline, rig.drops) < deadline);
}

TEST_CASE_TEMPLATE("a packet from an endpoint that is not ours is counted and gives its slot back", B,
                   EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  rig.compose("no", with_port("127.0.0.1", static_cast<uint16_t>(rig.at().port ^ 1)), peer.here());
  rig.compose("no", with_port("127.0.0.9", rig.at().port), peer.here());
  rig.compose("no", rig.at(), ep("[::1]:9"));
  rig.compose("yes", rig.at(), peer.here());
  rig.send();
  CHECK(rig.drops[Drop::tx_no_route] == 3);
  CHECK(peer.receive().bytes == "yes");
}

TEST_CASE_TEMPLATE("what the kernel refuses is counted and does not keep the rest from leaving", B,
                   EVERY_BACKEND) {
  Rig rig(B::with(), {"0.0.0.0:0"});
  Peer peer("127.0.0.1:0");
  const Endpoint from = rig.at("127.0.0.1");
  rig.compose("1", from, peer.here());
  rig.compose("2", rig.at("203.0.113.9"), peer.here());  // not an address of this host
  rig.compose("3", from, {peer.here().addr, 0});         // port 0 cannot be sent to
  for (int i = 0; i < 3; ++i) rig.compose("x", rig.at("203.0.113.9"), peer.here());  // a segmented one
  rig.compose("4", from, peer.here());
  rig.send();
  CHECK(peer.receive().bytes == "1");
  CHECK(peer.receive().bytes == "4");
  CHECK(rig.drops[Drop::tx_error] == 5);
  CHECK(rig.backend->counters().tx_packets == 2);
}

TEST_CASE_TEMPLATE("sending to a closed port disturbs neither later sends nor receiving", B, EVERY_BACKEND) {
  Rig rig(B::with(), {"[::]:0"});
  Peer peer("127.0.0.1:0");
  Endpoint closed;
  {
    const Peer gone("127.0.0.1:0");
    closed = gone.here();
  }
  for (int i = 0; i < 20; ++i) {
    rig.compose("void", rig.at("127.0.0.1"), closed);
    rig.send();
    rig.compose("ok", rig.at("127.0.0.1"), peer.here());
    rig.send();
    CHECK(peer.receive().bytes == "ok");
    peer.send(rig.at("127.0.0.1"), "in");
    rig.receive(1);
    rig.clear();
  }
  CHECK(rig.drops[Drop::tx_error] == 0);
}

TEST_CASE_TEMPLATE("what the socket's buffer had no room for is counted as the kernel's drop", B,
                   EVERY_BACKEND) {
  Rig rig(B::with(), {"127.0.0.1:0"}, kMinPoolSlots);
  const int tiny = 4096;
  REQUIRE(::setsockopt(rig.sockets->shard(0)[0].fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny) == 0);
  Peer peer("127.0.0.1:0");
  constexpr uint64_t kCount = 500;
  for (uint64_t i = 0; i < kCount; ++i) peer.send(rig.at(), std::string(1000, 'x'));
  uint64_t got = 0;
  // The count travels with the next datagram that is let in.
  while (rig.backend->counters().kernel_drops == 0) {
    peer.send(rig.at(), "y");
    rig.receive(1);
    got += rig.rx.size();
    rig.clear();
  }
  CHECK(rig.backend->counters().kernel_drops <= kCount);
  CHECK(got > 0);
}

TEST_CASE_TEMPLATE("a backend made on one thread serves another, and is destroyed after it has ended", B,
                   EVERY_BACKEND) {
  Rig rig(B::with());
  Peer peer("127.0.0.1:0");
  std::thread shard([&] {
    for (int i = 0; i < 100;) {
      rig.backend->receive(rig.rx, far_away(), rig.drops);
      i += static_cast<int>(rig.rx.size());
      rig.echo();
    }
  });
  for (int i = 0; i < 100; ++i) {
    peer.send(rig.at(), fmt::format("{}", i));
    CHECK(peer.receive().bytes == fmt::format("{}", i));
  }
  shard.join();
  peer.send(rig.at(), "nobody is there to take this one");
}

}  // namespace
}  // namespace sluice::io::test
