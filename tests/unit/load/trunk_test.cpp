#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"
#include "tests/unit/load/rig.h"
#include "tools/load/relay_protocol.h"

using namespace sluice;
using namespace sluice::load;

namespace {

const Endpoint kPublic{Address::v4(10, 9, 9, 9), 3478};
const Endpoint kTrunkSide{Address::v4(10, 9, 9, 9), 3480};
constexpr uint32_t kFarId = 7;

Options options() {
  Options o;
  o.target = kPublic;
  return o;
}

Credentials logins(uint32_t n) {
  Credentials c;
  for (uint32_t i = 0; i < n; ++i)
    c.ice.push_back({"server" + std::to_string(i), "0123456789012345678901" + std::to_string(i)});
  c.trunk_key = trunk::test::test_key(0x11);
  c.trunk_id = kFarId;
  return c;
}

/// A relay's trunk: each packet of a client in a datagram of its own, whatever comes back unpacked.
class Relay {
 public:
  std::vector<uint8_t> hello(const Endpoint& far) {
    peer_ = node_.trunk.add_server(kFarId, far, 1, Micros{0}).value();
    return trunk::test::next_hello(node_, Micros{0}).value();
  }

  void forward(PretendWire& w, const Datagram& d) {
    if (d.from_local.kind() == Local::client) {
      const trunk::Frame frame{.client = d.from, .local = d.to, .payload = d.bytes};
      w.deliver(Local::of(Local::server, 0), kTrunkSide, node_.data(peer_, {&frame, 1}), w.clock);
      return;
    }
    const auto got = node_.trunk.receive(d.bytes, d.from, kTrunkSide, Micros{1000});
    REQUIRE(got);
    ++datagrams;
    trunk::Frame frame;
    for (trunk::Reader r(got->body); r.next(frame); ++frames) {
      CHECK(frame.local == kPublic);
      w.deliver(PretendWire::local_of(frame.client), frame.local,
                {frame.payload.begin(), frame.payload.end()}, w.clock);
    }
  }

  int datagrams = 0, frames = 0;

 private:
  trunk::test::Node node_{trunk::Config{.id = 1}, kTrunkSide, 5, 4, 4};
  trunk::PeerIndex peer_ = trunk::kNoPeer;
};

}  // namespace

TEST_CASE("A far side that takes the trunk welcomes the relay, and calls run through it both ways") {
  Relay relay;
  Rig<RelayProtocol> rig(20, options(), logins(20),
                         [&](PretendWire& w, const Datagram& d) { relay.forward(w, d); });
  const Local far = Local::of(Local::server, 0);
  rig.wire.deliver(far, kTrunkSide, relay.hello(rig.wire.endpoint(far)), rig.now);
  rig.run(kStart + 2 * kSecond, 10'000'000);
  CHECK(rig.sessions.setup().ready == 20);
  CHECK(rig.figures().up.sent >= 980);
  CHECK(rig.figures().up.delivered == rig.figures().up.sent);
  CHECK(rig.figures().down.sent >= 980);
  CHECK(rig.figures().loss() == 0);
  CHECK(relay.frames > 2 * relay.datagrams);
}

TEST_CASE("Without a relay that has made itself known nothing is framed") {
  Rig<RelayProtocol> rig(1, options(), logins(1), [](PretendWire&, const Datagram& d) {
    CHECK(d.from_local.kind() == Local::client);
  });
  rig.run(kStart + kSecond, 10'000'000);
  CHECK(rig.sessions.setup().ready == 0);
}
