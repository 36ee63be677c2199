// What threads tell each other, by value, through single-producer rings. No pointer crosses a ring.
#pragma once

#include <cstdint>

#include "engine/spec.h"
#include "net/base/packet.h"

namespace sluice::engine {

enum class CloseReason : uint8_t { none, hangup, peer, consent, setup_timeout, dtls, takeover, drain };

/// Control thread -> shard.
struct Command {
  enum class Kind : uint8_t {
    close,        ///< session, reason: only to the owner
    forget,       ///< session: it has ended; drop what points at its owner
    room,         ///< room, room_gen, publisher, publisher_shard, shards_with_players
    room_closed,  ///< room, room_gen
    server,       ///< server, server_name, address, present, trunk: where a relay finds it
    draining,     ///< this process takes no new sessions, nor allocations
    wall_clock,   ///< wall_offset: the wall clock was set
    turn_close,   ///< session: index and generation of an allocation that an operator ends
    turn_end,     ///< every allocation ends
  };
  Kind kind = Kind::close;
  CloseReason reason = CloseReason::none;
  ShardId publisher_shard;
  uint32_t room = 0;
  uint32_t room_gen = 0;
  SessionKey session;                ///< of close, forget; the publisher of `room`
  uint64_t shards_with_players = 0;  ///< bit per shard
  Micros wall_offset;                ///< wall clock minus the monotonic clock
  Endpoint address;                  ///< of a server
  uint16_t server = 0;
  uint32_t server_name = 0;  ///< relay::name_on_trunk()
  bool present = false;
  bool trunk = false;
};

/// Shard -> control thread.
struct Notice {
  enum class Kind : uint8_t {
    checking,   ///< adopted: first authenticated check
    connected,  ///< keys are in place
    moved,      ///< the client's address changed
    closed,     ///< by the peer, by a timer or by command; the last report is published
    steer,      ///< packets from `remote` arrive here but belong to shard `owner`
  };
  Kind kind = Kind::checking;
  CloseReason reason = CloseReason::none;
  ShardId owner;
  SessionKey session;
  Micros time;
  Endpoint remote;
  Endpoint local;
};

/// Shard -> shard. A lent slot goes home by the return ring as soon as its bytes are copied.
struct PeerMessage {
  enum class Kind : uint8_t {
    datagram,  ///< packet: arrived here, belongs to a session or TURN client over there (`session`)
    relayed,   ///< packet: for the relay endpoint over there that is its `local`, as if it had arrived there
    turn_reply,  ///< packet: to a TURN client that arrives over there and whose allocation is here
    turn_closed,  ///< packet's addresses and ifindex: the stream of a TURN client whose allocation is over there
    room_rtp,    ///< packet: decrypted RTP of the room's publisher
    room_sr,     ///< publisher's sender report: ntp, rtp, ssrc
    key_frame,   ///< a player of the room asks its publisher for a key frame
  };
  Kind kind = Kind::datagram;
  MediaKind media = MediaKind::audio;
  uint8_t codec = 0;     ///< of room_rtp
  uint8_t level_id = 0;  ///< of room_rtp: the publisher's extension ids
  uint8_t orientation_id = 0;
  uint32_t room = 0;
  uint32_t room_gen = 0;
  SessionKey session;
  uint64_t index = 0;  ///< of room_rtp: SRTP index
  NtpTime ntp;         ///< of room_sr, already on our clock
  RtpTime rtp;         ///< of room_sr
  Ssrc ssrc;           ///< of room_sr
  Packet packet;
};

}  // namespace sluice::engine
