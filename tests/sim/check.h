// What must hold of every world at any time, and what must be left when everybody has gone.
#pragma once

#include "tests/sim/world.h"

namespace sluice::sim {

/// One owner per session; every client heard only what a client said; figures that belong together agree.
/// `corrupting`: links flip bits.
void check_always(World& w, bool corrupting);
/// If the node relays: its flows, return entries, ports and counters fit together.
void check_relay(World& w, Node& n);

/// After the last session has ended: no session, slot, flow, room, timer or membership is left.
void check_all_gone(World& w);

}  // namespace sluice::sim
