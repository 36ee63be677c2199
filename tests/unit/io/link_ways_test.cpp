// Transmit with prebuilt headers through routers: what of the kernel's routes holds for whole prefixes, and
// until when. Needs root, like link_test.cpp.
#include <sys/resource.h>
#include <unistd.h>

#include "net/io/link/paths.h"
#include "tests/unit/io/link_rig.h"

namespace sluice::io::test {
namespace {

TEST_CASE("a route that changes is followed, and behind a router long packets are the kernel's affair") {
  if (!permitted()) return;
  TwoHosts hosts;
  Sender sender;
  const Endpoint from = ep("10.77.0.1:4000");
  hosts.run_there("ip addr add 203.0.113.7/32 dev lo");
  hosts.run_there("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wb.rp_filter=0");
  TwoHosts::run("ip route add 203.0.113.0/24 via 10.77.0.2");
  Remote remote(hosts, "203.0.113.7:0");
  std::optional<Tap> v;
  std::optional<Tap> w;
  hosts.there([&] { v.emplace("vb"), w.emplace("wb"); });
  const auto warm_up = [&] {
    sender.warm_up(from, remote.here());
    v->clear();
    w->clear();
  };
  const auto is_through = [&](Tap& tap) {
    bool any = false;
    while (const auto s = tap.next(remote.here().port)) any = any || as_text(s->datagram.payload) == "here";
    return any;
  };
  warm_up();
  CHECK(sender.send("here", from, remote.here()) == 1);
  CHECK(remote.receive().bytes == "here");
  CHECK(is_through(*v));
  CHECK_FALSE(is_through(*w));

  sender.warm_up(from, remote.here(), 1252);
  const uint64_t too_long = sender.counters().too_long;
  CHECK(sender.send(std::string(1252, 'x'), from, remote.here()) == 1);
  CHECK(sender.send(std::string(1253, 'x'), from, remote.here()) == 0);
  CHECK(sender.counters().too_long == too_long + 1);
  CHECK(remote.receive().bytes.size() == 1252);
  CHECK(remote.receive().bytes.size() == 1253);

  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  TwoHosts::run("ip route replace 203.0.113.0/24 via 10.78.0.2 dev wa");
  until([&] { return sender.neighbours->counters().invalidations > invalidations; });
  CHECK(sender.send("by socket", from, remote.here()) == 0);
  CHECK(remote.receive().bytes == "by socket");
  warm_up();
  CHECK(sender.send("here", from, remote.here()) == 1);
  CHECK(remote.receive().bytes == "here");
  CHECK(is_through(*w));
  CHECK_FALSE(is_through(*v));
}

/// Networks behind the other host, which is asked for nothing.
struct Routed {
  const char *from, *router, *other_router, *net, *known, *moved;
};
constexpr Routed kRouted[] = {
    {"10.77.0.1:4000", "10.77.0.2:9", "10.78.0.2:9", "100.64.0.0/10", "100.64.0.7", "100.64.0.8"},
    {"[fd77::1]:4000", "[fd77::2]:9", "[fd78::2]:9", "fd99::/64", "fd99::7", "fd99::8"},
};

/// Address `i` of the network that begins at `first`, in which there are far more than a test comes to ask
/// for.
Endpoint nth_of(Address first, uint32_t i) {
  store_be<uint32_t>(first.b.data() + 12, load_be<uint32_t>(first.b.data() + 12) + i);
  return {first, kDiscard};
}

template <class T>
std::string text_of(const T& address) {
  EndpointText buffer;
  return std::string(format(address, buffer));
}

TEST_CASE("behind a router every address is known from its first packet on, without a question") {
  if (!permitted()) return;
  for (const Routed& c : kRouted) {
    CAPTURE(c.net);
    TwoHosts hosts;
    const Endpoint from = ep(c.from), router = ep(c.router), other_router = ep(c.other_router);
    const Address known = *parse_address(c.known), other = *parse_address(c.moved);
    const char* host = known.is_v4() ? "/32" : "/128";
    for (const char* a : {c.known, c.moved}) hosts.run_there(fmt::format("ip addr add {}{} dev lo", a, host));
    hosts.run_there("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wb.rp_filter=0");
    const auto via = [](std::string_view net, const Endpoint& e) {
      return fmt::format("ip route add {} via {}", net, text_of(e.addr));
    };
    TwoHosts::run(via(c.net, router));
    Sender sender;
    sender.warm_up(from, router);
    sender.warm_up(from, other_router);
    uint32_t fresh = 20;
    until([&] { return sender.send("x", from, nth_of(known, ++fresh)) == 1; });
    const uint64_t queries = sender.neighbours->counters().queries;
    Remote remote(hosts, text_of(Endpoint{known, 0}));
    CHECK(sender.send("first", from, remote.here()) == 1);
    CHECK(remote.receive().bytes == "first");

    // A network within, another way.
    const uint64_t invalidations = sender.neighbours->counters().invalidations;
    TwoHosts::run(via(fmt::format("{}{}", c.moved, host), other_router));
    until([&] { return sender.neighbours->counters().invalidations > invalidations; });
    Remote moved(hosts, text_of(Endpoint{other, 0}));
    std::optional<Tap> w;
    hosts.there([&] { w.emplace("wb"); });
    until([&] {
      return sender.send("x", from, nth_of(known, ++fresh)) == 1 &&
             sender.send("again", from, moved.here()) == 1;
    });
    CHECK(moved.receive().bytes == "again");
    const auto seen = w->next(moved.here().port);
    REQUIRE(seen);
    CHECK(as_text(seen->datagram.payload) == "again");
    CHECK(sender.neighbours->counters().queries == queries);
  }
}

TEST_CASE("where rules choose among tables every address is asked for") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add 100.64.0.0/10 via 10.77.0.2");
  Sender sender;
  const Endpoint from = ep("10.77.0.1:4000"), late = ep("100.127.0.1:9");
  const Address first = *parse_address("100.64.0.0");
  uint32_t fresh = 20;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  TwoHosts::run("ip rule add to 100.64.0.9 table 100");
  until([&] { return sender.neighbours->counters().invalidations > invalidations; });
  const uint64_t queries = sender.neighbours->counters().queries;
  CHECK(sender.send("x", from, late) == 0);
  until([&] { return sender.send("x", from, late) == 1; });
  CHECK(sender.neighbours->counters().queries > queries);
}

TEST_CASE("no way is taken from an address of loopback, nor to the unspecified one") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add default via 10.77.0.2 && ip -6 route add default via fd77::2");
  Sender sender;
  const struct {
    const char *from, *router, *to, *loopback, *unspecified;
  } cases[] = {{"10.77.0.1:4000", "10.77.0.2:9", "100.64.0.0", "127.0.0.1:4000", "0.0.0.0:9"},
               {"[fd77::1]:4000", "[fd77::2]:9", "2001:db8::", "[::1]:4000", "[::]:9"}};
  for (const auto& c : cases) {
    CAPTURE(c.from);
    const Endpoint from = ep(c.from);
    const Address first = *parse_address(c.to);
    sender.warm_up(from, ep(c.router));
    uint32_t fresh = 20;
    until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
    CHECK(sender.send("x", ep(c.loopback), nth_of(first, fresh)) == 0);
    CHECK(sender.send("x", from, ep(c.unspecified)) == 0);
  }
}

TEST_CASE("a local route above a way takes its addresses back") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add 100.64.0.0/16 via 10.77.0.2");
  Sender sender;
  const Endpoint from = ep("10.77.0.1:4000");
  const Address first = *parse_address("100.64.0.0");
  sender.warm_up(from, ep("10.77.0.2:9"));
  uint32_t fresh = 20;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  TwoHosts::run("ip route add local 100.64.0.0/10 dev lo");
  sender.until_answered(from, ep("127.0.0.1:9"));
  CHECK(sender.send("x", from, nth_of(first, fresh)) == 0);
  CHECK(sender.send("x", from, nth_of(first, ++fresh)) == 0);
}

TEST_CASE("beside a default route a new interface invalidates nothing before it has addresses") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add default via 10.77.0.2 && ip -6 route add default via fd77::2");
  Sender sender;
  const Endpoint from = ep("[fd77::1]:4000");
  const Address first = *parse_address("2001:db8::");
  sender.warm_up(from, ep("[fd77::2]:9"));
  uint32_t fresh = 20;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  TwoHosts::run(
      "ip link add d0 type veth peer name e0 && ip link set d0 addrgenmode none && "
      "ip link set e0 addrgenmode none && ip link set d0 up && ip link set e0 up && "
      "ip -6 addr add fe80::5/64 dev d0 nodad");
  sender.until_answered(from, ep("[::1]:9"));
  CHECK(sender.neighbours->counters().invalidations == invalidations);
}

/// Whose announcements come whenever they are found to be unique.
void drop_link_local() {
  for (const char* dev : {"va", "wa"})
    TwoHosts::run(
        fmt::format("ip link set {0} addrgenmode none && ip -6 addr flush dev {0} scope link", dev));
}

TEST_CASE("a link behind a router that is narrower than usual is heeded once the kernel knows of it") {
  if (!permitted()) return;
  TwoHosts hosts;
  hosts.run_there(
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 && "
      "ip link add m0 type veth peer name m1 && ip link set m0 up && ip link set m1 up && "
      "ip addr add 100.64.0.1/16 dev m0 && ip neigh add 100.64.1.1 lladdr 02:00:00:00:00:55 dev m0");
  TwoHosts::run("ip route add 100.64.0.0/16 via 10.77.0.2");
  Sender sender({.revalidate_every = millis(5)});
  const Endpoint from = ep("10.77.0.1:4000"), far = ep("100.64.1.1:9");
  constexpr size_t kNarrow = 1000 - 28, kUnasked = 576 - 28;
  sender.warm_up(from, ep("10.77.0.2:9"));
  uint32_t fresh = 512;
  until([&] { return sender.send("x", from, nth_of(far.addr, ++fresh)) == 1; });
  // Of a path that nobody has asked about only the shortest are sure to fit.
  until([&] { return sender.send(std::string(kUnasked, 'x'), from, nth_of(far.addr, ++fresh)) == 1; });
  CHECK(sender.send(std::string(kUnasked + 1, 'x'), from, nth_of(far.addr, ++fresh)) == 0);
  sender.warm_up(from, far, 1200);
  hosts.run_there("ip link set m0 mtu 1000");
  until([&] {
    sender.send(std::string(1200, 'x'), from, far);
    const auto path = sender.neighbours->look_up(from.addr, far.addr);
    return path && path->mtu == 1000;
  });
  const uint64_t too_long = sender.counters().too_long;
  until([&] {
    sender.send(std::string(kNarrow + 1, 'x'), from, far);
    return sender.counters().too_long > too_long;
  });
  for (int i = 0; i < 20; ++i) CHECK(sender.send(std::string(kNarrow + 1, 'x'), from, far) == 0);
  sender.warm_up(from, far, kNarrow);
}

/// Asks for `n` neighbours of the network that begins at `first`.
void ask_for(Neighbours& neighbours, const Address& source, const Address& first, uint32_t n) {
  link::ShardPaths& paths = neighbours.attach();
  link::PathAnswer a;
  uint32_t suited = 0;
  for (uint32_t asked = 0, answered = 0; answered < n;) {
    while (asked < n && paths.queries.try_push({source, nth_of(first, asked).addr})) ++asked;
    paths.waker.wake();
    until([&] { return paths.answers.try_pop(a); });
    do ++answered, suited += a.suited;
    while (paths.answers.try_pop(a));
  }
  CHECK(suited == n);
  neighbours.detach(paths);
}

TEST_CASE("ways hold also where there was no more room for the neighbours that they lead to") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add 64.0.0.0/4 via 10.77.0.2 && ip route add 172.16.0.0/16 dev va");
  drop_link_local();
  Sender sender({.revalidate_every = millis(20)});
  const Endpoint from = ep("10.77.0.1:4000");
  const Address first = *parse_address("64.0.0.0");
  sender.warm_up(from, ep("10.77.0.2:9"));
  uint32_t fresh = 0;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  ask_for(*sender.neighbours, from.addr, *parse_address("172.16.0.0"), link::kHops - 1);
  // Neighbours may be forgotten again by now, which the second of these routes needs.
  link::ShardPaths& paths = sender.neighbours->attach();
  until([&] { return paths.hops.epoch.load() > 12; });
  sender.neighbours->detach(paths);
  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  TwoHosts::run("ip route add 64.0.0.0/3 via 10.78.0.2");
  until([&] { return sender.neighbours->counters().invalidations > invalidations; });
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
}

/// While it lives this process can open nothing more.
struct NoMoreFiles {
  NoMoreFiles() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int lowest_free = ::dup(0);
    REQUIRE(lowest_free >= 0);
    ::close(lowest_free);
    const rlimit now{.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~NoMoreFiles() { CHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0); }
  rlimit before{};
};

TEST_CASE("tables that could not be read are read again, whether or not they change once more") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add 100.64.0.0/10 via 10.77.0.2");
  drop_link_local();
  Sender sender({.revalidate_every = millis(5)});
  const Endpoint from = ep("10.77.0.1:4000");
  const Address first = *parse_address("100.64.0.0");
  sender.warm_up(from, ep("10.77.0.2:9"));
  uint32_t fresh = 20;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  {
    const NoMoreFiles none;
    TwoHosts::run("ip route add 203.0.113.0/24 via 10.78.0.2");
    until([&] { return sender.neighbours->counters().invalidations > invalidations; });
  }
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
}

TEST_CASE("without the rule of the main table no way of it is taken") {
  if (!permitted()) return;
  TwoHosts hosts;
  TwoHosts::run("ip route add 100.64.0.0/10 via 10.77.0.2");
  Sender sender({.revalidate_every = millis(5)});
  const Endpoint from = ep("10.77.0.1:4000");
  const Address first = *parse_address("100.64.0.0");
  sender.warm_up(from, ep("10.77.0.2:9"));
  uint32_t fresh = 20;
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
  const uint64_t invalidations = sender.neighbours->counters().invalidations;
  TwoHosts::run("ip rule del pref 32766");
  until([&] { return sender.neighbours->counters().invalidations > invalidations; });
  sender.until_answered(from, ep("10.77.0.2:9"));
  for (int i = 0; i < 20; ++i) CHECK(sender.send("x", from, nth_of(first, ++fresh)) == 0);
  TwoHosts::run("ip rule add pref 32766 table main");
  until([&] { return sender.send("x", from, nth_of(first, ++fresh)) == 1; });
}

}  // namespace
}  // namespace sluice::io::test
