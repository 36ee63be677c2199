#include "tools/client/offer.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/sdp/fragment.h"
#include "net/sdp/offer.h"

namespace sluice::client {
namespace {

constexpr uint8_t kOpus = 111, kVp8 = 96;
constexpr uint8_t kLevelId = 1, kTransportSeqId = 3, kMidId = 4;
constexpr std::string_view kLevelUri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
constexpr std::string_view kMidUri = "urn:ietf:params:rtp-hdrext:sdes:mid";
constexpr std::string_view kTransportUri =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

std::string_view direction_of(CallRole r) {
  return r == CallRole::publish ? "sendonly" : r == CallRole::play ? "recvonly" : "sendrecv";
}

std::string media_lines(const OfferSpec& s, Kind kind) {
  const bool audio = kind == kAudio;
  std::string out = fmt::format(
      "m={} 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
      "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\n"
      "a=setup:actpass\r\na=mid:{}\r\na=extmap:{} {}\r\n",
      audio ? "audio" : "video", audio ? kOpus : kVp8, s.ice.ufrag, s.ice.pwd, dtls::to_text(s.fingerprint),
      audio ? 0 : 1, kMidId, kMidUri);
  if (audio) out += fmt::format("a=extmap:{} {}\r\n", kLevelId, kLevelUri);
  if (!audio) out += fmt::format("a=extmap:{} {}\r\n", kTransportSeqId, kTransportUri);
  out += fmt::format("a={}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n", direction_of(s.role));
  if (audio)
    out += fmt::format("a=rtpmap:{0} opus/48000/2\r\na=fmtp:{0} minptime=10;useinbandfec=1\r\n", kOpus);
  else
    out += fmt::format(
        "a=rtpmap:{0} VP8/90000\r\na=rtcp-fb:{0} nack\r\na=rtcp-fb:{0} nack pli\r\na=rtcp-fb:{0} ccm fir\r\n"
        "a=rtcp-fb:{0} transport-cc\r\n",
        kVp8);
  if (s.role != CallRole::play) out += fmt::format("a=ssrc:{} cname:{}\r\n", s.ssrc[kind].v, s.cname);
  return out;
}

AnsweredMedia read_media(const sdp::Media& m) {
  AnsweredMedia out;
  out.accepted = !m.rejected() && !m.codecs.empty();
  if (!out.accepted) return out;
  out.sends = sdp::sends(m.direction);
  out.pt = m.codecs.front().pt;
  out.mid = m.mid;
  for (const sdp::Extension& e : m.extensions) {
    if (e.uri == kMidUri) out.mid_id = static_cast<uint8_t>(e.id);
    if (e.uri == kLevelUri) out.level_id = static_cast<uint8_t>(e.id);
    if (e.uri == kTransportUri) out.transport_seq_id = static_cast<uint8_t>(e.id);
  }
  for (const sdp::Source& s : m.sources) out.ssrcs.push_back(Ssrc{s.ssrc});
  return out;
}

void add_candidates(Answer& a, const std::vector<sdp::Candidate>& list) {
  for (const sdp::Candidate& c : list)
    if (c.endpoint && !c.tcp && std::ranges::find(a.candidates, *c.endpoint) == a.candidates.end())
      a.candidates.push_back(*c.endpoint);
}

}  // namespace

std::string write_offer(const OfferSpec& s) {
  std::string out = fmt::format(
      "v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n"
      "a=extmap-allow-mixed\r\n",
      1'000'000'000ULL + s.ssrc[0].v, s.video ? "0 1" : "0");
  out += media_lines(s, kAudio);
  if (s.video) out += media_lines(s, kVideo);
  return out;
}

std::string write_restart(const IceCredentials& ice) {
  return fmt::format(
      "a=ice-options:trickle\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
      "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
      ice.ufrag, ice.pwd);
}

std::optional<Answer> read_answer(std::string_view text) {
  const auto parsed = sdp::parse_offer(text);
  if (!parsed) return std::nullopt;
  Answer a;
  for (const sdp::Media& m : parsed->media) {
    if (m.kind != sdp::MediaKind::audio && m.kind != sdp::MediaKind::video) continue;
    a.media[m.kind == sdp::MediaKind::audio ? kAudio : kVideo] = read_media(m);
    if (m.rejected()) continue;
    a.ice = {m.transport.ufrag, m.transport.pwd};
    add_candidates(a, m.candidates);
    if (!m.transport.fingerprints.empty()) {
      const sdp::Fingerprint& f = m.transport.fingerprints.front();
      a.fingerprint = dtls::Fingerprint{dtls::HashAlg::sha256, f.bytes};
    }
  }
  if (a.ice.ufrag.empty() || a.candidates.empty()) return std::nullopt;
  return a;
}

std::optional<Answer> read_restart(std::string_view fragment) {
  const auto parsed = sdp::parse_fragment(fragment);
  if (!parsed || parsed->ufrag.empty()) return std::nullopt;
  Answer a;
  a.ice = {parsed->ufrag, parsed->pwd};
  add_candidates(a, parsed->candidates);
  return a;
}

}  // namespace sluice::client
