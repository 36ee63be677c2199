// Frames that arrive before the kernel's UDP: what is taken, what is left to the sockets, what is refused.
#include <thread>

#include <linux/capability.h>
#include <net/ethernet.h>
#include <sys/syscall.h>

#include "net/io/link/frame_writer.h"
#include "net/io/link/neighbours.h"
#include "net/io/steer/steer.h"
#include "net/io/xdp/receive.h"
#include "tests/unit/io/two_hosts.h"

namespace sluice::io::test {
namespace {

bool mentions(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

/// A shard at host `here` that receives frames, beside two hosts.
struct FrameRig {
  explicit FrameRig(std::vector<std::string_view> listens, uint32_t slots = 1024,
                    std::shared_ptr<RelayPorts> ports = nullptr)
      : own(slots), relay_ports(std::move(ports)) {
    std::vector<Endpoint> endpoints;
    for (const auto l : listens) endpoints.push_back(ep(l));
    sockets = ListenSockets::open(endpoints, {}).value();
    attach();
    auto made = make_backend(Kind::automatic, sockets->shard(0), own.pool,
                             {.relay_ports = relay_ports.get(), .xdp = frames.get()});
    REQUIRE(made);
    backend = std::move(*made);
    CHECK(backend->name() == std::string_view("mmsg"));
  }
  ~FrameRig() {
    clear();
    CHECK(own.pool.in_flight() == backend->slots_held());
  }

  void attach() {
    auto made = XdpReceive::attach({.shards = 1, .listens = sockets->bound(), .ports = relay_ports.get()});
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    frames = std::move(*made);
  }
  /// The datagrams of one look: at frames only, if there are any.
  void receive(size_t n) {
    while (rx.size() < n) {
      const Micros deadline = far_away();
      backend->receive(rx, deadline, drops);
      REQUIRE(monotonic_now() < deadline);
    }
  }
  std::string text(size_t i) { return std::string(as_text(own.pool.payload(rx[i]))); }
  void clear() {
    for (const Packet& p : rx) own.pool.drop(p.slot);
    rx.clear();
  }
  /// Whether a datagram waits in the listening socket itself.
  bool waits_in_socket() const {
    char byte;
    return ::recv(sockets->shard(0)[0].fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
  }
  uint16_t port() const { return sockets->bound()[0].port; }

  OwnPool own;
  std::optional<ListenSockets> sockets;
  std::shared_ptr<RelayPorts> relay_ports;
  std::unique_ptr<XdpReceive> frames;
  std::unique_ptr<Backend> backend;
  RxBatch rx;
  DropCounters drops;
};

/// A peer at host `there`.
std::optional<Peer> peer_there(TwoHosts& hosts, std::string_view bind_to) {
  std::optional<Peer> peer;
  hosts.there([&] { peer.emplace(bind_to); });
  return peer;
}

/// Writes frames of its own making at "vb" of host `there`.
class Forger {
 public:
  explicit Forger(TwoHosts& hosts) {
    hosts.there([&] {
      fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
      at_.sll_family = AF_PACKET;
      at_.sll_ifindex = static_cast<int>(::if_nametoindex("vb"));
    });
  }
  /// `spoil` changes what would be a right frame.
  template <class F>
  void send(const Endpoint& from, const Endpoint& to, std::string_view payload, F&& spoil) {
    std::vector<uint8_t> frame(wire::kFrameHeaderMax + payload.size());
    constexpr wire::MacAddress kAnybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    wire::write_ethernet(frame.data(), kAnybody, {2, 0, 0, 0, 0, 1}, to.is_v4());
    const Bytes bytes{reinterpret_cast<const uint8_t*>(payload.data()), payload.size()};
    const size_t headers = wire::write_ip_udp(frame.data() + wire::kEthernetHeader, from, to, bytes);
    std::ranges::copy(bytes, frame.data() + wire::kEthernetHeader + headers);
    frame.resize(wire::kEthernetHeader + headers + payload.size());
    spoil(frame);
    REQUIRE(::sendto(fd_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&at_),
                     sizeof at_) == static_cast<ssize_t>(frame.size()));
  }

 private:
  Fd fd_;
  sockaddr_ll at_{};
};

/// Where no hosts can be made, or the kernel has no such sockets, says so and checks that the refusal does
/// too.
bool may_run() {
  const bool has_sockets = Fd(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)) || errno != EAFNOSUPPORT;
  if (has_sockets && may_make_hosts()) return true;
  const std::array listens{ep("0.0.0.0:9")};
  const auto refused = XdpReceive::attach({.shards = 1, .listens = listens});
  REQUIRE(!refused);
  CHECK(!refused.error().message.empty());
  MESSAGE("only the refusal is tested: ", refused.error().message);
  return false;
}

TEST_CASE("what comes to a listening endpoint arrives as frames, of both families, and never in the socket") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"[::]:0"});
  CHECK(mentions(rig.frames->describe(), "va (1 queue, "));
  CHECK(mentions(rig.frames->describe(), "input filter"));
  for (const auto& [there, here] :
       {std::pair{"10.77.0.2:0", "10.77.0.1"}, std::pair{"[fd77::2]:0", "fd77::1"},
        std::pair{"10.78.0.2:0", "10.78.0.1"}}) {
    auto peer = peer_there(hosts, there);
    peer->send(with_port(here, rig.port()), "first");
    peer->send(with_port(here, rig.port()), std::string(1400, 'x'));
    peer->send(with_port(here, rig.port()), "");
    rig.receive(3);
    CHECK(!rig.waits_in_socket());
    CHECK(rig.text(0) == "first");
    CHECK(rig.text(1) == std::string(1400, 'x'));
    CHECK(rig.text(2).empty());
    for (const Packet& p : rig.rx) {
      CHECK(str(p.remote) == str(peer->here()));
      CHECK(str(p.local) == str(with_port(here, rig.port())));
      CHECK(p.ifindex != 0);
      CHECK(p.rx_time > Micros{});
    }
    rig.clear();
  }
  CHECK(rig.backend->counters().rx_packets == 9);
}

TEST_CASE("fragments, options and other ports go on into the stack") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"10.77.0.1:0"});
  Peer other("10.77.0.1:0");
  auto peer = peer_there(hosts, "10.77.0.2:0");
  peer->send(other.here(), "not ours");
  CHECK(other.receive().bytes == "not ours");
  peer->send(rig.sockets->bound()[0], std::string(1700, 'f'));  // two fragments
  rig.receive(1);
  CHECK(rig.text(0) == std::string(1700, 'f'));
  rig.clear();
  peer->set(IPPROTO_IP, IP_RECVTTL, 1);
  const std::array<uint8_t, 4> nop{1, 1, 1, 0};
  REQUIRE(::setsockopt(peer->fd(), IPPROTO_IP, IP_OPTIONS, nop.data(), nop.size()) == 0);
  peer->send(rig.sockets->bound()[0], "with options");
  rig.receive(1);
  CHECK(rig.text(0) == "with options");
}

TEST_CASE("a frame that was spoilt on its way is counted and not delivered") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"10.77.0.1:0", "[fd77::1]:0"});
  Forger forger(hosts);
  const Endpoint from4 = ep("10.77.0.2:5000");
  const Endpoint from6 = ep("[fd77::2]:5000");
  const auto flip = [](size_t at) { return [at](std::vector<uint8_t>& f) { f[at] ^= 1; }; };
  const auto leave = [](std::vector<uint8_t>&) {};
  forger.send(from4, rig.sockets->bound()[0], "payload", flip(wire::kEthernetHeader + 30));
  forger.send(from6, rig.sockets->bound()[1], "payload", flip(wire::kEthernetHeader + 50));
  forger.send(from4, rig.sockets->bound()[0], "payload", flip(wire::kEthernetHeader + 8));   // TTL
  forger.send(from4, rig.sockets->bound()[0], "payload", flip(wire::kEthernetHeader + 25));  // UDP length
  forger.send(from4, rig.sockets->bound()[0], "right", leave);
  rig.receive(1);
  CHECK(rig.text(0) == "right");
  CHECK(rig.drops[Drop::bad_checksum] == 4);
}

TEST_CASE("a burst larger than a batch arrives whole and in order, and buffers are used again and again") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"10.77.0.1:0"});
  auto peer = peer_there(hosts, "10.77.0.2:0");
  uint32_t next = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 200; ++i) peer->send(rig.sockets->bound()[0], fmt::format("{}", round * 200 + i));
    for (int got = 0; got < 200; got += static_cast<int>(rig.rx.size()), rig.clear()) {
      if (!rig.rx.empty()) rig.clear();
      rig.receive(1);
      for (size_t i = 0; i < rig.rx.size(); ++i) CHECK(rig.text(i) == fmt::format("{}", next++));
    }
  }
  CHECK(next == 8000);
}

TEST_CASE("frames without a pause do not keep what comes by the sockets waiting") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"0.0.0.0:0"});
  auto peer = peer_there(hosts, "10.77.0.2:0");
  Peer local("127.0.0.1:0");
  const auto frames = [&](size_t n) {
    for (size_t i = 0; i < n; ++i) peer->send(with_port("10.77.0.1", rig.port()), "frame");
  };
  frames(2 * kRxBurst);
  for (int i = 0; i < 300; ++i) local.send(with_port("127.0.0.1", rig.port()), "socket");
  size_t by_socket = 0, batches = 0;
  for (; by_socket < 300 && batches < 100; ++batches) {
    frames(kRxBurst);
    rig.receive(1);
    for (size_t i = 0; i < rig.rx.size(); ++i) {
      if (rig.text(i) != "socket") continue;
      ++by_socket;
      CHECK_FALSE(rig.rx[i].local.addr.is_unspecified());
    }
    rig.clear();
  }
  CHECK(by_socket == 300);
  CHECK(batches <= 20);
}

TEST_CASE("with the pool empty frames are counted, and service resumes with the slots") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"10.77.0.1:0"}, kMinPoolSlots);
  auto peer = peer_there(hosts, "10.77.0.2:0");
  std::vector<SlotIndex> held;
  for (SlotIndex s = rig.own.pool.take(); s != kNoSlot; s = rig.own.pool.take()) held.push_back(s);
  for (int i = 0; i < 3; ++i) peer->send(rig.sockets->bound()[0], "lost");
  until([&] {
    rig.backend->receive(rig.rx, kPoll, rig.drops);
    return rig.drops[Drop::pool_empty] == 3;
  });
  for (const SlotIndex s : held) rig.own.pool.drop(s);
  peer->send(rig.sockets->bound()[0], "there");
  rig.receive(1);
  CHECK(rig.text(0) == "there");
}

TEST_CASE("steered relay ports are received as frames while they are open") {
  if (!may_run()) return;
  TwoHosts hosts;
  const std::array addresses{parse_address("10.77.0.1").value(), parse_address("fd77::1").value()};
  const RelayGrant grant{.addresses = addresses, .ports = {.lo = 20'000, .hi = 20'100}};
  auto made = RelayPorts::make(grant, {.mode = RelayMode::steered});
  REQUIRE(made);
  FrameRig rig({"10.77.0.1:0"}, 1024, std::shared_ptr<RelayPorts>(std::move(*made)));
  REQUIRE(rig.backend->grant_relay(grant));
  REQUIRE(rig.backend->claim_block(19'968));
  const Endpoint four = ep("10.77.0.1:20007");
  const Endpoint six = ep("[fd77::1]:20007");
  REQUIRE(rig.backend->open_port(four));
  REQUIRE(rig.backend->open_port(six));
  auto peer4 = peer_there(hosts, "10.77.0.2:0");
  auto peer6 = peer_there(hosts, "[fd77::2]:0");
  peer4->send(four, "4");
  rig.receive(1);
  peer6->send(six, "6");
  rig.receive(2);
  CHECK(str(rig.rx[0].local) == str(four));
  CHECK(str(rig.rx[1].local) == str(six));
  rig.clear();
  // Closed while a frame waits: it is not delivered. Then the kernel has no such port.
  peer4->send(four, "late");
  rig.backend->close_port(four);
  peer6->send(six, "still");
  rig.receive(1);
  CHECK(rig.text(0) == "still");
  CHECK(rig.drops[Drop::port_closed] == 1);
}

TEST_CASE("a flow that is another shard's than its queue's goes to that shard's socket") {
  if (!may_run()) return;
  TwoHosts hosts;
  const std::array listens{ep("10.77.0.1:0")};
  auto sockets = ListenSockets::open(listens, {.shards = 2}).value();
  auto steering = Steering::attach(sockets, 100);
  REQUIRE(steering);
  auto frames = XdpReceive::attach({.shards = 2, .listens = sockets.bound(), .steering = &*steering});
  REQUIRE(frames);
  CHECK((*frames)->queues(0).size() == 1);
  CHECK((*frames)->queues(1).empty());
  auto peer = peer_there(hosts, "10.77.0.2:0");
  REQUIRE(steering->set(peer->here(), sockets.bound()[0].port, ShardId{1}));
  std::vector<std::unique_ptr<OwnPool>> pools;
  std::vector<std::unique_ptr<Backend>> backends;
  for (uint32_t s = 0; s < 2; ++s) {
    pools.push_back(std::make_unique<OwnPool>(kMinPoolSlots));
    backends.push_back(
        make_backend(Kind::mmsg, sockets.shard(s), pools[s]->pool, {.shard = s, .xdp = frames->get()})
            .value());
  }
  const auto lands = [&](uint32_t shard) {
    RxBatch rx;
    DropCounters drops;
    peer->send(sockets.bound()[0], "where?");
    until([&] { return backends[shard]->receive(rx, kPoll, drops), !rx.empty(); });
    for (const Packet& p : rx) pools[shard]->pool.drop(p.slot);
  };
  lands(1);
  REQUIRE(steering->erase(peer->here(), sockets.bound()[0].port));
  lands(0);
}

/// How frames leave for `to`, which answers.
link::Path path_to(const Endpoint& to) {
  Peer("10.77.0.1:0").send(to, "who are you?");
  auto neighbours = link::Neighbours::make();
  REQUIRE(neighbours);
  std::optional<link::Path> path;
  until([&] {
    if (const auto p = (*neighbours)->look_up(parse_address("10.77.0.1").value(), to.addr)) path = *p;
    return path.has_value();
  });
  return *path;
}

TEST_CASE("frames leave by the queue too, in order, through more buffers than there are") {
  if (!may_run()) return;
  TwoHosts hosts;
  FrameRig rig({"10.77.0.1:0"});
  auto peer = peer_there(hosts, "10.77.0.2:0");
  const link::Path path = path_to(peer->here());
  CHECK(peer->receive().bytes == "who are you?");
  auto writer = link::FrameWriter::open({.queues = rig.frames->queues(0)});
  REQUIRE(writer);
  XdpQueue& queue = *rig.frames->queues(0)[0];
  uint32_t next = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 50; ++i)
      texts.push_back(fmt::format("{}{}", std::string(static_cast<size_t>(i % 7), 'x'), round * 50 + i));
    uint64_t bytes = 0;
    // Never two of one size in a row, which would be a run.
    for (const auto& t : texts) {
      const Bytes b{reinterpret_cast<const uint8_t*>(t.data()), t.size()};
      REQUIRE(writer->push(path, rig.sockets->bound()[0], peer->here(), b));
      bytes += t.size();
    }
    const link::Flushed f = writer->flush();
    CHECK(f.packets == 50);
    CHECK(f.bytes == bytes);
    CHECK(writer->refused().empty());
    for (int i = 0; i < 50; ++i, ++next) {
      const auto d = peer->receive();
      CHECK(d.bytes == fmt::format("{}{}", std::string(next % 50 % 7, 'x'), next));
      CHECK(str(d.from) == str(rig.sockets->bound()[0]));
    }
  }
  // Once the receiver has taken all, so have we back.
  until([&] { return queue.send_room() == XdpQueue::kFrames; });
  const std::string long_one(XdpQueue::kFrameBytes + 1, 'x');
  const iovec part{.iov_base = const_cast<char*>(long_one.data()), .iov_len = long_one.size()};
  CHECK(!queue.put({&part, 1}));
  CHECK(queue.send_room() == XdpQueue::kFrames);
}

TEST_CASE("when it goes everything arrives in the sockets again") {
  if (!may_run()) return;
  TwoHosts hosts;
  const std::array listens{ep("10.77.0.1:0")};
  auto sockets = ListenSockets::open(listens, {}).value();
  auto frames = XdpReceive::attach({.shards = 1, .listens = sockets.bound()});
  REQUIRE(frames);
  frames->reset();
  auto peer = peer_there(hosts, "10.77.0.2:0");
  peer->send(sockets.bound()[0], "by socket");
  pollfd p{.fd = sockets.shard(0)[0].fd, .events = POLLIN, .revents = 0};
  CHECK(::poll(&p, 1, 20'000) == 1);
}

TEST_CASE("what cannot be had is an error that says what to do") {
  if (!may_run()) return;
  TwoHosts hosts;
  const std::array listens{ep("10.77.0.1:4000")};
  const std::array loopback{ep("127.0.0.1:4000")};
  CHECK(mentions(XdpReceive::attach({.shards = 1, .listens = loopback}).error().fix, "Ethernet interface"));
  {
    const auto first = XdpReceive::attach({.shards = 1, .listens = listens});
    REQUIRE(first);
    const auto second = XdpReceive::attach({.shards = 1, .listens = listens});
    REQUIRE(!second);
    CHECK(mentions(second.error().message, "another program"));
  }
  std::thread([&] {  // capabilities belong to a thread
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[2]{};
    REQUIRE(::syscall(SYS_capset, &header, none) == 0);
    const auto refused = XdpReceive::attach({.shards = 1, .listens = listens});
    REQUIRE(!refused);
    CHECK(mentions(refused.error().message, "not permitted"));
    CHECK(mentions(refused.error().fix, "CAP_BPF"));
  })
      .join();
}

}  // namespace
}  // namespace sluice::io::test
