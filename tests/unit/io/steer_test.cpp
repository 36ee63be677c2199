// Steering on loopback. Needs CAP_BPF and CAP_NET_ADMIN; without them (or without clang-19 at build time) the
// same cases hold the fallback to its promise: a reason in one line, and flows that stay where the kernel's
// hash puts them.
#include "net/io/steer/steer.h"

#include <thread>

#include <linux/capability.h>
#include <sys/syscall.h>

#include "tests/unit/io/rig.h"

namespace sluice::io::test {
namespace {

constexpr uint32_t kShards = 4;

/// kShards backends that share the listens.
struct Fleet {
  explicit Fleet(std::vector<std::string_view> listens) {
    std::vector<Endpoint> endpoints;
    for (const auto l : listens) endpoints.push_back(ep(l));
    auto opened = ListenSockets::open(
        endpoints, {.shards = kShards, .rcvbuf_bytes = 1u << 20, .sndbuf_bytes = 1u << 20});
    REQUIRE(opened);
    sockets = std::move(*opened);
    for (uint32_t i = 0; i < kShards; ++i) {
      pools.push_back(std::make_unique<OwnPool>(kMinPoolSlots));
      auto b = make_backend(Kind::mmsg, sockets->shard(i), pools[i]->pool);
      REQUIRE(b);
      backends.push_back(std::move(*b));
    }
  }
  /// Sends one datagram and returns the shard that has it; exactly one does.
  uint32_t lands(Peer& peer, const Endpoint& to) {
    peer.send(to, "where?");
    uint32_t shard = kShards;
    for (uint32_t i = 0; i < kShards; ++i) {
      RxBatch rx;
      backends[i]->receive(rx, kPoll, drops);
      if (!rx.empty()) {
        CHECK(shard == kShards);
        shard = i;
      }
      for (const Packet& p : rx) pools[i]->pool.drop(p.slot);
    }
    REQUIRE(shard < kShards);
    return shard;
  }

  std::optional<ListenSockets> sockets;
  std::vector<std::unique_ptr<OwnPool>> pools;
  std::vector<std::unique_ptr<Backend>> backends;
  DropCounters drops;
};

/// Empty where steering cannot be had, after checking that it says why.
std::optional<Steering> attach(const Fleet& fleet, uint32_t entries = 1000) {
  auto steering = Steering::attach(*fleet.sockets, entries);
  if (steering) return std::move(*steering);
  const std::string& why = steering.error().message;
  MESSAGE("the fallback is tested, not steering: ", why);
  CHECK((why.find("not permitted") != std::string::npos || why.find("not built in") != std::string::npos));
  CHECK(!steering.error().fix.empty());
  return std::nullopt;
}

TEST_CASE("flows land on the shard that the map names, on every listen and family") {
  Fleet fleet({"[::]:0", "127.0.0.1:0", "[::1]:0"});
  const uint16_t wildcard = fleet.sockets->bound()[0].port;
  struct Path {
    std::unique_ptr<Peer> peer;
    Endpoint to;
    uint32_t hashed = 0;
  };
  std::vector<Path> paths;
  for (int i = 0; i < 8; ++i) {
    paths.push_back({std::make_unique<Peer>("127.0.0.1:0"), with_port("127.0.0.1", wildcard)});
    paths.push_back({std::make_unique<Peer>("[::1]:0"), with_port("::1", wildcard)});
    paths.push_back({std::make_unique<Peer>("127.0.0.1:0"), fleet.sockets->bound()[1]});
    paths.push_back({std::make_unique<Peer>("[::1]:0"), fleet.sockets->bound()[2]});
  }
  for (Path& p : paths) p.hashed = fleet.lands(*p.peer, p.to);

  auto steering = attach(fleet);
  for (Path& p : paths) CHECK(fleet.lands(*p.peer, p.to) == p.hashed);  // a miss stays where it was
  if (!steering) return;

  uint8_t shard = 0;
  for (Path& p : paths) {
    shard = (shard + 1) % kShards;
    REQUIRE(steering->set(p.peer->here(), p.to.port, {shard}));
    for (int i = 0; i < 3; ++i) CHECK(fleet.lands(*p.peer, p.to) == shard);
  }
  CHECK(steering->counters().hits == 3 * paths.size());
  CHECK(steering->counters().misses == paths.size());
  for (Path& p : paths) {
    CHECK(steering->erase(p.peer->here(), p.to.port));
    CHECK(!steering->erase(p.peer->here(), p.to.port));
    CHECK(fleet.lands(*p.peer, p.to) == p.hashed);
  }
  CHECK(steering->counters().misses == 2 * paths.size());
  CHECK(steering->counters().failed == 0);
}

TEST_CASE("an entry moves a flow at once, belongs to one local port, and ends with the steering") {
  Fleet fleet({"127.0.0.1:0", "127.0.0.2:0"});
  Peer peer("127.0.0.1:0");
  const Endpoint here = fleet.sockets->bound()[0];
  const Endpoint other = fleet.sockets->bound()[1];
  const uint32_t hashed = fleet.lands(peer, here);
  const uint32_t hashed_other = fleet.lands(peer, other);
  if (auto steering = attach(fleet)) {
    for (uint8_t shard = 0; shard < kShards; ++shard) {
      CHECK(steering->set(peer.here(), here.port, {shard}));
      CHECK(fleet.lands(peer, here) == shard);
      CHECK(fleet.lands(peer, other) == hashed_other);
    }
    CHECK(!steering->set(peer.here(), here.port, {kShards}));
  }
  CHECK(fleet.lands(peer, here) == hashed);
  CHECK(fleet.lands(peer, other) == hashed_other);
}

TEST_CASE("the map is bounded: more flows than entries are accepted, and the newest is steered") {
  Fleet fleet({"127.0.0.1:0"});
  Peer peer("127.0.0.1:0");
  const Endpoint to = fleet.sockets->bound()[0];
  const auto hashed = static_cast<uint8_t>(fleet.lands(peer, to));
  auto steering = attach(fleet, 64);
  if (!steering) {
    CHECK(fleet.lands(peer, to) == hashed);
    return;
  }
  for (uint32_t i = 0; i < 5000; ++i)
    CHECK(steering->set({Address::v4(0x0a000000 + i), 1000}, to.port, {static_cast<uint8_t>(i % kShards)}));
  const uint8_t shard = (hashed + 1) % kShards;
  CHECK(steering->set(peer.here(), to.port, {shard}));
  CHECK(fleet.lands(peer, to) == shard);
}

TEST_CASE("one shard, and a map of no or too many entries, are refused in words") {
  const Endpoint any = ep("127.0.0.1:0");
  const auto one = ListenSockets::open({&any, 1}, {.shards = 1});
  const auto two = ListenSockets::open({&any, 1}, {.shards = 2});
  REQUIRE(one);
  REQUIRE(two);
  CHECK(!Steering::attach(*one, 100));
  CHECK(!Steering::attach(*two, 0));
  CHECK(!Steering::attach(*two, kSteeringEntriesMax + 1));
}

TEST_CASE("without the capabilities steering says so in one line, and the kernel's hash stays in force") {
  Fleet fleet({"127.0.0.1:0"});
  Peer peer("127.0.0.1:0");
  const uint32_t hashed = fleet.lands(peer, fleet.sockets->bound()[0]);
  std::thread([&] {  // capabilities belong to a thread
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[2]{};
    REQUIRE(::syscall(SYS_capset, &header, none) == 0);
    const auto refused = Steering::attach(*fleet.sockets, 100);
    REQUIRE(!refused);
    const std::string& why = refused.error().message;
    CHECK((why.find("not permitted") != std::string::npos || why.find("not built in") != std::string::npos));
    CHECK(why.find('\n') == std::string::npos);
  })
      .join();
  CHECK(fleet.lands(peer, fleet.sockets->bound()[0]) == hashed);
}

}  // namespace
}  // namespace sluice::io::test
