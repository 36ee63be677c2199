#include <doctest/doctest.h>

#include "engine/relay/control.h"
#include "engine/sluice.h"
#include "net/crypto/random.h"

using namespace sluice;
using namespace sluice::engine;
using namespace sluice::engine::relay;

namespace {

constexpr Endpoint kA{Address::v4(198, 51, 100, 1), 1}, kB{Address::v4(198, 51, 100, 2), 2};

struct Rig {
  crypto::StreamRandom random{uint64_t{1}};
  std::vector<Command> said;
  RelayConfig config = [] {
    RelayConfig c;
    c.on = true;
    c.max_routes = 4;
    c.max_servers = 3;
    return c;
  }();
  Control control{config, 1, random.view(), [this](const Command& c) { said.push_back(c); }};

  std::optional<ServerIndex> find(std::string_view ufrag, uint32_t now) {
    return control.shared().routes.find(ufrag, now);
  }
};

RouteRequest route(std::string ufrag, const Endpoint& to, uint32_t ttl = 100) {
  return {.ufrag = std::move(ufrag), .prefix = false, .server = to, .ttl_s = ttl};
}

}  // namespace

TEST_CASE("routes are taken all or none, and the first that is wrong is named") {
  Rig r;
  const auto refused = [&](std::vector<RouteRequest> routes) {
    const auto done = r.control.put_routes(routes, 1000);
    REQUIRE(!done);
    CHECK(r.control.routes() == 0);
    return done.error();
  };
  CHECK(refused({route("good", kA), route("no spaces", kA)}).field == "routes[1].ufrag");
  CHECK(refused({route("", kA)}).field == "routes[0].ufrag");
  CHECK(refused({route(std::string(257, 'a'), kA)}).field == "routes[0].ufrag");
  CHECK(refused({route("good", {})}).field == "routes[0].server");
  CHECK(refused({route("good", kA, 0)}).field == "routes[0].ttl_s");
  CHECK(refused({route("same", kA), route("same", kB)}).code == SLUICE_E_CONFLICT);
  CHECK(refused({route("a", kA), route("b", kA), route("c", kA), route("d", kA), route("e", kA)}).code ==
        SLUICE_E_LIMIT);
}

TEST_CASE("routes whose servers do not all have a place leave no server behind") {
  Rig r;
  constexpr Endpoint kC{Address::v4(198, 51, 100, 3), 3};
  REQUIRE(r.control.put_server({.id = {0, 1}, .address = kA}));
  REQUIRE(r.control.put_server({.id = {0, 2}, .address = kB}));
  const auto refused = r.control.put_routes(std::vector{route("a", kC), route("b", kB)}, 1000);
  REQUIRE(!refused);
  CHECK(refused.error().field == "server");
  CHECK(r.control.servers().size() == 2);
  CHECK(r.control.routes() == 0);
  // A target that two share takes one place.
  REQUIRE(r.control.put_routes(std::vector{route("a", kC), route("b", kC)}, 1000));
  CHECK(r.control.servers().size() == 3);
}

TEST_CASE("a route that is given more time many times ends once, when the last has passed") {
  Rig r;
  for (uint32_t ttl : {300U, 100U, 200U})
    REQUIRE(r.control.put_routes(std::vector{route("abcd", kA, ttl)}, 1000));
  r.control.poll(seconds(1), 1150);
  CHECK(r.find("abcd", 1150));
  r.control.poll(seconds(2), 1200);
  CHECK(r.control.routes() == 0);
  CHECK(r.control.remove_routes(std::vector{route("abcd", kA)}) == 0);
  r.control.poll(seconds(3), 1300);
  CHECK(r.control.routes() == 0);
}

TEST_CASE("an exact ufrag leads to one server until its route ends") {
  Rig r;
  REQUIRE(r.control.put_routes(std::vector{route("abcd", kA)}, 1000));
  REQUIRE(r.find("abcd", 1000));
  const auto conflict = r.control.put_routes(std::vector{route("abcd", kB)}, 1050);
  REQUIRE(!conflict);
  CHECK(conflict.error().code == SLUICE_E_CONFLICT);
  // The same again only lengthens its life.
  REQUIRE(r.control.put_routes(std::vector{route("abcd", kA)}, 1050));
  CHECK(r.control.routes() == 1);
  r.control.poll(seconds(1), 1120);
  CHECK(r.find("abcd", 1120));
  CHECK_FALSE(r.find("abcd", 1150));
  REQUIRE(r.control.put_routes(std::vector{route("abcd", kB)}, 1150));
  r.control.poll(seconds(2), 1250);
  CHECK(r.control.routes() == 0);
}

TEST_CASE("removed routes leave room for others, and their server goes in the end") {
  Rig r;
  for (int round = 0; round < 100; ++round) {
    const std::vector routes{route("a" + std::to_string(round), kA), route("b" + std::to_string(round), kB)};
    REQUIRE(r.control.put_routes(routes, 1000));
    CHECK(r.find(routes[0].ufrag, 1000) != r.find(routes[1].ufrag, 1000));
    CHECK(r.control.remove_routes(routes) == 2);
    CHECK(r.control.remove_routes(routes) == 0);
    CHECK_FALSE(r.find(routes[0].ufrag, 1000));
  }
  CHECK(r.control.servers().size() == 2);
  r.control.poll(seconds(1), 1001);
  r.control.poll(seconds(200), 1200);
  CHECK(r.control.servers().empty());
  REQUIRE(!r.said.empty());
  CHECK_FALSE(r.said.back().present);
}

TEST_CASE("servers are limited, named once, and change their address under their name") {
  Rig r;
  REQUIRE(r.control.put_server({.id = {0, 1}, .address = kA}));
  REQUIRE(r.control.put_server({.id = {0, 1}, .address = kB, .trunk = true}));
  CHECK(r.control.servers().size() == 1);
  CHECK(r.said.back().address == kB);
  CHECK(r.said.back().trunk);
  REQUIRE(r.control.put_server({.id = {0, 2}, .address = kA}));
  REQUIRE(r.control.put_server({.id = {0, 3}, .address = kA}));
  CHECK(r.control.put_server({.id = {0, 4}, .address = kA}).error().code == SLUICE_E_LIMIT);
  CHECK(r.control.put_server({.id = {0, 4}, .address = {}}).error().field == "address");
  REQUIRE(r.control.remove_server({0, 2}));
  CHECK(r.control.remove_server({0, 2}).error().code == SLUICE_E_NOT_FOUND);
  REQUIRE(r.control.put_server({.id = {0, 4}, .address = kA}));
  CHECK(r.control.shared().server_of({0, 4}) != Shared::kNoServer);
}
