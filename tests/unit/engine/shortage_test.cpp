// What is said when relay ports run short.
#include "engine/relay/shortage.h"

#include "tests/unit/engine/turn_rig.h"

using namespace sluice;
using namespace sluice::test;
using namespace sluice::test::turn_rig;
using engine::relay::PortShortage;
using engine::relay::PortUse;

namespace {

constexpr io::PortRange kRange{50'048, 50'111};

bool has(const std::optional<std::string>& line, std::string_view what) {
  return line && line->find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("a shortage of ports is told once a minute, with how many were refused meanwhile") {
  PortShortage s;
  PortUse use{.granted = true, .open = 64};
  CHECK(s.due(seconds(5)));
  CHECK_FALSE(s.look(use, kRange, seconds(5)));
  CHECK_FALSE(s.due(seconds(5) + millis(999)));
  use.allocations = 3;
  CHECK(s.look(use, kRange, seconds(6)) ==
        "relay ports: none left of 50048-50111, 64 open: 3 TURN allocations and 0 checks of new clients "
        "refused; "
        "give a wider --relay-ports, or one more --relay-address");
  use.allocations = 5, use.checks = 7;
  CHECK_FALSE(s.look(use, kRange, seconds(65)));
  CHECK(has(s.look(use, kRange, seconds(66)), "2 TURN allocations and 7 checks"));
  CHECK_FALSE(s.look(use, kRange, seconds(300)));
}

TEST_CASE("where it is not the range that is short, what is short is named") {
  PortUse use{.granted = true, .open = 20, .allocations = 1, .no_sockets = true};
  const auto sockets = PortShortage().look(use, kRange, seconds(5));
  CHECK(has(sockets, "no socket left for more than 20"));
  CHECK(has(sockets, "--relay-port-mode steered"));
  use.granted = false;
  CHECK(has(PortShortage().look(use, kRange, seconds(5)), "give --relay-address"));
}

TEST_CASE(
    "a shard publishes how many allocations found no port, not how many were refused for other reasons") {
  engine::relay::RelayConfig relay = ports();
  relay.ports = {50'048, 50'051};
  engine::relay::TurnConfig turn = config();
  turn.max_allocations = 6;
  Rig r(1, turn, relay);
  for (uint16_t i = 0; i < 6; ++i)
    CHECK(TurnClient(r.s, {kAlice.addr, static_cast<uint16_t>(1000 + i)}, 0, "alice").allocate().code() ==
          (i < 4 ? 0 : 508));
  TurnClient stranger(r.s, kBob, 0, "nobody");
  CHECK(stranger.allocate().code() == 401);
  r.s.advance(millis(250));
  r.s.step();
  engine::ShardReport report;
  REQUIRE(r.s.shard(0).report(report));
  CHECK(report.turn_without_port == 2);
  CHECK(report.relay.ports_open == 4);
}
