// What a shard does with a packet, one file per role: straight functions over a Core and a batch. Owner
// thread only.
#pragma once

#include <span>

#include "engine/shard/core.h"
#include "net/rtp/header.h"
#include "net/stun/message.h"

namespace sluice::engine {

/// A packet with the session that its flow belongs to (or Core::kNoSession).
struct Routed {
  Packet* packet = nullptr;
  uint32_t session = Core::kNoSession;
};

inline ice::PathAddress path_of(const Packet& p) { return {p.remote, p.local, p.ifindex}; }

// stun.cpp
/// Checks and answers; every packet is consumed.
void stun_batch(Core& c, std::span<const Routed> in);
/// A session owned by `to` receives at this shard: lends the packet, and remembers the address for what
/// follows.
void hand_over(Core& c, const Packet& p, SessionKey session, ShardId to, bool authenticated);
/// The session has ended: flows that pointed at its owner go.
void forget_handed_over(Core& c, SessionKey session);

// dtls.cpp
/// Handshake datagrams on their way to the worker; every packet is consumed.
void dtls_batch(Core& c, std::span<const Routed> in);
/// What the worker has to say.
void take_handshakes(Core& c);

// media.cpp
/// SRTP and SRTCP of sessions owned here: decrypts the whole batch, then forwards, echoes, reports. Consumes
/// all.
void media_batch(Core& c, std::span<const Routed> in);

// forward.cpp
/// A publisher's decrypted RTP packet, wherever it was received.
struct SourcePacket {
  rtp::Source source;
  uint64_t index = 0;  ///< SRTP index, which its replay window lets pass once (rtp::Splice)
  MediaKind media = MediaKind::audio;
  uint8_t codec = 0;
  uint8_t level_id = 0;  ///< extension ids of the publisher
  uint8_t orientation_id = 0;
  rtp::Header header;
  Bytes payload;
};
/// To all players on this shard and, if it is the publisher's own, to the other shards. The packet stays the
/// caller's.
void forward_rtp(Core& c, uint32_t publisher, const SourcePacket& src, const Packet& p);
/// One copy for one session.
void deliver(Core& c, uint32_t session, const SourcePacket& src);
void join_room(Core& c, uint32_t session);
/// The control thread's view of a room.
void update_room(Core& c, const Command& command);
void close_room(Core& c, uint32_t room, uint32_t gen);
/// From another shard: decrypted RTP (`p` is ours), a sender report, a request for a key frame.
void on_room_message(Core& c, const PeerMessage& m, const Packet* p);
/// A player cannot go on without a key frame.
void ask_key_frame(Core& c, RoomLocal& room, uint32_t room_index);
/// Asks the client itself, at most once in a while.
void send_pli(Core& c, uint32_t publisher);
/// Numbers that a player misses and that the history has are sent again.
void retransmit(Core& c, uint32_t player, MediaKind media, SeqNo out_seq);
/// The publisher's sender report, on our clock, reaches every player.
void forward_sr(Core& c, uint32_t publisher, MediaKind media, Ssrc ssrc, NtpTime ours, RtpTime rtp);

// rtcp.cpp
/// A decrypted compound packet; false if it is malformed.
bool on_rtcp(Core& c, uint32_t session, Bytes compound);
void send_due_reports(Core& c, uint32_t session);
/// NACKs and transport-wide feedback that are due.
void send_due_feedback(Core& c, uint32_t session);

// echo.cpp
/// Holds an agent's packet back for the set delay; takes the packet over. `index`: as in SourcePacket.
void echo_rtp(Core& c, uint32_t session, MediaKind media, const Packet& p, uint64_t index);
/// Sends what is due.
void play_echo(Core& c, uint32_t session);

}  // namespace sluice::engine
