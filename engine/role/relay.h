// The relay role: clients' packets to the server that owns the session and back, nothing decrypted. Owner
// thread only.
#pragma once

#include <span>

#include "engine/relay/flows.h"
#include "net/wire/classify.h"

namespace sluice::engine::relay {

/// A packet with the flow that it belongs to.
struct RelayPacket {
  Packet* packet = nullptr;
  FlowValue* flow = nullptr;
};

/// From clients to servers; consumes all but checks that begin another call where a flow is, which it leaves
/// in State::anew. Makes and ends no flow, so flows found before stay good.
void up_batch(Core& c, std::span<const RelayPacket> in);
/// From servers to clients; consumes all.
void down_batch(Core& c, std::span<const RelayPacket> in);

/// From a server by trunk, each with its client as `remote`; consumes all.
void down_frames(Core& c, RxBatch& in);

/// A binding request from an address without a flow, or a session's: finds the server and makes the flow.
/// False, and the packet stays the caller's, if its ufrag is for a session of this process, or if the address
/// is that of a session that lives. Consumes it otherwise. `routed`:
/// what ice::route_request() says of it, with Expiry::report.
bool first_packet(Core& c, const Packet& p, const stun::View& view, const Routed& routed);

/// The server has answered the client at its address.
void confirm(Core& c, const FlowKey& client, RelayFlow& f);
/// Ends the client's flow, if there is one, with all that belongs to it.
void end_flow(Core& c, const FlowKey& key);

/// Control thread's word (Command::Kind::server): the server is at `address` now, or gone (not `present`).
void put_server(Core& c, const Command& m);

/// Ends flows that are over, a part of the table at a time; when to be called next.
Micros sweep(Core& c);
void publish_counters(Core& c);
RelayTotals totals(const Core& c);

}  // namespace sluice::engine::relay
