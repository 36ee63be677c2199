// What a shard publishes about a session and about itself: plain data, copied whole through a SeqLocked.
#pragma once

#include <array>
#include <cstdint>

#include "engine/relay/config.h"
#include "engine/shard/messages.h"
#include "engine/spec.h"
#include "net/base/drop.h"
#include "net/io/backend.h"
#include "net/turn/types.h"

namespace sluice::engine {

/// One direction of one track.
struct TrackReport {
  bool used = false;
  bool outbound = false;
  MediaKind media = MediaKind::audio;
  uint8_t codec = 0;  ///< 0: none yet; else 1 + sdp::Codec
  Ssrc ssrc;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  int64_t lost = 0;
  float fraction_lost = 0;  ///< 0..1
  float jitter_ms = 0;
  float bitrate_bps = 0;
  float audio_level_dbov = 0;  ///< NaN: not known
  uint64_t nacks = 0;
  uint64_t retransmitted = 0;
  uint64_t plis = 0;
};

struct SessionReport {
  SessionKey key;
  CloseReason reason = CloseReason::none;
  ShardId shard;
  uint16_t srtp_profile = 0;
  Endpoint remote;
  Endpoint local;
  Micros rtt{-1};  ///< negative: not known
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
  uint64_t moves = 0;
  Micros first_check_at, dtls_start_at, dtls_done_at, first_rtp_in_at, first_rtp_out_at;
  std::array<uint32_t, kDropCount> drops{};
  std::array<TrackReport, 2 * kMediaKinds> track{};
};

struct ShardReport {
  Micros at;
  uint64_t loops = 0;
  uint64_t handed_over = 0;
  uint64_t late_allocations = 0;
  uint64_t cpu_us = 0;
  bool draining = false;  ///< takes no new sessions and allocations
  uint32_t sessions = 0;
  uint32_t flows = 0;
  uint32_t pool_capacity = 0;
  uint32_t pool_free = 0;
  relay::RelayTotals relay;
  turn::Counters turn;
  uint64_t turn_without_port = 0;  ///< allocations refused since no relay port was left
  io::IoCounters io;
  uint64_t direct_packets = 0;  ///< of io.tx_packets, those past a trunk
  uint64_t direct_bytes = 0;
  DropCounters drops;   ///< of packets received
  DropCounters unsent;  ///< of datagrams that were to be sent
};

}  // namespace sluice::engine
