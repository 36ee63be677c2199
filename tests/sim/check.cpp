#include "tests/sim/check.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::sim {
namespace {

void check_owners(World& w) {
  const uint32_t sessions = w.engine().config().max_sessions;
  for (uint32_t i = 0; i < sessions; ++i) {
    int owners = 0;
    for (size_t s = 0; s < w.engine().shard_count(); ++s) {
      const uint32_t gen = w.shard(s).core().hot[i].gen;
      const engine::SessionRecord* r = w.engine().sessions().find({i, gen});
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

/// What was put in front of the server was received, or is counted as lost.
void check_received(World& w) {
  uint64_t received = 0, lost_outside = 0, waiting = 0;
  for (size_t s = 0; s < w.engine().shard_count(); ++s) {
    received += w.backend(s).counters().rx_packets;
    lost_outside += w.backend(s).counters().kernel_drops;
    waiting += w.backend(s).pending();
  }
  const uint64_t known = received + lost_outside + waiting;
  const uint64_t refused = w.drops(Drop::pool_empty) + w.drops(Drop::oversize);
  if (known > w.injected() || w.injected() - known > refused)
    w.fail(fmt::format("{} datagrams came, {} are accounted for and at most {} were refused", w.injected(),
                       known, refused));
}

}  // namespace

void check_always(World& w, bool corrupting) {
  check_owners(w);
  check_peers(w, corrupting);
  check_received(w);
}

void check_all_gone(World& w) {
  const auto expect = [&](std::string_view what, size_t shard, uint64_t n) {
    if (n != 0) w.fail(fmt::format("shard {}: {} {} left", shard, n, what));
  };
  for (size_t s = 0; s < w.engine().shard_count(); ++s) {
    const engine::Core& c = w.shard(s).core();
    expect("sessions", s, c.live_sessions);
    // A few that were lent may stay on their way home until something happens here.
    uint64_t home = 0;
    for (const auto* ring : c.ports.home_from_peer) home += ring->size_approx();
    expect("packets", s, c.pool.in_flight() - std::min<uint64_t>(home, c.pool.in_flight()));
    expect("packets in histories", s, c.slots_in_history);
    expect("packets in echoes", s, c.slots_in_echo);
    expect("packets lent", s, c.slots_lent - home);
    expect("flows", s, c.flows.size());
    expect("timers", s, c.wheel.scheduled());
    expect("room members", s, c.members.chunks_in_use());
    expect("waiting jobs", s, c.queue.n);
    uint64_t rooms = 0;
    for (const engine::RoomLocal& r : c.rooms) rooms += r.gen != 0;
    expect("rooms", s, rooms);
  }
  const engine::EngineTotals t = w.engine().totals();
  if (w.engine().sessions().live() != 0) w.fail("the control side still knows sessions");
  if (w.engine().rooms().live() != 0) w.fail("the control side still knows rooms");
  if (t.created != t.closed) w.fail(fmt::format("{} sessions made, {} ended", t.created, t.closed));
  if (w.engine().worker().counters().in_progress != 0) w.fail("a handshake is still in progress");
}

}  // namespace sluice::sim
