// Which part of an offer Sluice takes up (RFC 3264 §6, RFC 9143 §7.3). Tame; control thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "net/sdp/error.h"
#include "net/sdp/offer.h"

namespace sluice::sdp {

enum class Role : uint8_t {
  publish,  ///< the client sends, we receive
  play,     ///< we send, the client receives
  agent,    ///< both ways, audio only
};

/// Identity of a codec for forwarding: two payload types with the same identity carry interchangeable
/// payload.
enum class Codec : uint8_t {
  opus,
  vp8,
  vp9,                        // profile 0
  h264_constrained_baseline,  // of H264 the level does not matter
  h264_baseline,
  h264_main,
  h264_constrained_high,
  h264_high,
  av1,  // profile 0
};
inline constexpr size_t kCodecCount = 9;
std::string_view name_of(Codec);        ///< for statistics and logs: "opus", "VP8", "H264-CB"
std::string_view encoding_name(Codec);  ///< for a=rtpmap: "opus", "VP8", "H264"
constexpr bool is_audio(Codec c) { return c == Codec::opus; }
constexpr uint32_t clock_rate(Codec c) { return is_audio(c) ? 48000 : 90000; }
constexpr uint32_t bit(Codec c) { return 1u << static_cast<unsigned>(c); }

struct Policy {
  Role role = Role::publish;
  uint32_t codecs = (1u << kCodecCount) - 1;  ///< bit(Codec) of each acceptable one
  bool video = true;                          ///< false: m=video is refused (always so for an agent)
  bool transport_cc = true;                   ///< publishers only: we send transport-wide feedback
};

struct NegotiatedCodec {
  Codec codec = Codec::opus;
  uint8_t pt = 0;  ///< in both directions; unique over all accepted m-lines of the session
  uint32_t clock_rate = 0;
  Feedback feedback{};  ///< accepted subset. ccm_fir: the client may send FIR instead of PLI. goog_remb never
  // Opus: what the offer asked us to send, and what the answer says that we want.
  bool stereo = false;
  bool inband_fec = false;
  bool dtx = false;
  uint32_t profile_level_id = 0;  ///< H264, 24 bits as offered
  bool single_nal =
      false;              ///< H264 packetization-mode 0: taken from publishers only, any receiver can read it
  uint8_t level_idx = 0;  ///< AV1, as offered
  uint8_t tier = 0;       ///< AV1, as offered
};

/// Local identifiers of RTP header extensions, 1..14 (one-byte form, RFC 8285 §4.2); 0: not negotiated.
struct ExtensionIds {
  uint8_t mid = 0;
  uint8_t audio_level = 0;
  uint8_t transport_cc = 0;       ///< publishers only
  uint8_t video_orientation = 0;  ///< video only
  bool operator==(const ExtensionIds&) const = default;
};

struct NegotiatedMedia {
  size_t index = 0;  ///< of the m-line in offer and answer
  std::string mid;   ///< empty if the offer has none
  MediaKind kind = MediaKind::audio;
  Direction direction = Direction::recvonly;  ///< ours
  std::vector<NegotiatedCodec> codecs;        ///< never empty; the offerer's order; each Codec at most once
  ExtensionIds ext;
  bool rtcp_rsize = false;
  std::vector<uint32_t> remote_ssrcs;  ///< signalled sources without repair streams; often empty
  std::string remote_cname;
};

struct RemoteTransport {
  std::string mid;   ///< of the offerer-tagged m-line (RFC 9143 §7.3.1) whose attributes these are
  size_t index = 0;  ///< of the same m-line
  std::string ufrag;
  std::string pwd;
  Fingerprint fingerprint;  ///< of the strongest hash offered; the client's certificate must match it
  bool trickle = false;
  std::vector<Candidate> candidates;  ///< for information: a lite agent learns the peer from its checks
};

struct Refusal {
  size_t index = 0;         ///< m-line
  std::string_view reason;  ///< static text, one clause: "data channels are not served"
};

/// Plain data; our DTLS role is always passive (server), RTCP is always multiplexed.
struct Negotiation {
  Role role = Role::publish;
  std::vector<NegotiatedMedia> media;  ///< accepted m-lines, by index; at most one audio and one video
  std::vector<Refusal> refused;        ///< all others, by index
  std::vector<std::string> bundle;     ///< accepted mids, the tag first; empty: the offer does not bundle
  RemoteTransport transport;

  const NegotiatedMedia* of_kind(MediaKind kind) const;
};

/// Errors: no acceptable m-line, no Opus from a publisher or for an agent, no RTCP multiplexing, a DTLS
/// server or ICE-lite on the other side, no credentials or fingerprint.
std::expected<Negotiation, Error> negotiate(const Offer& offer, const Policy& policy);

}  // namespace sluice::sdp
