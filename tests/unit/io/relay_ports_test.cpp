// How relay ports are chosen, bounded and spoken of.
#include "net/io/relay_ports.h"

#include <fstream>
#include <thread>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "net/io/port_limits.h"
#include "tests/unit/io/port_rig.h"

namespace sluice::io::test {
namespace {

bool mentions(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

const Address kHost = Address::v4(127, 0, 0, 1);

std::expected<std::unique_ptr<RelayPorts>, IoError> make(PortRange ports, std::vector<std::string_view> on,
                                                         RelayMode mode = RelayMode::sockets) {
  std::vector<Address> addresses;
  for (const auto a : on) addresses.push_back(parse_address(a).value());
  return RelayPorts::make({.addresses = addresses, .ports = ports}, {.mode = mode});
}

TEST_CASE("a grant is numbered address by address, block by block, and back") {
  const std::array addresses{kHost, parse_address("::1").value()};
  const auto space = PortSpace::of({.addresses = addresses, .ports = {.lo = 100, .hi = 300}});
  REQUIRE(space);
  CHECK(space->blocks() == 4);  // 64, 128, 192, 256
  CHECK(space->size() == 2 * 4 * kPortBlock);
  for (const Address& a : addresses)
    for (uint32_t port = 0; port <= UINT16_MAX; ++port) {
      const Endpoint e{a, static_cast<uint16_t>(port)};
      const uint32_t i = space->index(e);
      CHECK((i != PortSpace::kNone) == (port >= 100 && port <= 300));
      if (i == PortSpace::kNone) continue;
      CHECK(i < space->size());
      CHECK(space->at(i) == e);
      CHECK(space->block_of(i) == space->block(static_cast<uint16_t>(port - port % kPortBlock)));
    }
  CHECK(space->index({Address::v4(127, 0, 0, 2), 100}) == PortSpace::kNone);
  CHECK(space->block(0) == PortSpace::kNone);
  CHECK(space->block(100) == PortSpace::kNone);
  CHECK(space->block(320) == PortSpace::kNone);
  CHECK(PortSpace().index({kHost, 0}) == PortSpace::kNone);
  CHECK(PortSpace().block(0) == PortSpace::kNone);
  const auto top = PortSpace::of({.addresses = addresses, .ports = {.lo = 1, .hi = UINT16_MAX}});
  REQUIRE(top);
  CHECK(top->blocks() == 1024);
  CHECK(top->at(top->index({kHost, UINT16_MAX})).port == UINT16_MAX);
}

TEST_CASE("a grant that cannot be is an error in words") {
  CHECK(mentions(make({0, 100}, {"127.0.0.1"}).error().message, "0-100"));
  CHECK(mentions(make({200, 100}, {"127.0.0.1"}).error().message, "200-100"));
  CHECK(mentions(make({100, 200}, {}).error().message, "0 relay addresses"));
  CHECK(mentions(make({100, 200}, std::vector<std::string_view>(17, "127.0.0.1")).error().message, "17"));
  CHECK(mentions(make({100, 200}, {"127.0.0.1", "127.0.0.1"}).error().message, "twice"));
  CHECK(mentions(make({100, 200}, {"0.0.0.0"}).error().message, "0.0.0.0"));
  CHECK(mentions(make({100, 200}, {"ff02::1"}).error().message, "ff02::1"));
  const auto foreign = make({100, 200}, {"127.0.0.1", "203.0.113.77"});
  CHECK(mentions(foreign.error().message, "203.0.113.77 cannot be used: this host has no such address"));
  CHECK(!foreign.error().fix.empty());
}

TEST_CASE("the system's ranges are read as it writes them") {
  CHECK(parse_port_range("32768\t60999") == PortRange{32'768, 60'999});
  CHECK(!parse_port_range("32768"));
  CHECK(!parse_port_range(""));
  CHECK(all_reserved({50'000, 50'100}, "8080,50000-50050,50051-60000"));
  CHECK(all_reserved({8080, 8080}, "8080\n"));
  CHECK(!all_reserved({50'000, 50'100}, "50000-50050,50052-60000"));
  CHECK(!all_reserved({50'000, 50'000}, ""));
  CHECK(!all_reserved({50'000, 50'001}, "50000-"));
}

TEST_CASE("a range that the system hands out to others is spoken of, unless it is reserved") {
  CHECK(make({20'000, 20'100}, {"127.0.0.1"}).value()->advice().empty());
  const std::string advice = make({32'000, 40'000}, {"127.0.0.1"}).value()->advice();
  CHECK(mentions(advice, "sysctl net.ipv4.ip_local_reserved_ports=32768-40000"));
  CHECK(!mentions(advice, "\n"));
  if (!enter_own_network()) return;
  std::ofstream("/proc/sys/net/ipv4/ip_local_reserved_ports") << "32768-40000";
  CHECK(make({32'000, 40'000}, {"127.0.0.1"}).value()->advice().empty());
}

TEST_CASE("names of modes are those that people write") {
  for (const auto name : {"auto", "sockets", "steered"})
    CHECK(name_of(parse_relay_mode(name).value()) == name);
  CHECK(!parse_relay_mode("bpf"));
}

TEST_CASE("without the capabilities a wish to steer is refused, and auto falls back and says why") {
  std::thread([] {  // capabilities belong to a thread
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[2]{};
    REQUIRE(::syscall(SYS_capset, &header, none) == 0);
    const auto refused = make({20'000, 20'100}, {"127.0.0.1"}, RelayMode::steered);
    REQUIRE(!refused);
    CHECK(mentions(refused.error().message,
                   "relay ports cannot be steered: loading a BPF program is not permitted"));
    CHECK(refused.error().fix == "grant CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW");

    const auto fallen = make({20'000, 20'100}, {"127.0.0.1"}, RelayMode::automatic);
    REQUIRE(fallen);
    CHECK(!(*fallen)->steered());
    CHECK(mentions((*fallen)->why_not(),
                   "not permitted (grant CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW to lift that)"));
  })
      .join();
}

TEST_CASE("with them, auto steers") {
  const auto made = make({20'000, 20'100}, {"127.0.0.1"}, RelayMode::automatic);
  REQUIRE(made);
  CHECK(((*made)->steered() != nullptr) == (::geteuid() == 0));
  CHECK((*made)->why_not().empty() == (::geteuid() == 0));
}

TEST_CASE_TEMPLATE("what can be had is said in one line, with its ceiling", B, EVERY_PORTS) {
  const PortRig rig(B::with());
  const RelayAbility& a = rig.ability;
  CHECK(!mentions(a.text, "\n"));
  CHECK(mentions(a.text, fmt::format("at most {} ports on this shard", a.max_open)));
  CHECK(a.steered == (rig.ports->steered() != nullptr));
  CHECK(mentions(a.text, a.steered ? "steered" : "per port"));
  if (a.steered) CHECK(a.max_open == 3 * 10'001);
  if (a.steered) CHECK(mentions(a.text, ", 20002 of IPv4 and 10001 of IPv6"));
  if (!a.steered) CHECK(a.max_open < rig.ports->files());
}

TEST_CASE_TEMPLATE("with no descriptor left a port does not open, and with one again it does", B,
                   EVERY_PORTS) {
  PortRig rig(B::with());
  const Endpoint port = with_port("127.0.0.1", 20'000);
  const Endpoint other = with_port("127.0.0.1", 20'001);
  Peer peer("127.0.0.1:0");
  REQUIRE(rig.backend->open_port(port));
  {
    std::vector<Fd> hoard;
    for (Fd fd; (fd = Fd(::fcntl(peer.fd(), F_DUPFD_CLOEXEC, 0)));) hoard.push_back(std::move(fd));
    CHECK(rig.backend->open_port(other) == rig.ability.steered);
    peer.send(port, "still there");
    rig.receive(1);
    rig.echo();
    CHECK(peer.receive().bytes == "still there");
    if (rig.ability.steered) rig.backend->close_port(other);
  }
  CHECK(rig.backend->open_port(other));
  peer.send(other, "now too");
  rig.receive(1);
  CHECK(rig.text(rig.rx[0]) == "now too");
}

TEST_CASE("a shard opens no more ports than its share of the descriptors") {
  const uint32_t limit = raise_open_files();
  constexpr uint32_t kShare = 3;
  const auto ports = RelayPorts::make(
      PortRig::grant(),
      {.mode = RelayMode::sockets, .shards = 2, .reserved_files = limit - open_files() - 2 * kShare - 1});
  REQUIRE(ports);
  CHECK((*ports)->files_per_shard() == kShare);
  Rig rig(Mmsg::with({.relay_ports = ports->get()}));
  const auto ability = rig.backend->grant_relay(PortRig::grant());
  REQUIRE(ability);
  CHECK(ability->max_open == kShare);
  REQUIRE(rig.backend->claim_block(19'968));
  for (uint16_t i = 0; i < kShare; ++i)
    CHECK(rig.backend->open_port(with_port("127.0.0.1", static_cast<uint16_t>(20'000 + i))));
  CHECK(!rig.backend->open_port(with_port("127.0.0.1", 20'003)));
  rig.backend->close_port(with_port("127.0.0.1", 20'001));
  CHECK(rig.backend->open_port(with_port("127.0.0.1", 20'003)));
}

TEST_CASE("a backend that is given no ports of the process makes sockets of its own") {
  for (const Setup& setup : {Mmsg::with(), UringDefer::with()}) {
    Rig rig(setup);
    const auto ability = rig.backend->grant_relay(PortRig::grant());
    REQUIRE(ability);
    CHECK(!ability->steered);
    CHECK(rig.backend->claim_block(19'968));
    CHECK(rig.backend->open_port(with_port("::1", 20'000)));
    const auto wrong = Rig(setup).backend->grant_relay({{}, {20'000, 20'100}});
    CHECK(!wrong);
  }
}

TEST_CASE_TEMPLATE("a backend that goes leaves closed ports behind, and its blocks to others", B,
                   EVERY_PORTS) {
  PortRig a(B::with());
  PortRig b(B::with(), a);
  const Endpoint port = with_port("127.0.0.1", 20'000);
  REQUIRE(a.backend->open_port(port));
  CHECK(!b.backend->claim_block(19'968));
  a.backend.reset();
  CHECK(b.backend->claim_block(19'968));

  Peer peer("127.0.0.1:0");
  SocketAddress to;
  const socklen_t len = to_sockaddr(port, false, 0, to);
  REQUIRE(::connect(peer.fd(), &to.sa, len) == 0);
  REQUIRE(::send(peer.fd(), "x", 1, 0) == 1);
  char c;
  CHECK(::recv(peer.fd(), &c, 1, 0) == -1);
  CHECK(errno == ECONNREFUSED);
  CHECK(b.backend->open_port(port));
}

TEST_CASE_TEMPLATE("what a port had no room for is counted as the kernel's drop", B, EVERY_PORTS) {
  PortRig rig(B::with(), kMinPoolSlots);
  const Endpoint port = with_port("127.0.0.1", 20'000);
  REQUIRE(rig.backend->open_port(port));
  Peer peer("127.0.0.1:0");
  constexpr uint64_t kCount = 4000;
  for (uint64_t i = 0; i < kCount; ++i) peer.send(port, std::string(1000, 'x'));
  // The count travels with the next datagram that is let in.
  while (rig.backend->counters().kernel_drops == 0) {
    peer.send(port, "y");
    peer.send(port, "y");
    rig.receive(1);
    rig.clear();
  }
  CHECK(rig.backend->counters().kernel_drops <= kCount);
}

}  // namespace
}  // namespace sluice::io::test
