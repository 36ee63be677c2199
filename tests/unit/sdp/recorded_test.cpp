// Offers of stock clients, in every role.
#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

/// "0:audio:sendrecv:opus@111 1:video:sendonly:VP8@96,AV1@45", or "error FIELD".
std::string outcome(const Offer& offer, Role role) {
  const auto n = negotiate(offer, {.role = role});
  if (!n) {
    CHECK_FALSE(n.error().message.empty());
    CHECK_FALSE(n.error().fix.empty());
    return "error " + n.error().field;
  }
  std::string out;
  for (const NegotiatedMedia& m : n->media) {
    if (!out.empty()) out.append(" ");
    out.append(m.mid).append(":").append(name_of(m.kind)).append(":").append(name_of(m.direction));
    std::string_view separator = ":";
    for (const NegotiatedCodec& c : m.codecs) {
      out.append(separator).append(name_of(c.codec)).append("@").append(std::to_string(c.pt));
      separator = ",";
    }
  }
  CHECK(flaw_of_answer(offer, *n, write_answer(offer, *n, local_for(*n))) == "");
  return out;
}

struct Expected {
  std::string publish, play, agent;
};

const std::string kChromiumVideo = " 1:video:sendonly:VP8@96,VP9@98,H264-B@102,H264-CB@108,H264-M@116,AV1@45";

const std::map<std::string, Expected> kExpected{
    {"handwritten-gst-whipsink.sdp",
     {"video0:video:recvonly:H264-CB@96 audio1:audio:recvonly:opus@98", "error offer.m[0]",
      "audio1:audio:recvonly:opus@98"}},
    {"handwritten-obs-whip.sdp",
     {"0:audio:recvonly:opus@111 1:video:recvonly:H264-CB@96", "error offer.m[0]",
      "0:audio:recvonly:opus@111"}},
    {"handwritten-whip-rfc9725-style.sdp",
     {"0:audio:recvonly:opus@111 1:video:recvonly:VP8@96", "error offer.m[0]", "0:audio:recvonly:opus@111"}},
    {"offer-aiortc-agent.sdp",
     {"0:audio:recvonly:opus@96", "0:audio:sendonly:opus@96", "0:audio:sendrecv:opus@96"}},
    {"offer-chromium156-agent.sdp",
     {"0:audio:recvonly:opus@111", "0:audio:sendonly:opus@111", "0:audio:sendrecv:opus@111"}},
    {"offer-chromium156-agentVideo.sdp",
     {"0:audio:recvonly:opus@111", "0:audio:sendonly:opus@111" + kChromiumVideo,
      "0:audio:sendrecv:opus@111"}},
    {"offer-chromium156-whep-mdns.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@111", "0:audio:sendonly:opus@111"}},
    {"offer-chromium156-whep.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@111", "0:audio:sendonly:opus@111"}},
    {"offer-chromium156-whepNoMic.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@111", "0:audio:sendonly:opus@111"}},
    {"offer-chromium156-whip.sdp",
     {"0:audio:recvonly:opus@111", "error offer.m[0]", "0:audio:recvonly:opus@111"}},
    {"offer-firefox153esr-agent.sdp",
     {"0:audio:recvonly:opus@109", "0:audio:sendonly:opus@109", "0:audio:sendrecv:opus@109"}},
    {"offer-firefox153esr-agentVideo.sdp",
     {"0:audio:recvonly:opus@109", "0:audio:sendonly:opus@109 1:video:sendonly:VP8@120,VP9@121,AV1@99",
      "0:audio:sendrecv:opus@109"}},
    {"offer-firefox153esr-whep-mdns.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@109", "0:audio:sendonly:opus@109"}},
    {"offer-firefox153esr-whep.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@109", "0:audio:sendonly:opus@109"}},
    {"offer-firefox153esr-whepNoMic.sdp",
     {"error offer.m[0]", "0:audio:sendonly:opus@109", "0:audio:sendonly:opus@109"}},
    {"offer-firefox153esr-whip.sdp",
     {"0:audio:recvonly:opus@109", "error offer.m[0]", "0:audio:recvonly:opus@109"}},
    {"offer-gst-agent.sdp",
     {"audio0:audio:recvonly:opus@96", "audio0:audio:sendonly:opus@96", "audio0:audio:sendrecv:opus@96"}},
    {"offer-ndc-agent.sdp",
     {"0:audio:recvonly:opus@111", "0:audio:sendonly:opus@111", "0:audio:sendrecv:opus@111"}},
    {"offer-werift-agent.sdp",
     {"0:audio:recvonly:opus@96", "0:audio:sendonly:opus@96", "0:audio:sendrecv:opus@96"}},
    {"offer-wrtc-agent.sdp",
     {"0:audio:recvonly:opus@111", "0:audio:sendonly:opus@111", "0:audio:sendrecv:opus@111"}},
};

}  // namespace

TEST_CASE("every sample is answered, or refused with a reason, in every role as expected") {
  CHECK(samples().size() == kExpected.size());
  for (const Sample& s : samples()) {
    CAPTURE(s.name);
    REQUIRE(kExpected.contains(s.name));
    const Expected& e = kExpected.at(s.name);
    const Offer offer = parsed(s.text);
    CHECK(outcome(offer, Role::publish) == e.publish);
    CHECK(outcome(offer, Role::play) == e.play);
    CHECK(outcome(offer, Role::agent) == e.agent);
  }
}

TEST_CASE("samples with LF line ends mean the same") {
  for (const Sample& s : samples()) {
    CAPTURE(s.name);
    std::string text = s.text;
    std::erase(text, '\r');
    const Offer lf = parsed(text), crlf = parsed(s.text);
    for (const Role role : {Role::publish, Role::play, Role::agent})
      CHECK(outcome(lf, role) == outcome(crlf, role));
  }
}

TEST_CASE("aiortc's credentials are those of the tagged m-line though each m-line has its own") {
  const Negotiation n = negotiated(sample("offer-aiortc-agent.sdp"), Role::agent);
  CHECK(n.transport.mid == "0");
  CHECK(n.transport.ufrag == "341T");
  CHECK(n.transport.pwd == "RNLa3Nxdj1ynW1wEzipRbe");
  CHECK(n.transport.candidates.size() == 2);
  CHECK(n.bundle == std::vector<std::string>{"0"});
}

TEST_CASE("aiortc's old data channel line is understood and refused") {
  const Offer offer = parsed(sample("offer-aiortc-agent.sdp"));
  CHECK(offer.media[1].protocol == Protocol::old_sctp);
  CHECK(offer.media[1].sctp_port == 5000);
  CHECK(offer.media[1].max_message_size == 65536);
  const auto n = negotiate(offer, {.role = Role::agent});
  REQUIRE(n.has_value());
  const std::string answer = write_answer(offer, *n, local_for(*n));
  CHECK(answer.find("m=application 0 DTLS/SCTP 5000\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n") !=
        std::string::npos);
  CHECK(answer.find("a=group:BUNDLE 0\r\n") != std::string::npos);
}

TEST_CASE("Firefox's fingerprint and direction at session level hold for its m-lines") {
  const Offer offer = parsed(sample("offer-firefox153esr-agent.sdp"));
  for (const Media& m : offer.media) {
    REQUIRE(m.transport.fingerprints.size() == 1);
    CHECK(m.transport.fingerprints[0].bytes[0] == 0xfd);
    CHECK(m.transport.trickle);
  }
  CHECK(parsed(sample("offer-firefox153esr-whip.sdp")).media[0].direction == Direction::sendonly);
}

TEST_CASE("mDNS candidates are kept by name and without an address") {
  const Offer offer = parsed(sample("offer-chromium156-whep-mdns.sdp"));
  REQUIRE(offer.media[0].candidates.size() == 2);
  CHECK(offer.media[0].candidates[0].host == "1fc4c086-88f7-4897-af57-7c7f605feb9d.local");
  CHECK_FALSE(offer.media[0].candidates[0].endpoint.has_value());
}

TEST_CASE("Chromium's candidates keep address, transport and priority") {
  const Offer offer = parsed(sample("offer-chromium156-agent.sdp"));
  const auto& c = offer.media[0].candidates;
  REQUIRE(c.size() == 8);
  CHECK(c[1].endpoint == parse_endpoint("192.0.2.2:53494"));
  CHECK(c[1].priority == 2122063615);
  CHECK_FALSE(c[1].tcp);
  CHECK(c[4].tcp);
  CHECK(c[3].endpoint == parse_endpoint("[fd00::2]:47219"));
}

TEST_CASE("Firefox's candidates for component 2 are dropped") {
  const Offer offer = parsed(sample("offer-firefox153esr-agent.sdp"));
  CHECK(offer.media[0].candidates.size() == 4);
  CHECK(offer.media[0].end_of_candidates);
}

TEST_CASE("Chromium's video is offered with nine header extensions of which a player gets two") {
  const Negotiation n = negotiated(sample("offer-chromium156-agentVideo.sdp"), Role::play);
  const NegotiatedMedia* audio = n.of_kind(MediaKind::audio);
  const NegotiatedMedia* video = n.of_kind(MediaKind::video);
  REQUIRE(audio);
  REQUIRE(video);
  CHECK(audio->ext == ExtensionIds{.mid = 4, .audio_level = 1});
  CHECK(video->ext == ExtensionIds{.mid = 4, .video_orientation = 13});
  for (const NegotiatedCodec& c : video->codecs)
    CHECK(c.feedback == Feedback{.nack = true, .nack_pli = true, .ccm_fir = true});
  CHECK(audio->codecs[0].feedback == Feedback{});
}

TEST_CASE("a publishing browser is promised transport-wide feedback") {
  const Negotiation n = negotiated(sample("offer-chromium156-whip.sdp"), Role::publish);
  CHECK(n.media[0].ext == ExtensionIds{.mid = 4, .audio_level = 1, .transport_cc = 3});
  CHECK(n.media[0].codecs[0].feedback == Feedback{.transport_cc = true});
  CHECK(n.media[0].codecs[0].inband_fec);
  CHECK(n.media[0].remote_ssrcs.size() == 1);
}

TEST_CASE(
    "GStreamer's retransmission stream is not taken for a source, nor is transport-cc without feedback for "
    "all") {
  const Negotiation n = negotiated(sample("handwritten-gst-whipsink.sdp"), Role::publish);
  const NegotiatedMedia* video = n.of_kind(MediaKind::video);
  REQUIRE(video);
  CHECK(video->remote_ssrcs == std::vector<uint32_t>{1298498081});
  CHECK(video->remote_cname == "user3916589616@host-7c0f");
  CHECK(video->ext.transport_cc == 1);
  CHECK(n.of_kind(MediaKind::audio)->codecs[0].feedback.transport_cc == false);
  CHECK(n.transport.mid == "video0");
  CHECK(n.bundle == std::vector<std::string>{"video0", "audio1"});
}

TEST_CASE("OBS's credentials at session level hold for both m-lines") {
  const Negotiation n = negotiated(sample("handwritten-obs-whip.sdp"), Role::publish);
  CHECK(n.transport.ufrag == "obs7");
  CHECK(n.transport.fingerprint.bytes[0] == 0x3c);
  CHECK(n.media[0].codecs[0].stereo);
}

TEST_CASE("simulcast is refused by an answer without it, and wildcard feedback counts for each codec") {
  const Offer offer = parsed(sample("handwritten-whip-rfc9725-style.sdp"));
  CHECK(offer.media[1].simulcast);
  CHECK(offer.media[1].bundle_only);
  CHECK_FALSE(offer.media[1].rejected());
  const auto n = negotiate(offer, {.role = Role::publish});
  REQUIRE(n.has_value());
  CHECK(n->media[1].codecs[0].feedback == Feedback{.nack = true, .nack_pli = true, .ccm_fir = true});
}
