// A room as one shard sees it.
#pragma once

#include <array>
#include <cstdint>

#include "engine/shard/member_lists.h"
#include "engine/spec.h"
#include "net/rtp/history.h"
#include "net/rtp/splice.h"

namespace sluice::engine {

/// What is the same for all packets of one source in a history.
struct HistoryTraits {
  rtp::Source source;
  uint8_t codec = 0;
  uint8_t level_id = 0;
  uint8_t orientation_id = 0;
  bool operator==(const HistoryTraits&) const = default;
};

struct RoomLocal {
  uint32_t gen = 0;  ///< 0: not known here
  ShardId publisher_shard;
  SessionKey publisher;
  uint64_t shards_with_players = 0;  ///< this one's bit included; only the publisher's shard acts on it
  MemberLists::List players;         ///< local ones
  std::array<uint32_t, kMediaKinds> nack_players{};  ///< of them, those that may ask for packets again
  std::array<rtp::History, kMediaKinds> history;
  std::array<HistoryTraits, kMediaKinds> history_of{};  ///< whose packets `history` holds
  Micros key_frame_asked;                               ///< of the publisher's shard
};

/// Packets kept per room and shard to answer NACKs: 1.3 s of 20 ms audio; about a second of video.
inline constexpr size_t kAudioHistory = 64;
inline constexpr size_t kVideoHistory = 512;

}  // namespace sluice::engine
