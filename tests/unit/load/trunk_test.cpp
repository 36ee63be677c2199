#include <deque>

#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"
#include "tests/unit/load/rig.h"
#include "tools/load/relay_protocol.h"

using namespace sluice;
using namespace sluice::load;

namespace {

const Endpoint kPublic{Address::v4(10, 9, 9, 9), 3478};
/// Of the first shard; the others have the ports behind it.
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

/// A relay's trunk: each packet of a client in a datagram of its own, whatever comes back unpacked. Client n
/// is known to shard n % shards, and to no other. Each life of a relay has epochs of its own.
class Relay {
 public:
  explicit Relay(uint8_t shards, uint64_t life = 0) {
    for (uint8_t i = 0; i < shards; ++i)
      nodes_.emplace_back(trunk::Config{.id = 1, .shard = i, .shards = shards},
                          Endpoint{kTrunkSide.addr, static_cast<uint16_t>(kTrunkSide.port + i)},
                          5 + i + 100 * life, 4, 4);
  }

  void greet(PretendWire& w) {
    const Local far = Local::of(Local::server, 0);
    for (trunk::test::Node& node : nodes_) {
      peer_ = node.trunk.add_server(kFarId, w.endpoint(far), 1, Micros{0}).value();
      w.deliver(far, node.address, trunk::test::next_hello(node, Micros{0}).value(), w.clock);
    }
  }

  void forward(PretendWire& w, const Datagram& d) {
    if (d.from_local.kind() == Local::client) {
      const trunk::Frame frame{.client = d.from, .local = d.to, .payload = d.bytes};
      trunk::test::Node& node = nodes_[shard_of(d.from_local)];
      w.deliver(Local::of(Local::server, 0), node.address, node.data(peer_, {&frame, 1}), w.clock);
      return;
    }
    const auto shard = static_cast<size_t>(d.to.port - kTrunkSide.port);
    trunk::test::Node& node = nodes_.at(shard);
    const auto got = node.trunk.receive(d.bytes, d.from, node.address, Micros{1000});
    if (!got) {
      ++refused;
      return;
    }
    ++datagrams;
    trunk::Frame frame;
    for (trunk::Reader r(got->body); r.next(frame); ++frames) {
      CHECK(frame.local == kPublic);
      const Local client = PretendWire::local_of(frame.client);
      if (shard_of(client) == shard)
        w.deliver(client, frame.local, {frame.payload.begin(), frame.payload.end()}, w.clock);
      else
        ++strangers;
    }
  }

  int datagrams = 0, frames = 0;
  int strangers = 0;  ///< frames for clients of another shard
  int refused = 0;    ///< datagrams, as those for an earlier life

 private:
  size_t shard_of(Local client) const { return client.index() % nodes_.size(); }

  std::deque<trunk::test::Node> nodes_;
  trunk::PeerIndex peer_ = trunk::kNoPeer;  ///< the far side, the same for each shard
};

/// 20 calls through it for two seconds.
void check_calls(uint8_t shards) {
  Relay relay(shards);
  Rig<RelayProtocol> rig(20, options(), logins(20),
                         [&](PretendWire& w, const Datagram& d) { relay.forward(w, d); });
  relay.greet(rig.wire);
  rig.run(kStart + 2 * kSecond, 10'000'000);
  CHECK(rig.sessions.setup().ready == 20);
  CHECK(rig.figures().up.sent >= 980);
  CHECK(rig.figures().up.delivered == rig.figures().up.sent);
  CHECK(rig.figures().down.sent >= 980);
  CHECK(rig.figures().loss() == 0);
  CHECK(relay.strangers == 0);
  CHECK(relay.refused == 0);
  CHECK(relay.frames > 2 * relay.datagrams);
}

}  // namespace

TEST_CASE("A far side that takes the trunk welcomes the relay, and calls run through it both ways") {
  check_calls(1);
}

TEST_CASE("Each shard of a relay gets the packets of its own clients") { check_calls(3); }

TEST_CASE("Flows follow a relay that restarted, and associations of past lives make room") {
  std::deque<Relay> lives;
  Rig<RelayProtocol> rig(4, options(), logins(4),
                         [&](PretendWire& w, const Datagram& d) { lives.back().forward(w, d); });
  // 40 lives with 2 shards are more associations than a far side keeps at once.
  for (uint64_t life = 0; life < 40; ++life) {
    lives.emplace_back(uint8_t{2}, life).greet(rig.wire);
    rig.run(rig.now + kSecond, 10'000'000);
    CHECK(lives.back().frames > 0);
    CHECK(lives.back().strangers == 0);
  }
}

TEST_CASE("Without a relay that has made itself known nothing is framed") {
  Rig<RelayProtocol> rig(1, options(), logins(1), [](PretendWire&, const Datagram& d) {
    CHECK(d.from_local.kind() == Local::client);
  });
  rig.run(kStart + kSecond, 10'000'000);
  CHECK(rig.sessions.setup().ready == 0);
}
