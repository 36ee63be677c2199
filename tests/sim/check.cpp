#include "tests/sim/check.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::sim {
namespace {

void check_owners(World& w, Node& n) {
  const uint32_t sessions = n.engine().config().max_sessions;
  for (uint32_t i = 0; i < sessions; ++i) {
    int owners = 0;
    for (size_t s = 0; s < n.shards(); ++s) {
      const uint32_t gen = n.shard(s).core().hot[i].gen;
      const engine::SessionRecord* r = n.engine().sessions().find({i, gen});
      if (gen != 0 && r != nullptr) ++owners;
    }
    if (owners > 1) w.fail(fmt::format("session {} has {} owners", i, owners));
  }
}

void check_peers(World& w, bool corrupting) {
  for (const auto& h : w.hosts()) {
    if (const auto problem = h->peer.problem(); !problem.empty())
      w.fail(fmt::format("client {}: {}", h->number, problem));
    if (!corrupting && h->peer.refused(Drop::srtp_auth) > 0)
      w.fail(fmt::format("client {} got SRTP that is not authentic", h->number));
  }
}

/// What was put in front of a node was received, or is counted as lost.
void check_received(World& w, const Node& n) {
  uint64_t received = 0, lost_outside = 0, waiting = 0;
  for (size_t s = 0; s < n.shards(); ++s) {
    received += n.backend(s).counters().rx_packets;
    lost_outside += n.backend(s).counters().kernel_drops;
    waiting += n.backend(s).pending();
  }
  const uint64_t known = received + lost_outside + waiting;
  const uint64_t refused = n.drops(Drop::pool_empty) + n.drops(Drop::oversize) + n.drops(Drop::port_closed);
  if (known > n.injected() || n.injected() - known > refused)
    w.fail(fmt::format("{} datagrams came, {} are accounted for and at most {} were refused", n.injected(),
                       known, refused));
}

void check_shard_gone(World& w, const Node& n, size_t s) {
  const auto expect = [&](std::string_view what, uint64_t count) {
    if (count != 0) w.fail(fmt::format("node {}, shard {}: {} {} left", n.number(), s, count, what));
  };
  const engine::Core& c = n.shard(s).core();
  expect("sessions", c.live_sessions);
  // A few that were lent may stay on their way home until something happens here.
  uint64_t home = 0;
  for (const auto* ring : c.ports.home_from_peer) home += ring->size_approx();
  expect("packets", c.pool.in_flight() - std::min<uint64_t>(home, c.pool.in_flight()));
  expect("packets in histories", c.slots_in_history);
  expect("packets in echoes", c.slots_in_echo);
  expect("packets lent", c.slots_lent - home);
  // Who has an allocation of another shard's is known for an hour.
  expect("flows", c.flows.size() - c.turn.elsewhere);
  // A trunk says hello for as long as there is a server.
  const uint32_t sweeps = c.turn.elsewhere > 0 ? uint32_t{c.wheel.scheduled(c.turn_timer())} : 0;
  expect("timers", c.wheel.scheduled() - uint32_t{c.wheel.scheduled(c.trunk_timer())} - sweeps);
  expect("room members", c.members.chunks_in_use());
  expect("waiting jobs", c.queue.n);
  expect("open relay ports", n.backend(s).ports_open());
  expect("allocations", c.turn.on() ? c.turn.server->counters().allocations : 0);
  expect("reserved ports", c.turn.on() ? c.turn.server->counters().reservations : 0);
  uint64_t rooms = 0;
  for (const engine::RoomLocal& r : c.rooms) rooms += r.gen != 0;
  expect("rooms", rooms);
}

}  // namespace

void check_always(World& w, bool corrupting) {
  check_peers(w, corrupting);
  for (const auto& n : w.nodes()) {
    if (!n->runs()) continue;
    check_owners(w, *n);
    check_received(w, *n);
    check_relay(w, *n);
  }
}

void check_all_gone(World& w) {
  for (const auto& n : w.nodes()) {
    for (size_t s = 0; s < n->shards(); ++s) check_shard_gone(w, *n, s);
    engine::Engine& e = n->engine();
    const engine::EngineTotals t = e.totals();
    if (e.sessions().live() != 0) w.fail("the control side still knows sessions");
    if (e.rooms().live() != 0) w.fail("the control side still knows rooms");
    if (t.created != t.closed) w.fail(fmt::format("{} sessions made, {} ended", t.created, t.closed));
    if (e.worker().counters().in_progress != 0) w.fail("a handshake is still in progress");
  }
}

}  // namespace sluice::sim
