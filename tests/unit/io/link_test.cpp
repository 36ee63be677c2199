// Transmit with prebuilt headers, between two hosts joined by veth. Needs root (namespaces, CAP_NET_RAW);
// without it the same cases hold the refusal to its promise: words, and a remedy.
#include <algorithm>

#include <linux/capability.h>

#include "net/io/link/frame_writer.h"
#include "tests/unit/io/link_rig.h"

namespace sluice::io::test {
namespace {

using link::FrameWriter;

const std::string_view kFamilies[][2] = {{"10.77.0.1:4000", "10.77.0.2:0"},
                                         {"[fd77::1]:4000", "[fd77::2]:0"}};

TEST_CASE("frames arrive as UDP whose checksums, addresses and hop limit the receiving host finds right") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  for (const auto& [mine, theirs] : kFamilies) {
    const Endpoint from = ep(mine);
    Remote remote(hosts, theirs);
    std::optional<Tap> tap;
    hosts.there([&] { tap.emplace("vb"); });
    sender.warm_up(from, remote.here());
    tap->clear();
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{13}, size_t{172}, size_t{1200}}) {
      const std::string text(bytes, 'x');
      CHECK(sender.send(text, from, remote.here()) == 1);
      const auto d = remote.receive();
      CHECK(d.bytes == text);
      CHECK(str(d.from) == str(from));
      std::optional<Tap::Seen> seen;
      do seen = tap->next(remote.here().port);
      while (seen && as_text(seen->datagram.payload) == "warm-up");
      REQUIRE_MESSAGE(seen, mine, " ", bytes);
      CHECK(seen->datagram.payload.size() == bytes);
      CHECK(seen->datagram.hop_limit == 64);
      CHECK(str(seen->datagram.to) == str(remote.here()));
    }
  }
}

TEST_CASE("what leaves by frames and by sockets keeps its order, and every slot comes home") {
  if (!permitted()) return;
  TwoHosts hosts;
  for (const bool gso : {true, false}) {
    Sender sender({}, gso);
    for (const auto& [mine, theirs] : kFamilies) {
      const Endpoint from = ep(mine);
      Remote remote(hosts, theirs);
      sender.warm_up(from, remote.here());
      // Runs of equal sizes, a shorter last one, single ones, one too long for a frame and some behind it.
      std::vector<std::string> texts;
      for (const int size : {100, 100, 100, 50, 100, 7, 7, 7, 1600, 7, 7, 100})
        texts.push_back(fmt::format("{:0>{}}", texts.size(), size));
      for (const auto& t : texts) sender.compose(t, from, remote.here());
      const LinkCounters before = sender.counters();
      CHECK(sender.send() == 8);
      CHECK(sender.counters().too_long == before.too_long + 1);
      CHECK(sender.counters().behind == before.behind + 3);
      for (const auto& t : texts) CHECK(remote.receive().bytes == t);
    }
    CHECK((sender.io.tx_gso_segments > 0) == gso);
    CHECK(sender.drops[Drop::tx_full] == 0);
  }
}

TEST_CASE("what stands in front of a payload is left alone while somebody else holds its slot") {
  if (!permitted()) return;
  Scene scene;
  auto& [hosts, sender, from, remote] = scene;
  sender.compose("shared", from, remote.here());
  const SlotIndex slot = sender.tx[0].slot;
  const MutBytes before = MutBytes(sender.own.pool.slot_bytes(slot), kSlotBytes).first(kHeadroom);
  std::ranges::fill(before, uint8_t{0x5a});
  sender.own.pool.share(slot);
  CHECK(sender.send() == 1);
  CHECK(std::ranges::all_of(before, [](uint8_t b) { return b == 0x5a; }));
  CHECK(remote.receive().bytes == "shared");
  sender.own.pool.drop(slot);
}

TEST_CASE("a batch costs one system call and one per interface") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  Remote one(hosts, "10.77.0.2:0");
  Remote two(hosts, "10.78.0.2:0");
  sender.warm_up(ep("10.77.0.1:4000"), one.here());
  sender.warm_up(ep("10.78.0.1:4000"), two.here());
  const uint64_t calls = sender.io.tx_calls;
  for (int i = 0; i < 20; ++i) {
    sender.compose(fmt::format("{}", i), ep("10.77.0.1:4000"), one.here());
    sender.compose(fmt::format("{}", i), ep("10.78.0.1:4000"), two.here());
  }
  CHECK(sender.send() == 40);
  CHECK(sender.io.tx_calls == calls + 2);
  for (int i = 0; i < 20; ++i) {
    CHECK(one.receive().bytes == fmt::format("{}", i));
    CHECK(two.receive().bytes == fmt::format("{}", i));
  }
}

TEST_CASE("an unknown neighbour is reached by the socket first and by frames once the kernel knows it") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  const Endpoint from = ep("10.77.0.1:4000");
  // Nobody there: the kernel asks and nobody answers.
  const Endpoint nobody = ep("10.77.0.99:4001");
  until([&] {
    CHECK(sender.send("hello?", from, nobody) == 0);
    return sender.counters().no_neighbour > 0;
  });
  CHECK_FALSE(sender.neighbours->look_up(from.addr, nobody.addr));
  // Now somebody is.
  hosts.run_there("ip addr add 10.77.0.99/24 dev vb");
  Remote remote(hosts, "10.77.0.99:4001");
  sender.warm_up(from, nobody);
  CHECK(sender.send("here I am", from, nobody) == 1);
  CHECK(remote.receive().bytes == "here I am");
  CHECK(sender.neighbours->look_up(from.addr, nobody.addr));
}

TEST_CASE("a neighbour that changes its MAC address is followed") {
  if (!permitted()) return;
  Scene scene;
  auto& [hosts, sender, from, remote] = scene;
  const auto before = sender.neighbours->look_up(from.addr, remote.here().addr);
  REQUIRE(before);
  const uint64_t moves = sender.neighbours->counters().neighbour_moves;
  // Gratuitous ARP is not accepted by default, so the host here is told.
  hosts.run_there("ip link set vb address 02:00:00:00:77:02");
  TwoHosts::run("ip neigh replace 10.77.0.2 lladdr 02:00:00:00:77:02 dev va nud reachable");
  until([&] { return sender.neighbours->counters().neighbour_moves > moves; });
  const auto after = sender.neighbours->look_up(from.addr, remote.here().addr);
  REQUIRE(after);
  CHECK(after->destination != before->destination);
  CHECK(sender.send("moved", from, remote.here()) == 1);
  // Frames to the address of before would not have been taken.
  CHECK(remote.receive().bytes == "moved");
}

TEST_CASE("a neighbour that is forgotten is reached by the socket until the kernel knows it again") {
  if (!permitted()) return;
  Scene scene;
  auto& [hosts, sender, from, remote] = scene;
  const uint64_t moves = sender.neighbours->counters().neighbour_moves;
  TwoHosts::run("ip neigh del 10.77.0.2 dev va");
  until([&] { return sender.neighbours->counters().neighbour_moves > moves; });
  CHECK(sender.send("one", from, remote.here()) == 0);
  CHECK(sender.counters().no_neighbour > 0);
  CHECK(remote.receive().bytes == "one");
  sender.warm_up(from, remote.here());
  CHECK(sender.send("two", from, remote.here()) == 1);
  CHECK(remote.receive().bytes == "two");
}

TEST_CASE("routes and neighbours of others invalidate nothing") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  Remote remote(hosts, "10.77.0.2:0");
  sender.warm_up(ep("10.77.0.1:4000"), remote.here());
  const auto before = sender.neighbours->counters();
  TwoHosts::run(
      "ip route add 198.51.100.0/24 via 10.78.0.2 && ip neigh add 10.78.0.55 lladdr "
      "02:00:00:00:00:55 dev wa");
  // A change that does concern us, so that we know when the announcements have been read.
  TwoHosts::run("ip route add 10.77.0.2/32 dev va");
  until([&] { return sender.neighbours->counters().invalidations > before.invalidations; });
  CHECK(sender.neighbours->counters().invalidations == before.invalidations + 1);
  CHECK(sender.neighbours->counters().neighbour_moves == before.neighbour_moves);
}

TEST_CASE("with its interface down packets go by the socket, and by frames again when it is up") {
  if (!permitted()) return;
  Scene scene;
  auto& [hosts, sender, from, remote] = scene;
  TwoHosts::run("ip link set va down");
  // Whether the announcement or the refused frame comes first, nothing counts as sent.
  CHECK(sender.send("lost", from, remote.here()) == 0);
  until([&] {
    CHECK(sender.send("lost", from, remote.here()) == 0);
    return sender.counters().not_suited > 0;
  });
  TwoHosts::run("ip link set va up");
  sender.warm_up(from, remote.here());
  CHECK(sender.send("back", from, remote.here()) == 1);
  CHECK(remote.receive().bytes == "back");
}

TEST_CASE("an address that is taken away is a source no longer, and one again when it is back") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  TwoHosts::run("ip addr add 10.77.0.50/24 dev va && ip -6 addr add fd77::50/64 dev va nodad");
  for (const auto& [mine, theirs, command, again] :
       {std::array{"10.77.0.50:4000", "10.77.0.2:0", "ip addr del 10.77.0.50/24 dev va",
                   "ip addr add 10.77.0.50/24 dev va"},
        std::array{"[fd77::50]:4000", "[fd77::2]:0", "ip -6 addr del fd77::50/64 dev va",
                   "ip -6 addr add fd77::50/64 dev va nodad"}}) {
    Remote remote(hosts, theirs);
    sender.warm_up(ep(mine), remote.here());
    const auto before = sender.counters().not_suited;
    TwoHosts::run(command);
    until([&] {
      sender.send("mine?", ep(mine), {remote.here().addr, kDiscard});
      return sender.counters().not_suited > before;
    });
    CHECK(sender.send("mine?", ep(mine), remote.here()) == 0);
    TwoHosts::run(again);
    sender.warm_up(ep(mine), remote.here());
  }
}

TEST_CASE("what has no way over Ethernet goes by its socket for good") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  TwoHosts::run(
      "ip tuntap add t0 mode tun && ip link set t0 up && "
      "ip route add 192.0.2.0/24 dev t0");
  struct {
    std::string_view from, to;
  } const cases[] = {{"127.0.0.1:4000", "127.0.0.1:4000"}, {"10.77.0.1:4000", "10.77.0.1:4000"},
                     {"10.77.0.1:4000", "224.0.0.5:4000"}, {"10.77.0.1:4000", "10.77.0.255:4000"},
                     {"10.77.0.1:4000", "192.0.2.1:4000"}, {"[::1]:4000", "[::1]:4000"},
                     {"[fd77::1]:4000", "[ff02::5]:4000"}, {"0.0.0.0:4000", "10.77.0.2:4000"},
                     {"10.77.0.1:4000", "[fd77::2]:4000"}, {"10.77.0.66:4000", "10.77.0.2:4000"}};
  for (const auto& c : cases) {
    const uint64_t before = sender.counters().not_suited;
    until([&] {
      CHECK(sender.send("no frame", ep(c.from), ep(c.to)) == 0);
      return sender.counters().not_suited > before;
    });
    const auto found = sender.neighbours->look_up(ep(c.from).addr, ep(c.to).addr);
    if (c.from.substr(0, 7) != "0.0.0.0") CHECK_FALSE(found);
    if (!found) CHECK(found.error().message.starts_with("no frames can be sent there: "));
  }
}

TEST_CASE("now and then a packet goes by its socket, so that the kernel looks after the neighbour") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender({.revalidate_every = millis(5)});
  const Endpoint from = ep("10.77.0.1:4000");
  Remote remote(hosts, "10.77.0.2:0");
  sender.warm_up(from, remote.here());
  until([&] {
    sender.send("warm-up", from, {remote.here().addr, kDiscard});
    return sender.counters().revalidated >= 3;
  });
  const uint64_t frames = sender.frames();
  until([&] {
    sender.send("warm-up", from, {remote.here().addr, kDiscard});
    return sender.frames() > frames;
  });
  // The kernel never asks after a permanent one.
  TwoHosts::run("ip neigh change 10.77.0.2 dev va nud permanent");
  sender.send("last", from, remote.here());
  CHECK(remote.receive().bytes == "last");
}

TEST_CASE("a frame writer says what became of each datagram") {
  if (!permitted()) return;
  TwoHosts hosts;
  Remote remote(hosts, "10.77.0.2:0");
  link::Path path{.ifindex = ::if_nametoindex("va"), .mtu = 1500, .hop_limit = 9};
  auto opened = FrameWriter::open();
  REQUIRE(opened);
  FrameWriter& w = *opened;
  const auto text = as_bytes("frame");
  const Endpoint from = ep("10.77.0.1:1");
  path.destination.fill(0xff);  // broadcast: no neighbour is needed
  for (uint32_t i = 0; i < FrameWriter::kCapacity; ++i) CHECK(w.push(path, from, remote.here(), text, i));
  CHECK_FALSE(w.push(path, from, remote.here(), text));
  const auto f = w.flush();
  CHECK(f.packets == FrameWriter::kCapacity);
  CHECK(f.segments == FrameWriter::kCapacity);
  CHECK(f.bytes == FrameWriter::kCapacity * text.size());
  CHECK(f.calls == 1);
  CHECK(w.refused().empty());
  CHECK(w.queued() == 0);

  TwoHosts::run("ip link set va down");
  for (const uint32_t tag : {7u, 8u}) CHECK(w.push(path, from, remote.here(), text, tag));
  CHECK(w.flush().packets == 0);
  REQUIRE(w.refused().size() == 2);
  CHECK(w.refused()[0] == 7);
  CHECK(w.refused()[1] == 8);
  path.ifindex = 99'999;
  CHECK_FALSE(w.push(path, from, remote.here(), text));
  CHECK(FrameWriter::fits({.mtu = 1500}, true, 1472));
  CHECK_FALSE(FrameWriter::fits({.mtu = 1500}, true, 1473));
  CHECK(FrameWriter::fits({.mtu = 1500}, false, 1452));
  CHECK_FALSE(FrameWriter::fits({.mtu = 1500}, false, 1453));
}

#define KERNEL_BACKENDS Mmsg, Uring, UringSendmmsg

TEST_CASE_TEMPLATE("a backend with a link sends frames where it can, and counts every packet", B,
                   KERNEL_BACKENDS) {
  if (!permitted()) return;
  TwoHosts hosts;
  auto neighbours = Neighbours::make();
  REQUIRE(neighbours);
  BackendOptions options;
  options.link = neighbours->get();
  Rig rig(B::with(options), {"0.0.0.0:0"});
  Remote remote(hosts, "10.77.0.2:0");
  Peer neighbour("127.0.0.1:0");
  const Endpoint from = rig.at("10.77.0.1");
  until([&] {
    rig.compose("warm-up", from, {remote.here().addr, kDiscard});
    rig.send();
    return rig.backend->counters().tx_frames == 1;
  });
  const IoCounters before = rig.backend->counters();
  for (int i = 0; i < 10; ++i) {
    rig.compose(fmt::format("far {}", i), from, remote.here());
    rig.compose(fmt::format("near {}", i), rig.at("127.0.0.1"), neighbour.here());
  }
  rig.send();
  const IoCounters& after = rig.backend->counters();
  CHECK(after.tx_frames == before.tx_frames + 10);
  CHECK(after.tx_packets == before.tx_packets + 20);
  CHECK(after.tx_bytes == before.tx_bytes + 10 * 5 + 10 * 6);
  for (int i = 0; i < 10; ++i) {
    const auto far = remote.receive();
    CHECK(far.bytes == fmt::format("far {}", i));
    CHECK(str(far.from) == str(from));
    CHECK(neighbour.receive().bytes == fmt::format("near {}", i));
  }
}

TEST_CASE("without CAP_NET_RAW the answer is words and a remedy") {
  std::thread([] {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct none[2]{};
    REQUIRE(::syscall(SYS_capset, &header, none) == 0);
    const auto n = Neighbours::make();
    REQUIRE_FALSE(n);
    check_refusal(n.error());
    const auto w = FrameWriter::open();
    REQUIRE_FALSE(w);
    check_refusal(w.error());
  }).join();
  CHECK(Transmitter::describe().find("output filter") != std::string::npos);
}

}  // namespace
}  // namespace sluice::io::test
