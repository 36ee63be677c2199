// What holds of a relay's tables between its turns.

#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/role/relay.h"
#include "tests/sim/check.h"

namespace sluice::sim {
namespace {

using engine::BackFlow;
using engine::FlowKind;
using engine::RelayFlow;

/// One shard's flows, as its table has them.
struct Table {
  uint32_t relay = 0, unconfirmed = 0, back = 0;
  std::map<uint16_t, engine::relay::ServerCounters> servers;
  std::set<Endpoint> ports;
};

class ShardCheck {
 public:
  ShardCheck(World& w, Node& n, size_t s) : w_(w), n_(n), s_(s), c_(n.shard(s).core()) {}

  void run() {
    c_.flows.for_each([&](const FlowKey& key, const engine::FlowValue& v) {
      if (v.is(FlowKind::relay)) on_flow(key, v.relay);
      if (v.is(FlowKind::back)) on_back(key, v.back);
    });
    const engine::relay::State& r = c_.relay;
    equal("flows", r.flows, table_.relay);
    equal("unconfirmed flows", r.unconfirmed, table_.unconfirmed);
    const size_t ports = table_.ports.size() + turn_ports();
    equal("open ports", r.ports.open(), ports);
    equal("ports of the backend", n_.backend(s_).ports_open(), ports);
    for (size_t i = 0; i < r.servers.size(); ++i) {
      const auto& n = table_.servers[static_cast<uint16_t>(i)];
      equal(fmt::format("server {}'s flows", i), r.servers[i].n.flows, n.flows);
      equal(fmt::format("server {}'s unconfirmed flows", i), r.servers[i].n.unconfirmed, n.unconfirmed);
    }
    check_packets();
  }

 private:
  size_t turn_ports() const {
    if (!c_.turn.on()) return 0;
    const turn::Counters& t = c_.turn.server->counters();
    return t.allocations + t.reservations;
  }
  void on_flow(const FlowKey& key, const RelayFlow& f) {
    auto& n = table_.servers[f.server];
    ++table_.relay, ++n.flows;
    if (!f.confirmed) ++table_.unconfirmed, ++n.unconfirmed;
    if (!c_.relay.servers[f.server].present) fail("a flow to a server that is gone");
    if (f.trunk) return;
    const Endpoint port{c_.relay.ports.addresses()[f.relay_address], f.relay_port};
    table_.ports.insert(port);
    const engine::FlowValue* back = c_.flows.find({c_.relay.servers[f.server].address, port});
    if (back == nullptr || !back->is(FlowKind::back)) return fail("a flow without its return entry");
    const FlowKey client{back->back.client, c_.relay.locals[back->back.local].local};
    if (client != key || back->back.server != f.server || back->back.confirmed != f.confirmed)
      fail("a return entry that says something else than its flow");
  }
  void on_back(const FlowKey& key, const BackFlow& b) {
    ++table_.back;
    const engine::FlowValue* f = c_.flows.find({b.client, c_.relay.locals[b.local].local});
    const bool fits = f != nullptr && f->is(FlowKind::relay) && f->relay.relay_port == key.local.port;
    if (!fits) fail("a return entry without its flow");
  }
  /// Of a shard that does nothing else: what came was passed on or dropped, and what was passed on was sent
  /// or counted.
  void check_packets() {
    const engine::EngineConfig& config = n_.options().engine;
    if (config.media || config.trunk.on() || config.turn.on) return;
    const io::IoCounters& io = n_.backend(s_).counters();
    uint64_t dropped = 0, unsent = 0;
    for (size_t d = 0; d < kDropCount; ++d) dropped += c_.drops.n[d], unsent += c_.unsent.n[d];
    for (const Drop d : {Drop::pool_empty, Drop::oversize, Drop::port_closed}) dropped -= c_.drops[d];
    const engine::relay::RelayTotals t = engine::relay::totals(c_);
    const uint64_t passed = t.up_packets + t.down_packets;
    equal("received packets, passed on and dropped", io.rx_packets, passed + dropped);
    equal("packets passed on, sent and unsent", passed, io.tx_packets + unsent);
  }
  void equal(std::string_view what, uint64_t said, uint64_t counted) const {
    if (said != counted) fail(fmt::format("{}: {} and {}", what, said, counted));
  }
  void fail(const std::string& what) const {
    w_.fail(fmt::format("relay {}, shard {}: {}", n_.number(), s_, what));
  }

  World& w_;
  Node& n_;
  size_t s_;
  engine::Core& c_;
  Table table_;
};

}  // namespace

void check_relay(World& w, Node& n) {
  if (!n.options().engine.relay.on) return;
  for (size_t s = 0; s < n.shards(); ++s) ShardCheck(w, n, s).run();
}

}  // namespace sluice::sim
