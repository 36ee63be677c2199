// A session's state on the shard that owns it, apart by how often it is touched. All arrays are indexed by
// the session's directory index.
#pragma once

#include <array>
#include <cstdint>

#include "engine/shard/flow.h"
#include "engine/shard/messages.h"
#include "engine/slow/handshake_messages.h"
#include "engine/spec.h"
#include "net/base/drop.h"
#include "net/ice/lite_agent.h"
#include "net/rtcp/twcc_recorder.h"
#include "net/rtp/meters.h"
#include "net/rtp/nack_tracker.h"
#include "net/rtp/receive_stats.h"
#include "net/rtp/sender_stats.h"
#include "net/rtp/splice.h"
#include "net/srtp/index.h"

namespace sluice::engine {

enum class Phase : uint8_t { absent, checking, connected };

/// What every packet of a session touches.
struct alignas(64) SessionHot {
  uint32_t gen = 0;  ///< 0: no session here
  Phase phase = Phase::absent;
  Role role = Role::publish;
  bool path_settled =
      false;               ///< `path` is proven and nothing about it is in question (LiteAgent::settled_on)
  bool direct = false;     ///< media goes past the trunk that `path` names
  bool srtp_seen = false;  ///< an authentic SRTP or SRTCP packet came
  bool rtp_in = false;     ///< first_rtp_in_at is set
  bool rtp_out = false;    ///< first_rtp_out_at is set
  bool reports_armed = false;  ///< next_report is set
  bool twcc_armed = false;     ///< next_twcc is set
  bool report_due = false;     ///< something changed since the last published report
  uint32_t room = UINT32_MAX;
  uint32_t room_gen = 0;
  ice::PathAddress path;  ///< the agent's selected one
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
};
static_assert(sizeof(SessionHot) == 128);

/// A track that the client sends.
struct alignas(64) RxTrack {
  bool used = false;
  bool transport_cc = false;
  bool nack = false;
  uint8_t codec = 0;  ///< 1 + sdp::Codec of the newest packet; 0: none yet
  uint8_t payloads_n = 0;
  std::array<PayloadMap, TrackSpec::kMaxPayloads> payloads{};
  Ssrc ssrc;  ///< current source, once `codec` is not 0
  uint32_t clock_rate = 0;
  rtp::ExtMap ext;
  rtp::ReceiveStats stats;
  rtp::RateMeter rate;
  rtp::LevelMeter level;
  Micros last_rtp;
  Micros sr_forwarded{INT64_MIN / 2};
  bool key_frame_wanted = false;  ///< asked for by a player, not yet of the client
  Micros key_frame_asked{INT64_MIN / 2};
  uint64_t plis = 0;

  /// Between two sender reports passed on to all players: RFC 3550 §6.2 asks for seconds.
  static constexpr Micros kSrInterval = millis(200);
  /// Players that join together share one key frame.
  static constexpr Micros kKeyFrameInterval = millis(500);
  /// When the client is to be asked for a key frame; kNever if nobody wants one.
  Micros key_frame_due() const {
    return key_frame_wanted && codec != 0 ? key_frame_asked + kKeyFrameInterval : kNever;
  }
  /// 1 + sdp::Codec; 0 if the payload type was not negotiated.
  uint8_t codec_of(uint8_t pt) const {
    for (size_t i = 0; i < payloads_n; ++i)
      if (payloads[i].pt == pt) return payloads[i].codec;
    return 0;
  }
};

/// A track that Sluice sends.
struct alignas(64) TxTrack {
  bool used = false;
  bool nack = false;  ///< the client may ask for packets again
  uint8_t codec = 0;
  uint8_t mid_id = 0, level_id = 0, orientation_id = 0;
  /// Retransmissions that are left: one more with each packet sent, so that nobody draws more than twice what
  /// the room carries, however much is asked for.
  uint16_t again_left = 0;
  static constexpr uint16_t kAgainMax = 256;
  std::array<uint8_t, 16> pt{};  ///< index: codec; 0xff: not negotiated
  FixedText<16> mid;
  rtp::Splice splice;
  rtp::SenderStats stats;
  rtp::RateMeter rate;
  rtp::LevelMeter level;
  uint64_t reported_at_packets = 0;  ///< stats.packets() at the last SR
  uint64_t nacks = 0;
  uint64_t plis = 0;
};

/// What only publishers of video or of transport-wide sequence numbers need; large.
struct Feedback {
  static constexpr size_t kNackWindow = 256;
  // What was asked for may come as many packets later as were asked about, and is not too old then.
  static_assert(srtp::ReplayWindow::kBits >= 2 * kNackWindow);
  rtp::NackTracker<kNackWindow> nack;
  rtcp::TwccRecorder twcc;
};

/// Credentials of one ICE generation of the client.
struct RemoteCredentials {
  uint8_t generation = 0;
  FixedText<256> ufrag;
  FixedText<256> pwd;
};

/// Touched at set-up, at hang-up and by timers.
struct SessionCold {
  uint32_t ended_gen = 0;  ///< the last session with this index that ended here
  SessionSpec spec;
  RemoteCredentials previous;  ///< of the ICE generation before the spec's
  bool dtls_started = false;
  bool keys_exported = false;
  uint16_t srtp_profile = 0;
  FixedText<slow::FromHandshake::kMaxLastFlight> last_flight;
  FixedText<slow::FromHandshake::kMaxCloseNotify> close_notify;
  Micros last_flight_sent{INT64_MIN / 2};
  Micros move_told{INT64_MIN / 2};
  Micros first_check_at, dtls_start_at, dtls_done_at, first_rtp_in_at, first_rtp_out_at;
  Micros next_report = kNever;  ///< RTCP and statistics
  Micros next_twcc = kNever;
  Micros next_nack = kNever;
  rtp::PublisherClock clock;
  std::array<uint32_t, kDropCount> drops{};
};

/// Packets of an echo agent on their way back.
struct EchoLine {
  static constexpr uint32_t kCapacity = 256;
  struct Item {
    Micros due;
    uint64_t index = 0;  ///< of the received packet
    SlotIndex slot = kNoSlot;
    uint16_t offset = 0;
    uint16_t len = 0;
  };
  uint32_t head = 0;
  uint32_t n = 0;
  std::array<Item, kCapacity> item{};

  Item& front() { return item[head % kCapacity]; }
  bool push(const Item& it) {
    if (n == kCapacity) return false;
    item[(head + n++) % kCapacity] = it;
    return true;
  }
  void pop() { ++head, --n; }
};

/// Addresses of a session owned elsewhere whose packets arrive here all the same.
struct HandedOver {
  static constexpr size_t kMax = 4;
  /// Once the list is full, the oldest gives way at most so often: an address costs an entry for steering.
  static constexpr Micros kReplaceInterval = seconds(1);
  uint32_t gen = 0;
  uint32_t n = 0;
  std::array<FlowKey, kMax> flow{};  ///< oldest first
  Micros newest_at;
};

}  // namespace sluice::engine
