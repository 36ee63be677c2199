#include "engine/relay/ports.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "engine/shard/arena.h"
#include "net/io/sim/sim.h"

using namespace sluice;
using engine::relay::LocalPorts;
using engine::relay::PortPool;

namespace {

/// Shards that share a range of ports, each with a backend of the simulator's.
struct Shards {
  explicit Shards(io::PortRange range, size_t shards = 1, uint32_t open_at_once = UINT32_MAX)
      : pool(range, 7),
        memory(shards, std::vector<std::byte>(LocalPorts::bytes_for(addresses.size(), range))) {
    for (size_t s = 0; s < shards; ++s) {
      io.push_back(
          std::make_unique<io::SimBackend>(slots, io::SimBackend::Options{.relay_ports = open_at_once}));
      REQUIRE(io.back()->grant_relay({addresses, range}));
      ports.emplace_back(memory[s], addresses, pool, ShardId{static_cast<uint8_t>(s)});
    }
  }
  std::optional<uint16_t> take(size_t shard, uint8_t address, bool even = false, bool next = false) {
    return ports[shard].take(*io[shard], address, even, next, random += 0x9e37'79b9);
  }

  std::vector<Address> addresses{Address::v4(192, 0, 2, 1), Address::v4(192, 0, 2, 2)};
  engine::Arena arena{engine::Arena::round_up(PacketPool::bytes_for(4))};
  PacketPool slots{arena.take("slots", PacketPool::bytes_for(4)), 4};
  PortPool pool;
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::unique_ptr<io::SimBackend>> io;
  std::vector<LocalPorts> ports;
  uint32_t random = 1;
};

}  // namespace

TEST_CASE("every port of a range is given out once for each address, whichever shard asks") {
  // Begins and ends inside of blocks.
  const io::PortRange range{49'170, 49'500};
  Shards s(range, 2);
  std::set<std::pair<uint8_t, uint16_t>> given;
  for (uint32_t i = 0, refused = 0; refused < 4; ++i) {
    const auto a = static_cast<uint8_t>(i / 2 % 2);
    const auto port = s.take(i % 2, a);
    refused = port ? 0 : refused + 1;
    if (!port) continue;
    CHECK(*port >= range.lo);
    CHECK(*port <= range.hi);
    CHECK_MESSAGE(given.emplace(a, *port).second, *port);
  }
  CHECK(given.size() == size_t{2} * (range.hi - range.lo + 1));
  CHECK(s.ports[0].open() + s.ports[1].open() == given.size());
}

TEST_CASE("a shard whose clients come late has the block that it began with") {
  Shards s({49'152, 49'152 + 127}, 2);
  for (size_t i = 0; i < 2; ++i) s.ports[i].begin(*s.io[i]);
  for (size_t n = 0; n < 64; ++n) CHECK(s.take(0, 0));
  CHECK_FALSE(s.take(0, 0));
  for (size_t n = 0; n < 64; ++n) CHECK(s.take(1, 0));
}

TEST_CASE("what is given back is given out again, and nothing else is") {
  Shards s({50'000, 50'000 + 191});
  std::vector<uint16_t> taken;
  while (const auto port = s.take(0, 0)) taken.push_back(*port);
  REQUIRE(taken.size() == 192);
  for (size_t i = 0; i < taken.size(); i += 3) {
    s.ports[0].give_back(*s.io[0], 0, taken[i]);
    CHECK(s.take(0, 0) == taken[i]);
    CHECK_FALSE(s.take(0, 0));
  }
  CHECK(s.io[0]->ports_open() == 192);
}

TEST_CASE("EVEN-PORT gives even ones, and with the next both") {
  Shards s({49'153, 49'153 + 254});
  std::set<uint16_t> given;
  const auto take = [&](bool next) {
    const auto port = s.take(0, 1, true, next);
    if (!port) return false;
    CHECK(*port % 2 == 0);
    CHECK(given.insert(*port).second);
    if (next) CHECK(given.insert(static_cast<uint16_t>(*port + 1)).second);
    return true;
  };
  for (int i = 0; i < 40; ++i) CHECK(take(false));
  size_t pairs = 0;
  while (take(true)) ++pairs;
  // 49153 has no even one below it in the range, 49407 an even one that may be taken.
  CHECK(pairs == 127 - 40);
  CHECK(given.size() == 40 + 2 * pairs);
  while (s.take(0, 1)) given.insert(0);
  CHECK(s.ports[0].open() == 255);
}

TEST_CASE("a port is random, not the next one") {
  Shards s({49'152, 65'535});
  std::set<uint16_t> seen;
  for (int i = 0; i < 2'000; ++i) REQUIRE(s.take(0, 0));
  size_t neighbours = 0;
  std::optional<uint16_t> before;
  for (int i = 0; i < 200; ++i) {
    const auto port = s.take(0, 0);
    REQUIRE(port);
    neighbours += before && *port == *before + 1;
    before = port;
  }
  CHECK(neighbours < 20);
}

TEST_CASE("a backend without sockets left ends the search, and costs no port") {
  Shards s({50'048, 50'048 + 127}, 1, 10);
  for (int i = 0; i < 10; ++i) CHECK(s.take(0, 0));
  for (int i = 0; i < 100; ++i) CHECK_FALSE(s.take(0, 0));
  CHECK(s.ports[0].open() == 10);
}

TEST_CASE("a port that flows share is not given out alone") {
  Shards s({50'048, 50'048 + 63});
  uint32_t cursor = 0;
  const auto shared = s.ports[0].share(*s.io[0], 0, cursor, [](uint16_t) { return true; });
  REQUIRE(shared);
  size_t n = 0;
  while (const auto port = s.take(0, 0)) {
    CHECK(*port != *shared);
    ++n;
  }
  CHECK(n == 63);
  s.ports[0].give_back(*s.io[0], 0, *shared);
  CHECK(s.take(0, 0) == shared);
}
