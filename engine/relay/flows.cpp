// A relay's flows: how they begin, are confirmed and end.

#include "engine/relay/flows.h"

#include <algorithm>
#include <cassert>

#include "engine/role/relay.h"
#include "engine/role/trunk.h"

namespace sluice::engine::relay {
namespace {

/// The whole table is looked at in so many steps, one per interval.
constexpr uint32_t kSweepSteps = 64;
constexpr Micros kSweepInterval = millis(64);
/// Time that a server has to answer a client's first check.
constexpr Micros kConfirmTime = seconds(10);
/// Buckets of the flow table that are searched for a flow to evict. Unanswered ones are an eighth of all at
/// that point, about one per bucket.
constexpr uint32_t kEvictSearch = 64;
/// Ports that are searched for one. Ports are handed out in a row, so those that follow are the oldest ones'.
constexpr uint32_t kEvictPorts = 32;
/// What a flow costs whoever has proven nothing, in bytes; given back once the server has answered.
constexpr uint32_t kFlowCost = 400;

std::string_view server_ufrag(const stun::View& view) {
  // RFC 8445 §7.2.2: "the peer's ufrag:ours".
  const std::string_view name = view.username().value_or(std::string_view{});
  return name.substr(0, name.find(':'));
}

Target routed_target(const Core& c, const stun::View& view) {
  const State& r = c.relay;
  const auto now = static_cast<uint32_t>((c.now.us + c.unix_offset_us) / 1'000'000);
  const auto server = r.shared->routes.find(server_ufrag(view), now);
  if (!server) return {.drop = r.shared->routes.size() == 0 ? Drop::ufrag_forged : Drop::no_route};
  return {.server = *server};
}

/// Index of the public endpoint; Limits::kLocals if there are too many.
uint32_t local_index(State& r, const Packet& p) {
  const uint32_t ifindex = p.remote.addr.is_link_local() || is_inside(p.ifindex) ? p.ifindex : 0;
  const auto is_it = [&](const LocalLine& l) { return l.local == p.local && l.ifindex == ifindex; };
  if (r.locals_hit < r.locals_n && is_it(r.locals[r.locals_hit])) return r.locals_hit;
  const auto known = r.locals.first(r.locals_n);
  const auto at = static_cast<uint32_t>(std::ranges::find_if(known, is_it) - known.begin());
  if (at == Limits::kLocals) return at;
  if (at == r.locals_n) r.locals[r.locals_n++] = {p.local, ifindex};
  r.locals_hit = at;
  return at;
}

/// A relay endpoint that the server does not know yet; false if none is left.
bool find_port(Core& c, ServerLine& s, RelayFlow& f) {
  State& r = c.relay;
  // To find out that none is left takes a look at every port: once per tick, not once per packet of a flood.
  const uint32_t none_now = ServerLine::kNoneLeft | tick_of(c.now);
  if (s.cursor == none_now) return false;
  s.cursor &= ~ServerLine::kNoneLeft;
  const auto addresses = r.ports.addresses();
  for (size_t a = 0; a < addresses.size(); ++a) {
    if (addresses[a].is_v4() != s.address.is_v4()) continue;
    const auto unused = [&](uint16_t port) {
      return c.flows.find({s.address, {addresses[a], port}}) == nullptr;
    };
    const auto port = r.ports.share(*c.backend, static_cast<uint8_t>(a), s.cursor, unused);
    if (!port) continue;
    f.relay_address = static_cast<uint8_t>(a);
    f.relay_port = *port;
    s.cursor &= ~ServerLine::kNoneLeft;
    return true;
  }
  s.cursor = none_now;
  return false;
}

FlowKey back_key(const Core& c, const RelayFlow& f) {
  return {c.relay.servers[f.server].address, {c.relay.ports.addresses()[f.relay_address], f.relay_port}};
}

bool add_back(Core& c, const FlowKey& client, const RelayFlow& f, uint32_t local) {
  FlowValue v;
  v.back = {.kind = FlowKind::back,
            .confirmed = f.confirmed,
            .local = static_cast<uint16_t>(local),
            .client = client.remote,
            .server = f.server,
            .packets = 0};
  return c.flows.insert(back_key(c, f), v) != nullptr;
}

void drop_back(Core& c, const RelayFlow& f) {
  if (f.trunk) return;
  c.flows.erase(back_key(c, f));
  c.relay.ports.give_back(*c.backend, f.relay_address, f.relay_port);
}

void forget(Core& c, const FlowKey& key, const RelayFlow& f) {
  State& r = c.relay;
  ServerLine& s = r.servers[f.server];
  drop_back(c, f);
  --r.flows;
  r.entries -= State::entries_of(f.trunk);
  --s.n.flows;
  if (!f.confirmed) --r.unconfirmed, --s.n.unconfirmed;
  c.flows.erase(key);
}

/// Whoever floods with first packets that lead somewhere must not keep others out until his have expired: an
/// unanswered flow by lot makes room for the newest. A client whose server is near has its answer before its
/// turn comes; one that was unlucky asks again.
bool evict_unconfirmed(Core& c) {
  State& r = c.relay;
  uint32_t b = static_cast<uint32_t>(c.random.view().u64() % c.flows.buckets());
  for (uint32_t tries = 0; tries < kEvictSearch; ++tries) {
    bool done = false;
    c.flows.visit_bucket(b, [&](const FlowKey& key, const FlowValue& v) {
      if (done || !v.is(FlowKind::relay) || v.relay.confirmed) return;
      forget(c, FlowKey(key), RelayFlow(v.relay));
      ++r.evicted;
      done = true;
    });
    if (done) return true;
    b = b + 1 == c.flows.buckets() ? 0 : b + 1;
  }
  return false;
}

/// The port of the oldest unanswered flow among some is the next that find_port() looks at.
bool evict_at_ports(Core& c, ServerLine& s) {
  State& r = c.relay;
  if (s.n.unconfirmed == 0) return false;
  std::optional<FlowKey> oldest;
  uint32_t age = 0, port = 0;
  uint32_t seen = 0;
  const uint32_t n = r.ports.ports_n();
  for (uint32_t i = 0; i < n && seen < kEvictPorts; ++i, r.evict_at = (r.evict_at + 1) % n)
    for (const Address& a : r.ports.addresses()) {
      const Endpoint relay{a, r.ports.port_at(r.evict_at)};
      seen += r.ports.contains(relay);
      const FlowValue* back = c.flows.find({s.address, relay});
      if (back == nullptr || !back->is(FlowKind::back) || back->back.confirmed) continue;
      const FlowKey client{back->back.client, r.locals[back->back.local].local};
      const FlowValue* f = c.flows.find(client);
      if (f == nullptr || !f->is(FlowKind::relay)) continue;
      const uint32_t since = r.next_epoch - f->relay.epoch;
      if (oldest && since <= age) continue;
      oldest = client, age = since, port = r.evict_at;
    }
  if (!oldest) return false;
  forget(c, *oldest, RelayFlow(c.flows.find(*oldest)->relay));
  ++r.evicted;
  s.cursor = port;
  return true;
}

bool choose_port(Core& c, ServerLine& s, RelayFlow& f) {
  if (find_port(c, s, f)) return true;
  return evict_at_ports(c, s) && find_port(c, s, f);
}

/// For one flow more. Twice, if those evicted have one entry and the new one two.
bool make_room(Core& c, bool trunk) {
  const State& r = c.relay;
  const auto full = [&] {
    return r.entries + State::entries_of(trunk) > r.limits.entries() ||
           r.unconfirmed == r.limits.unconfirmed();
  };
  while (full())
    if (r.unconfirmed == 0 || !evict_unconfirmed(c)) return false;
  return true;
}

/// Both entries; none, or why they are not there.
Drop insert_flow(Core& c, const FlowKey& key, RelayFlow f, uint32_t local) {
  State& r = c.relay;
  if (!f.trunk && !choose_port(c, r.servers[f.server], f)) return Drop::no_relay_port;
  if (!f.trunk && !add_back(c, key, f, local)) {
    r.ports.give_back(*c.backend, f.relay_address, f.relay_port);
    return Drop::flows_full;
  }
  FlowValue v;
  v.relay = f;
  if (c.flows.insert(key, v) != nullptr) return Drop::none;
  drop_back(c, f);
  return Drop::flows_full;
}

bool is_over(const State& r, const RelayFlow& f, Tick now) {
  const Micros limit = f.confirmed ? r.idle : kConfirmTime;
  return now - f.seen > tick_of(limit) || !r.servers[f.server].present;
}

}  // namespace

Target target_of(const Core& c, const stun::View& view, const Routed& routed) {
  if (!routed && routed.error() != Drop::ufrag_forged) return {.drop = routed.error()};
  if (!routed) return routed_target(c, view);
  const ServerId id{routed->ufrag.region, routed->ufrag.node};
  const ServerIndex server = c.relay.shared->server_of(id);
  // Sessions here may outlive their ufrag's expiry; whether one there has, a relay cannot know.
  if (server == Shared::kNoServer && c.relay.media && id == c.node) return {.here = true};
  if (routed->expired) return {.drop = Drop::ufrag_expired};
  if (server == Shared::kNoServer) return {.drop = Drop::no_route};
  return {.server = server};
}

Drop make_flow(Core& c, const Packet& p, ServerIndex server) {
  State& r = c.relay;
  ServerLine& s = r.servers[server];
  if (!s.present || (s.trunk && !c.trunk.reaches(server))) return Drop::server_down;
  if (!make_room(c, s.trunk)) return Drop::flows_full;
  const uint32_t local = local_index(r, p);
  if (local == Limits::kLocals) return Drop::flows_full;
  if (!r.admission.admit(p.remote.addr, kFlowCost, c.now)) return Drop::rate_limited;
  RelayFlow f;
  f.server = server;
  f.trunk = s.trunk;
  f.seen = tick_of(c.now);
  f.epoch = r.fresh_epoch();
  if (const Drop why = insert_flow(c, {p.remote, p.local}, f, local); why != Drop::none) {
    r.admission.refund(p.remote.addr, kFlowCost, c.now);
    return why;
  }
  ++r.flows, ++r.unconfirmed, ++r.created;
  r.entries += State::entries_of(f.trunk);
  ++s.n.flows, ++s.n.unconfirmed;
  if (r.flows == 1) c.wheel.schedule_no_later(c.relay_timer(), c.now + kSweepInterval);
  return Drop::none;
}

void confirm(Core& c, const FlowKey& client, RelayFlow& f) {
  State& r = c.relay;
  f.confirmed = true;
  f.pending = 0;
  --r.unconfirmed;
  --r.servers[f.server].n.unconfirmed;
  r.admission.refund(client.remote.addr, kFlowCost, c.now);
  if (f.trunk) return;
  if (FlowValue* back = c.flows.find(back_key(c, f)); back != nullptr) back->back.confirmed = true;
}

void end_flow(Core& c, const FlowKey& key) {
  const FlowValue* v = c.flows.find(key);
  if (v != nullptr && v->is(FlowKind::relay)) forget(c, key, RelayFlow(v->relay));
}

/// A return entry lies under its server's address: puts it under `to`. False if the server knows the relay
/// endpoint there as another flow's.
bool move_back(Core& c, const RelayFlow& f, const Endpoint& to) {
  const FlowKey before = back_key(c, f);
  const FlowKey after{to, before.local};
  const FlowValue* v = c.flows.find(before);
  if (v == nullptr || to.is_v4() != before.remote.is_v4() || c.flows.find(after) != nullptr) return false;
  const FlowValue back = *v;
  c.flows.erase(before);
  return c.flows.insert(after, back) != nullptr;
}

/// Calls stay up if they can be carried to the server's new place; the others begin again with the client's
/// next check.
void move_flows(Core& c, ServerIndex index, const Endpoint& to, bool present, bool trunk) {
  const bool carried = present && trunk == c.relay.servers[index].trunk;
  // Return entries that move on the way are none of those looked for.
  for (uint32_t b = 0; b < c.flows.buckets(); ++b)
    c.flows.visit_bucket(b, [&](const FlowKey& key, const FlowValue& v) {
      if (!v.is(FlowKind::relay) || v.relay.server != index) return;
      if (carried && (trunk || move_back(c, v.relay, to))) return;
      forget(c, FlowKey(key), RelayFlow(v.relay));
    });
}

void put_server(Core& c, const Command& m) {
  State& r = c.relay;
  ServerLine& s = r.servers[m.server];
  r.servers_n = std::max<uint32_t>(r.servers_n, m.server + 1U);
  const bool moves = s.address != m.address || s.trunk != m.trunk || !m.present;
  if (s.present && s.n.flows > 0 && moves) move_flows(c, m.server, m.address, m.present, m.trunk);
  s.address = m.address;
  s.trunk = m.trunk;
  s.present = m.present;
  const bool by_trunk = m.present && m.trunk;
  put_trunk_server(c, m.server, m.server_name, by_trunk ? std::optional(m.address) : std::nullopt);
  if (m.present) return;
  assert(s.n.flows == 0 && s.n.unconfirmed == 0);
  // Its place may be another's next; what it carried stays in the sums.
  r.past.add(s.n);
  s.n = {};
  r.shared->counters[c.id.v][m.server].store({});
}

Micros sweep(Core& c) {
  State& r = c.relay;
  const Tick now = tick_of(c.now);
  const uint32_t step = std::max(c.flows.buckets() / kSweepSteps, 1U);
  for (uint32_t i = 0; i < step && r.flows > 0; ++i) {
    c.flows.visit_bucket(r.sweep_at, [&](const FlowKey& key, FlowValue& v) {
      if (!v.is(FlowKind::relay) || !is_over(r, v.relay, now)) return;
      ++r.expired;
      forget(c, FlowKey(key), RelayFlow(v.relay));
    });
    r.sweep_at = r.sweep_at + 1 == c.flows.buckets() ? 0 : r.sweep_at + 1;
  }
  return r.flows > 0 ? c.now + kSweepInterval : kNever;
}

namespace {

TrunkHealth health_of(const Core& c, ServerIndex server) {
  const trunk::PeerIndex i = c.trunk.peer_of(server);
  if (i == trunk::kNoPeer) return {};
  const trunk::Peer& p = (*c.trunk.trunk)[i];
  const trunk::Figures f = c.trunk.trunk->figures(i);
  return {.trunk = true,
          .up = p.state == trunk::State::up,
          .draining = p.status.draining,
          .claims = p.named,
          .rtt_us = static_cast<uint32_t>(f.rtt.us),
          .lost_up = f.remote_lost,
          .lost_down = f.lost};
}

}  // namespace

RelayTotals totals(const Core& c) {
  const State& r = c.relay;
  RelayTotals t;
  t.flows = r.flows;
  t.by_trunk = 2 * uint64_t{r.flows} - r.entries;
  t.unconfirmed = r.unconfirmed;
  t.flows_created = r.created;
  t.flows_expired = r.expired;
  ServerCounters n = r.past;
  for (const ServerLine& s : r.servers.first(r.servers_n)) n.add(s.n);
  t.up_packets = n.up_packets;
  t.up_bytes = n.up_bytes;
  t.down_packets = n.down_packets;
  t.down_bytes = n.down_bytes;
  return t;
}

void publish_counters(Core& c) {
  const State& r = c.relay;
  for (size_t i = 0; i < r.servers_n; ++i)
    if (r.servers[i].present)
      r.shared->counters[c.id.v][i].store({r.servers[i].n, health_of(c, static_cast<ServerIndex>(i))});
}

}  // namespace sluice::engine::relay
