
#include <algorithm>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/io/rig.h"

namespace sluice::io::test {
namespace {

std::expected<ListenSockets, IoError> open(std::vector<std::string_view> listens, uint32_t shards = 1) {
  std::vector<Endpoint> endpoints;
  for (const auto l : listens) endpoints.push_back(ep(l));
  return ListenSockets::open(endpoints,
                             {.shards = shards, .rcvbuf_bytes = 1u << 20, .sndbuf_bytes = 1u << 20});
}

bool mentions(const IoError& e, std::string_view what) {
  return (e.message + " | " + e.fix).find(what) != std::string::npos;
}

TEST_CASE("port 0 picks one port that every shard of the listen shares") {
  const auto s = open({"127.0.0.1:0", "[::1]:0"}, 4);
  REQUIRE(s);
  CHECK(s->shards() == 4);
  REQUIRE(s->bound().size() == 2);
  for (size_t listen = 0; listen < 2; ++listen) {
    CHECK(s->bound()[listen].port != 0);
    REQUIRE(s->group(listen).size() == 4);
    for (uint32_t shard = 0; shard < 4; ++shard) {
      CHECK(s->shard(shard)[listen].fd == s->group(listen)[shard]);
      CHECK(s->shard(shard)[listen].bound == s->bound()[listen]);
    }
  }
  // Either it is what was asked for, twice in the kernel's accounting, or a note says what it is instead.
  CHECK((s->rcvbuf_granted() >= 2u << 20) == s->notes().empty());
}

TEST_CASE("port 0 picks no port that is reserved") {
  for (int i = 0; i < 20; ++i) {
    const auto s = ListenSockets::open(std::array{Endpoint{Address::v4(127, 0, 0, 1), 0}},
                                       {.shards = 2, .reserved = {30'000, 60'000}});
    REQUIRE(s);
    const uint16_t port = s->bound()[0].port;
    CHECK((port < 30'000 || port > 60'000));
  }
}

TEST_CASE("members of a group are numbered in shard order") {
  // A classic BPF program that always answers 2 names the third socket that was bound.
  const auto s = open({"127.0.0.1:0"}, 4);
  REQUIRE(s);
  sock_filter code{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 2};
  const sock_fprog program{.len = 1, .filter = &code};
  REQUIRE(::setsockopt(s->group(0)[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0);
  OwnPool own(kMinPoolSlots);
  auto backend = make_backend(Kind::mmsg, s->shard(2), own.pool);
  REQUIRE(backend);
  RxBatch rx;
  DropCounters drops;
  for (int i = 0; i < 16; ++i) {
    Peer peer("127.0.0.1:0");
    peer.send(s->bound()[0], "x");
    const auto before = rx.size();
    (*backend)->receive(rx, far_away(), drops);
    REQUIRE(rx.size() == before + 1);
  }
  for (const Packet& p : rx) own.pool.drop(p.slot);
}

TEST_CASE("an IPv6 wildcard serves IPv4 too, unless an IPv4 wildcard of that port is listed") {
  const auto both = open({"[::]:0"});
  REQUIRE(both);
  CHECK(both->serves_ipv4());
  CHECK(both->serves_ipv6());
  CHECK(both->shard(0)[0].dual_stack);

  const uint16_t port = both->bound()[0].port;
  const auto taken = open({fmt::format("0.0.0.0:{}", port)});
  REQUIRE(!taken);
  CHECK(mentions(taken.error(), fmt::format("0.0.0.0:{} is in use", port)));

  const auto apart = open({"[::]:0", "0.0.0.0:0"});
  REQUIRE(apart);
  CHECK(!apart->shard(0)[0].dual_stack);
  CHECK(apart->serves_ipv4());
}

TEST_CASE("a port in use is an error that names the endpoint and how to find its owner") {
  const auto first = open({"127.0.0.1:0"}, 2);
  REQUIRE(first);
  const std::string where = str(first->bound()[0]);
  // Also against a group of this very user, which SO_REUSEPORT alone would let in.
  for (const uint32_t shards : {1u, 2u}) {
    const auto second = open({where}, shards);
    REQUIRE(!second);
    CHECK(mentions(second.error(), where + " is in use"));
    CHECK(mentions(second.error(), "ss -ulpn"));
  }
}

TEST_CASE("the same endpoint twice, a foreign address and a link-local one are errors in words") {
  const auto twice = open({"127.0.0.1:43210", "127.0.0.1:43210"});
  REQUIRE(!twice);
  CHECK(mentions(twice.error(), "twice"));
  const auto foreign = open({"203.0.113.77:0"});
  REQUIRE(!foreign);
  CHECK(mentions(foreign.error(), "no such address"));
  const auto link = open({"[fe80::1]:0"});
  REQUIRE(!link);
  CHECK(mentions(link.error(), "link-local"));
  const auto none = ListenSockets::open({}, {});
  CHECK(!none);
  const auto shards = open({"127.0.0.1:0"}, 0);
  CHECK(!shards);
}

TEST_CASE("a port in use is tried again for as long as was asked, and no longer") {
  auto holder = std::make_optional<Peer>("127.0.0.1:0");
  const std::vector<Endpoint> where{holder->here()};
  CHECK(!ListenSockets::open(where, {.bind_patience_ms = 50}));
  std::jthread lets_go([&] {
    ::poll(nullptr, 0, 100);
    holder.reset();
  });
  const auto s = ListenSockets::open(where, {.shards = 2, .bind_patience_ms = 60'000});
  REQUIRE(s);
  CHECK(s->bound()[0] == where[0]);
}

TEST_CASE("after an error no socket of the attempt is left") {
  const Peer holder("127.0.0.1:0");
  std::string where;
  {
    const auto taken = open({"127.0.0.1:0"});
    REQUIRE(taken);
    where = str(taken->bound()[0]);
  }
  CHECK(!open({where, str(holder.here())}));
  CHECK(open({where}));
}

TEST_CASE("sockets do not block and are not inherited") {
  const auto s = open({"127.0.0.1:0"}, 2);
  REQUIRE(s);
  for (const int fd : s->group(0)) {
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("the host's addresses include loopback, flagged as such, and no link-local one") {
  const auto all = local_addresses();
  REQUIRE(all);
  CHECK(std::ranges::any_of(*all, [](const LocalAddress& a) {
    return a.addr == Address::v4(127, 0, 0, 1) && a.loopback && a.ifindex != 0 && !a.interface.empty();
  }));
  for (const LocalAddress& a : *all) {
    CHECK(!a.addr.is_link_local());
    CHECK(!a.addr.is_unspecified());
    CHECK(a.addr.is_loopback() <= a.loopback);
  }
  CHECK(std::ranges::is_partitioned(*all, [](const LocalAddress& a) { return a.addr.is_v4(); }));
}

}  // namespace
}  // namespace sluice::io::test
