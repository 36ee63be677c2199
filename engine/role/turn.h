// The TURN role (RFC 8656, RFC 8016): moves packets between clients, the state machine of net/turn and relay
// endpoints. Owner thread only.
//
// Stream clients: a packet whose ifindex is kStreamInterface | stream, and whose payload is one STUN or one
// ChannelData message, is processed like any other; what goes to such a client reaches Core::transmit() with
// that ifindex, ChannelData padded. When the stream has ended, turn_stream_closed().
#pragma once

#include <span>

#include "engine/shard/core.h"
#include "net/stun/message.h"

namespace sluice::engine {

/// A packet with the allocation that its client, or its relay endpoint, has.
struct TurnPacket {
  Packet* packet = nullptr;
  uint32_t allocation = turn::kNoAllocation;
};

/// Whether a packet to a public endpoint, `kind` being filled in, is a TURN client's: a STUN message that is
/// no binding, or what begins as ChannelData does. Its flow is then that of turn_key().
bool is_turns(const Core& c, const Packet& p);

/// Requests: answered here, or handed to the shard that they refer to (unless another shard already did);
/// every packet is consumed.
void turn_requests(Core& c, std::span<const TurnPacket> in);
/// Send indications and ChannelData of clients; consumes all.
void turn_up_batch(Core& c, std::span<const TurnPacket> in);
/// Datagrams of peers to relay endpoints; consumes all.
void turn_down_batch(Core& c, std::span<const TurnPacket> in);
/// For the shard that has the client's allocation; consumes the packet.
void turn_hand_over(Core& c, const Packet& p, TurnFlow& flow);
/// Another shard has answered a client that arrives here, and has its allocation; consumes the packet.
void turn_reply(Core& c, const Packet& p, ShardId owner);

/// A binding request without USERNAME: who asks is no ICE agent and learns its address. Consumes the packet.
void answer_binding(Core& c, const Packet& p, const stun::View& view);
/// The same of any packet; false, and the packet stays the caller's, if it is no such request.
bool answer_if_plain_binding(Core& c, const Packet& p);

/// What this process sends from a public endpoint to a relay endpoint of its own; consumes the packet.
void transmit_inside(Core& c, const Packet& p);

/// The client's stream has ended, and with it its allocation, on whichever shard, unless that is mobile.
void turn_stream_closed(Core& c, const turn::ClientKey& client);

/// Where the server has its ports from.
turn::PortSource turn_ports(Core& c);
void erase_turn_flow(Core& c, const turn::ClientKey& client);

/// Ends what has expired; when to be called next.
Micros turn_expire(Core& c);

}  // namespace sluice::engine
