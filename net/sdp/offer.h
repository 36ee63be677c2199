// An SDP offer (RFC 8866, RFC 3264) as plain data. Tame: no I/O, clock or randomness; control thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/endpoint.h"
#include "net/sdp/error.h"

namespace sluice::sdp {

// What one offer may hold. More m-lines, codecs or text is an error; more of the rest is ignored.
inline constexpr size_t kOfferBytesMax = 65536;
inline constexpr size_t kMediaMax = 32;
inline constexpr size_t kCodecsMax = 64;       // per m-line
inline constexpr size_t kCandidatesMax = 64;   // per m-line
inline constexpr size_t kExtensionsMax = 32;   // per m-line
inline constexpr size_t kSourcesMax = 32;      // SSRCs per m-line
inline constexpr size_t kFingerprintsMax = 8;  // per level
inline constexpr size_t kGroupsMax = 8;
inline constexpr size_t kMidBytesMax = 64;

enum class MediaKind : uint8_t { audio, video, application, other };
enum class Protocol : uint8_t {
  dtls_srtp,  ///< UDP/TLS/RTP/SAVPF, and its spellings with SAVP or TCP in front
  dtls_sctp,  ///< UDP/DTLS/SCTP, TCP/DTLS/SCTP
  old_sctp,   ///< DTLS/SCTP with a=sctpmap, as before RFC 8841
  other,
};
enum class Direction : uint8_t { sendrecv, sendonly, recvonly, inactive };
enum class Setup : uint8_t { none, active, passive, actpass, holdconn };
enum class HashAlg : uint8_t { sha256, sha384, sha512 };

std::string_view name_of(MediaKind);  ///< "audio"
std::string_view name_of(Direction);  ///< "sendrecv"
std::string_view name_of(HashAlg);    ///< "sha-256"
/// What the other side of an m-line with direction `d` calls it: sendonly and recvonly change places.
Direction reversed(Direction d);
constexpr bool sends(Direction d) { return d == Direction::sendrecv || d == Direction::sendonly; }
constexpr bool receives(Direction d) { return d == Direction::sendrecv || d == Direction::recvonly; }

/// A certificate's hash, RFC 8122 §5.
struct Fingerprint {
  HashAlg alg = HashAlg::sha256;
  std::array<uint8_t, 64> bytes{};
  uint8_t size = 0;  ///< 32, 48 or 64

  std::span<const uint8_t> view() const { return {bytes.data(), size}; }
  bool operator==(const Fingerprint&) const = default;
};

enum class CandidateType : uint8_t { host, srflx, prflx, relay };

/// One ICE candidate, RFC 8839 §5.1. Only those that parse are kept.
struct Candidate {
  std::string foundation;
  uint16_t component = 1;
  bool tcp = false;
  uint32_t priority = 0;
  std::string host;  ///< as written: an address or an mDNS name ("....local")
  uint16_t port = 0;
  std::optional<Endpoint> endpoint;  ///< empty if `host` is a name
  CandidateType type = CandidateType::host;
};

/// a=extmap, RFC 8285 §5.
struct Extension {
  uint16_t id = 0;  ///< 1..14, 16..255, or 4096..4351 (an offer that lets us choose)
  Direction direction = Direction::sendrecv;  ///< as the offerer sees it
  std::string uri;
  uint32_t line = 0;
};

/// Feedback that a codec was offered with (a=rtcp-fb, RFC 4585 §4.2); `*` lines are already spread out.
struct Feedback {
  bool nack = false;
  bool nack_pli = false;
  bool ccm_fir = false;
  bool transport_cc = false;
  bool goog_remb = false;
  bool operator==(const Feedback&) const = default;
};

/// One payload type of an m-line, in the m-line's order.
struct OfferedCodec {
  uint8_t pt = 0;           ///< 0..127
  std::string name;         ///< as written, "OPUS"; empty: neither a=rtpmap nor a static type of RFC 3551
  uint32_t clock_rate = 0;  ///< Hz
  uint8_t channels = 1;     ///< audio
  std::string fmtp;         ///< parameters as written; "" if none
  Feedback feedback;

  bool is(std::string_view codec_name) const;  ///< compares names without case (RFC 8866 §6.6)
  /// The value of one fmtp parameter (case-insensitive name), empty if it is absent.
  std::optional<std::string_view> parameter(std::string_view key) const;
};

/// a=ssrc lines of one source, RFC 5576.
struct Source {
  uint32_t ssrc = 0;
  std::string cname{};
  bool repair = false;  ///< not the first of an a=ssrc-group FID or FEC-FR: retransmission or FEC of another
};

/// Attributes that may stand at session level too, where they hold for every m-line that has none of its own.
struct TransportAttributes {
  std::string ufrag;                      ///< 4..256 ice-chars, empty if absent
  std::string pwd;                        ///< 22..256 ice-chars, empty if absent
  std::vector<Fingerprint> fingerprints;  ///< of supported hashes only
  bool other_fingerprint = false;         ///< there was one with a hash that is not supported
  Setup setup = Setup::none;
  bool trickle = false;  ///< a=ice-options has "trickle"
};

struct Media {
  uint32_t line = 0;  ///< of the m= line
  MediaKind kind = MediaKind::other;
  std::string kind_text;  ///< "audio", "text"
  Protocol protocol = Protocol::other;
  std::string protocol_text;  ///< token of the m= line, as written
  std::string format_text;    ///< first format of the m= line: "111", "webrtc-datachannel", "5000"
  uint16_t port = 0;
  bool bundle_only = false;  ///< RFC 9143 §6: port 0, yet not rejected
  std::string mid;           ///< empty if absent
  Direction direction = Direction::sendrecv;
  TransportAttributes transport;  ///< session level already merged in
  std::vector<Candidate> candidates;
  bool end_of_candidates = false;
  std::vector<OfferedCodec> codecs;
  std::vector<Extension> extensions;
  bool rtcp_mux = false;
  bool rtcp_rsize = false;
  std::vector<Source> sources;
  std::string msid_stream, msid_track;  ///< a=msid, RFC 8830; empty if absent
  bool simulcast = false;               ///< a=simulcast or a=rid is there
  uint16_t ptime = 0, maxptime = 0;     ///< ms; 0 if absent
  uint16_t sctp_port = 0;               ///< a=sctp-port, or a=sctpmap's
  uint32_t max_message_size = 0;        ///< bytes; 0 if absent

  /// The offerer itself switched this m-line off (RFC 3264 §6).
  bool rejected() const { return port == 0 && !bundle_only; }
};

struct Offer {
  bool ice_lite = false;
  bool extmap_allow_mixed = false;                ///< at session level
  std::vector<std::vector<std::string>> bundles;  ///< mids of each a=group:BUNDLE, RFC 9143
  std::vector<Media> media;                       ///< in order; never empty

  const Media* by_mid(std::string_view mid) const;
};

/// Reads an offer. Hostile input welcome: bounded by the constants above, linear in its length, no recursion.
/// Lines end in CRLF or LF. Unknown attributes are ignored; known ones that break their grammar are errors,
/// but for candidates, which are dropped one by one.
std::expected<Offer, Error> parse_offer(std::string_view text);

}  // namespace sluice::sdp
