// The trunk role: many clients' packets in one datagram between a relay and a Sluice media tier. A frame that
// arrives becomes a packet like any other, whose `remote` is the client, whose `local` is the relay's public
// endpoint, and whose ifindex says by which peer it came; what is sent back to there is framed for that peer.
// Owner thread only.
#pragma once

#include <optional>

#include "engine/shard/core.h"

namespace sluice::engine {

// out: trunk_out.cpp

/// Puts the frame into a datagram that leaves at the end of the batch; its payload is copied. none, or why
/// not.
Drop frame_out(Core& c, trunk::PeerIndex peer, const trunk::Frame& f);
/// A packet whose ifindex names a trunk peer; takes it over.
void transmit_by_trunk(Core& c, const Packet& p);
/// Hands all datagrams that were begun to the sockets, one peer's side by side.
void flush_frames(Core& c);

// in: trunk.cpp

/// A datagram with frames, authentic and new.
struct TrunkArrival {
  trunk::PeerIndex peer = trunk::kNoPeer;
  bool to_server = false;  ///< from a relay; else from a server
  Bytes frames;
};
/// Opens a datagram from a trunk socket and does what it says to the state of its peer. With frames the
/// packet stays the caller's; else it is consumed.
std::optional<TrunkArrival> open_trunk(Core& c, const Packet& p);
/// The frame as a packet of its own: a piece of `datagram`, whose slot it shares.
Packet packet_of(Core& c, const Packet& datagram, trunk::PeerIndex peer, const trunk::Frame& f);

/// Hellos that are due, peers that fell silent; when to be called next.
Micros poll_trunk(Core& c);
/// The relay's server `index`, called `name` on the trunk, is at `address`, or gone (no address).
void put_trunk_server(Core& c, uint16_t index, uint32_t name, std::optional<Endpoint> address);
/// How the relay that shard `from` calls `peer` is answered from here. Nothing if it has gone, or there is no
/// room.
std::optional<trunk::PeerIndex> adopt_relay(Core& c, uint32_t from, trunk::PeerIndex peer);

}  // namespace sluice::engine
