#include "net/sdp/negotiate.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "net/sdp/codecs.h"
#include "net/sdp/text.h"

namespace sluice::sdp {
namespace {

using text::Place;
using text::Status;

constexpr std::string_view kMidUri = "urn:ietf:params:rtp-hdrext:sdes:mid";
constexpr std::string_view kAudioLevelUri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
constexpr std::string_view kTransportCcUri =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
constexpr std::string_view kNoCodec = "it offers no codec that is served";
constexpr std::string_view kVideoOrientationUri = "urn:3gpp:video-orientation";

/// What we do on an m-line, or empty if the role has no use for it.
std::optional<Direction> our_direction(Role role, Direction offered) {
  const Direction ours = reversed(offered);
  if (ours == Direction::inactive || role == Role::agent) return ours;
  const Direction wanted = role == Role::publish ? Direction::recvonly : Direction::sendonly;
  return ours == Direction::sendrecv || ours == wanted ? std::optional(wanted) : std::nullopt;
}

class Negotiator {
 public:
  Negotiator(const Offer& offer, const Policy& policy) : offer_(offer), policy_(policy) {}
  std::expected<Negotiation, Error> run();

 private:
  std::string_view consider(size_t index);
  std::string_view consider_rtp(const Media& m, size_t index);
  bool joins_transport(const Media& m) const;
  std::vector<NegotiatedCodec> take_codecs(const Media& m);
  ExtensionIds take_extensions(const Media& m, const NegotiatedMedia& out);
  Feedback accepted_feedback(const Feedback& offered, const Media& m) const;
  Status check_outcome() const;
  Status take_transport();
  Status take_credentials(const Media& tag, const Place& at);
  std::unexpected<Error> no_codec(MediaKind kind) const;

  const Offer& offer_;
  const Policy& policy_;
  Negotiation out_;
  const std::vector<std::string>* bundle_ = nullptr;  // the group that the first accepted m-line is in
  std::array<bool, 128> pt_taken_{};
  std::array<std::string_view, 15> ext_uri_{};  // meaning of each identifier in m-lines accepted so far
};

std::expected<Negotiation, Error> Negotiator::run() {
  const Place at{.scope = "offer", .line = 0};
  if (offer_.ice_lite)
    return at.unsupported("ice-lite", "the offerer is an ICE-lite agent, and so is this server",
                          "Use a full ICE agent (RFC 8445 section 2.5): one side has to send checks.");
  out_.role = policy_.role;
  for (size_t i = 0; i < offer_.media.size(); ++i)
    if (const auto reason = consider(i); !reason.empty()) out_.refused.push_back({i, reason});
  if (const Status s = check_outcome(); !s) return std::unexpected(s.error());
  if (const Status s = take_transport(); !s) return std::unexpected(s.error());
  return std::move(out_);
}

/// Accepts m-line `index`, or says why not.
std::string_view Negotiator::consider(size_t index) {
  const Media& m = offer_.media[index];
  if (m.rejected()) return "the offerer switched it off";
  if (m.kind == MediaKind::application) return "data channels are not served";
  if (m.kind == MediaKind::other) return "only audio and video are served";
  if (m.protocol != Protocol::dtls_srtp) return "its protocol is not UDP/TLS/RTP/SAVPF";
  if (m.kind == MediaKind::video && (!policy_.video || policy_.role == Role::agent))
    return "video is not served here";
  if (out_.of_kind(m.kind)) return "there is one m-line of this kind already";
  return consider_rtp(m, index);
}

std::string_view Negotiator::consider_rtp(const Media& m, size_t index) {
  const auto direction = our_direction(policy_.role, m.direction);
  if (!direction) return "its direction is of no use in this role";
  if (!joins_transport(m)) return "it is not in the BUNDLE group of the first m-line taken";

  NegotiatedMedia media;
  media.index = index;
  media.mid = m.mid;
  media.kind = m.kind;
  media.direction = *direction;
  media.codecs = take_codecs(m);
  if (media.codecs.empty()) return kNoCodec;
  media.ext = take_extensions(m, media);
  media.rtcp_rsize = m.rtcp_rsize;
  for (const Source& s : m.sources) {
    if (s.repair) continue;
    media.remote_ssrcs.push_back(s.ssrc);
    if (media.remote_cname.empty()) media.remote_cname = s.cname;
  }
  if (out_.media.empty()) {
    for (const auto& group : offer_.bundles)
      if (std::ranges::find(group, m.mid) != group.end()) bundle_ = &group;
  }
  out_.media.push_back(std::move(media));
  return {};
}

/// All accepted m-lines share one transport, so the second has to be bundled with the first.
bool Negotiator::joins_transport(const Media& m) const {
  if (!out_.media.empty()) return bundle_ && std::ranges::find(*bundle_, m.mid) != bundle_->end();
  if (m.port != 0) return true;
  return std::ranges::any_of(
      offer_.bundles, [&](const auto& group) { return std::ranges::find(group, m.mid) != group.end(); });
}

std::vector<NegotiatedCodec> Negotiator::take_codecs(const Media& m) {
  std::vector<NegotiatedCodec> taken;
  for (const OfferedCodec& offered : m.codecs) {
    auto codec = identify(offered, m.kind, policy_.role);
    // RFC 9143 §9.1.1: in one group a payload type means one thing.
    if (!codec || !(policy_.codecs & bit(codec->codec)) || pt_taken_[codec->pt]) continue;
    if (std::ranges::find(taken, codec->codec, &NegotiatedCodec::codec) != taken.end()) continue;
    codec->feedback = accepted_feedback(offered.feedback, m);
    taken.push_back(*codec);
  }
  for (const NegotiatedCodec& c : taken) pt_taken_[c.pt] = true;
  return taken;
}

Feedback Negotiator::accepted_feedback(const Feedback& offered, const Media& m) const {
  const bool video = m.kind == MediaKind::video;
  const bool has_sequence = std::ranges::any_of(m.extensions, [](const Extension& e) {
    return e.uri == kTransportCcUri && e.id <= 14 && sends(e.direction);
  });
  return {.nack = offered.nack,
          .nack_pli = video && offered.nack_pli,
          .ccm_fir = video && offered.ccm_fir,
          .transport_cc =
              offered.transport_cc && has_sequence && policy_.transport_cc && policy_.role == Role::publish};
}

ExtensionIds Negotiator::take_extensions(const Media& m, const NegotiatedMedia& out) {
  ExtensionIds ids;
  const bool video = m.kind == MediaKind::video, publish = policy_.role == Role::publish;
  const bool feedback =
      std::ranges::any_of(out.codecs, [](const NegotiatedCodec& c) { return c.feedback.transport_cc; });
  struct Wanted {
    std::string_view uri;
    bool wanted;
    uint8_t& id;
  };
  // A listener gets no extension that counts or dates packets: a retransmission repeats the packet byte by
  // byte.
  const Wanted wanted[] = {
      {kMidUri, !m.mid.empty() && m.mid.size() <= 16, ids.mid},  // RFC 8285 §4.2: 16 bytes at most
      {kAudioLevelUri, !video, ids.audio_level},
      {kTransportCcUri, publish && feedback, ids.transport_cc},
      {kVideoOrientationUri, video, ids.video_orientation},
  };
  for (const Extension& e : m.extensions) {
    if (e.id > 14 || (!ext_uri_[e.id].empty() && ext_uri_[e.id] != e.uri)) continue;
    const Direction ours = reversed(e.direction);
    const bool flows = (sends(ours) && sends(out.direction)) || (receives(ours) && receives(out.direction));
    for (const Wanted& w : wanted) {
      if (!w.wanted || w.uri != e.uri || w.id != 0 || !flows) continue;
      w.id = static_cast<uint8_t>(e.id);
      ext_uri_[e.id] = w.uri;
    }
  }
  return ids;
}

std::unexpected<Error> Negotiator::no_codec(MediaKind kind) const {
  std::string names;
  size_t first = offer_.media.size();
  for (size_t i = 0; i < offer_.media.size(); ++i) {
    if (offer_.media[i].kind != kind || offer_.media[i].rejected()) continue;
    first = std::min(first, i);
    for (const OfferedCodec& c : offer_.media[i].codecs) {
      const std::string shown = c.name.empty() ? std::to_string(c.pt) : c.name.substr(0, 16);
      if (names.size() + shown.size() > 120) break;
      if (!names.empty()) names += ", ";
      names += shown;
    }
  }
  const Place at{.scope = "offer.m[" + std::to_string(first) + "]", .line = offer_.media[first].line};
  if (kind == MediaKind::audio)
    return at.unsupported("rtpmap", "no Opus among the audio codecs offered: " + names,
                          "Offer opus/48000/2.");
  return at.unsupported("rtpmap", "no video codec that is served among those offered: " + names,
                        "Offer VP8, VP9 profile 0, H264 with packetization-mode=1, or AV1 profile 0.");
}

Status Negotiator::check_outcome() const {
  const auto refused_for_codec = [&](MediaKind kind) {
    return std::ranges::any_of(out_.refused, [&](const Refusal& r) {
      return offer_.media[r.index].kind == kind && r.reason == kNoCodec;
    });
  };
  const bool no_opus = !out_.of_kind(MediaKind::audio) && refused_for_codec(MediaKind::audio);
  if (no_opus && (out_.media.empty() || policy_.role != Role::play)) return no_codec(MediaKind::audio);
  if (!out_.media.empty()) return {};
  if (refused_for_codec(MediaKind::video)) return no_codec(MediaKind::video);

  const Refusal& first = out_.refused.front();
  const Place at{.scope = "offer.m[" + std::to_string(first.index) + "]",
                 .line = offer_.media[first.index].line};
  constexpr std::array kFixes{
      std::string_view("Offer a sendonly audio or video m-line to publish."),
      std::string_view("Offer a recvonly audio or video m-line to play."),
      std::string_view("Offer a sendrecv audio m-line to talk to an agent."),
  };
  return at.unsupported("", "no m-line can be served; of this one: " + std::string(first.reason),
                        std::string(kFixes[static_cast<size_t>(policy_.role)]));
}

/// RFC 9143 §7.3.1: the tag is the first m-line of the group, in the group's order, that is accepted.
Status Negotiator::take_transport() {
  size_t tag = out_.media.front().index;
  if (bundle_) {
    for (const std::string& mid : *bundle_)
      for (const NegotiatedMedia& m : out_.media)
        if (m.mid == mid) out_.bundle.push_back(mid);
    tag = static_cast<size_t>(offer_.by_mid(out_.bundle.front()) - offer_.media.data());
  }
  const Media& m = offer_.media[tag];
  const Place at{.scope = "offer.m[" + std::to_string(tag) + "]", .line = m.line};
  if (!m.rtcp_mux)
    return at.unsupported("rtcp-mux", "a=rtcp-mux is missing, and RTCP is served on the same port only",
                          "Offer a=rtcp-mux (RFC 5761).");
  if (m.transport.setup == Setup::passive || m.transport.setup == Setup::holdconn)
    return at.unsupported("setup", "a=setup makes this server the DTLS client, which it never is",
                          "Offer a=setup:actpass (RFC 8842 section 5.2).");
  out_.transport.mid = m.mid;
  out_.transport.index = tag;
  return take_credentials(m, at);
}

Status Negotiator::take_credentials(const Media& tag, const Place& at) {
  const TransportAttributes& t = tag.transport;
  if (t.ufrag.empty() || t.pwd.empty())
    return at.malformed(t.ufrag.empty() ? "ice-ufrag" : "ice-pwd",
                        "the m-line has no complete ICE credentials",
                        "Give a=ice-ufrag and a=ice-pwd (RFC 8839 section 5.4).");
  if (t.fingerprints.empty() && t.other_fingerprint)
    return at.unsupported("fingerprint", "a=fingerprint is given for an unsupported hash function only",
                          "Give a sha-256, sha-384 or sha-512 fingerprint.");
  if (t.fingerprints.empty())
    return at.malformed("fingerprint", "the m-line has no a=fingerprint",
                        "Give the DTLS certificate's sha-256.");
  out_.transport.ufrag = t.ufrag;
  out_.transport.pwd = t.pwd;
  out_.transport.trickle = t.trickle;
  out_.transport.candidates = tag.candidates;
  // RFC 8122 §5: judge by the strongest hash. HashAlg is ordered by strength.
  out_.transport.fingerprint = *std::ranges::max_element(t.fingerprints, {}, &Fingerprint::alg);
  return {};
}

}  // namespace

const NegotiatedMedia* Negotiation::of_kind(MediaKind kind) const {
  const auto found = std::ranges::find(media, kind, &NegotiatedMedia::kind);
  return found == media.end() ? nullptr : &*found;
}

std::expected<Negotiation, Error> negotiate(const Offer& offer, const Policy& policy) {
  return Negotiator(offer, policy).run();
}

}  // namespace sluice::sdp
