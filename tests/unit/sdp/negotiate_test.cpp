#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

void check_unsupported(const Error& e, std::string_view field) {
  CAPTURE(e.message);
  CHECK(e.kind == ErrorKind::unsupported);
  CHECK(e.field == field);
  CHECK_FALSE(e.fix.empty());
}

std::vector<Codec> video_codecs(std::string_view text, Role role) {
  std::vector<Codec> out;
  const Negotiation n = negotiated(text, role);
  if (const NegotiatedMedia* video = n.of_kind(MediaKind::video))
    for (const NegotiatedCodec& c : video->codecs) out.push_back(c.codec);
  return out;
}

std::string h264(std::string_view fmtp) {
  return replaced(av_offer(), "packetization-mode=1;profile-level-id=42e01f", fmtp);
}

}  // namespace

TEST_CASE("directions follow the role") {
  struct Case {
    Role role;
    std::string_view offered;
    Direction ours;
  };
  const Case cases[] = {
      {Role::publish, "sendonly", Direction::recvonly}, {Role::publish, "sendrecv", Direction::recvonly},
      {Role::publish, "inactive", Direction::inactive}, {Role::play, "recvonly", Direction::sendonly},
      {Role::play, "sendrecv", Direction::sendonly},    {Role::play, "inactive", Direction::inactive},
      {Role::agent, "sendrecv", Direction::sendrecv},   {Role::agent, "sendonly", Direction::recvonly},
      {Role::agent, "recvonly", Direction::sendonly},   {Role::agent, "inactive", Direction::inactive},
  };
  for (const Case& c : cases) {
    CAPTURE(c.offered);
    const std::string text = replaced(audio_offer(), "a=sendrecv", "a=" + std::string(c.offered));
    CHECK(negotiated(text, c.role).media[0].direction == c.ours);
  }
}

TEST_CASE("a publisher that only receives and a player that only sends are told so") {
  check_unsupported(negotiate_error(replaced(audio_offer(), "sendrecv", "recvonly"), Role::publish),
                    "offer.m[0]");
  check_unsupported(negotiate_error(replaced(audio_offer(), "sendrecv", "sendonly"), Role::play),
                    "offer.m[0]");
}

TEST_CASE("no Opus is an error that names the codecs offered") {
  const std::string text = replaced(audio_offer(), "opus/48000/2", "L16/48000/2");
  for (const Role role : {Role::publish, Role::play, Role::agent}) {
    const Error e = negotiate_error(text, role);
    check_unsupported(e, "offer.m[0].rtpmap");
    CHECK(e.message.find("L16, PCMU") != std::string::npos);
    CHECK(e.line == 6);
  }
}

TEST_CASE("a player without Opus still gets its video, a publisher does not") {
  const std::string text = replaced(av_offer(), "opus/48000/2", "L16/48000/2");
  const Negotiation n = negotiated(text, Role::play);
  CHECK(n.media.size() == 1);
  CHECK(n.transport.mid == "1");
  CHECK(n.transport.ufrag == "efgh");
  CHECK(n.transport.fingerprint.bytes[0] == 0x20);
  CHECK(n.bundle == std::vector<std::string>{"1"});
  check_unsupported(negotiate_error(text, Role::publish), "offer.m[0].rtpmap");
}

TEST_CASE("Opus is two channels at 48 kHz, in any case, the first of several") {
  CHECK(negotiated(replaced(audio_offer(), "opus", "OpUs"), Role::agent).media[0].codecs[0].pt == 111);
  check_unsupported(negotiate_error(replaced(audio_offer(), "48000/2", "48000"), Role::agent),
                    "offer.m[0].rtpmap");
  check_unsupported(negotiate_error(replaced(audio_offer(), "48000/2", "16000/2"), Role::agent),
                    "offer.m[0].rtpmap");
  const Negotiation twice = negotiated(
      replaced(audio_offer(), "SAVPF 111 0", "SAVPF 96 111").append("a=rtpmap:96 opus/48000/2\r\n"),
      Role::agent);
  REQUIRE(twice.media[0].codecs.size() == 1);
  CHECK(twice.media[0].codecs[0].pt == 96);
}

TEST_CASE("Opus parameters are taken from the offer") {
  const Negotiation n =
      negotiated(replaced(audio_offer(), "useinbandfec=1", "stereo=1;usedtx=1"), Role::agent);
  const NegotiatedCodec& c = n.media[0].codecs[0];
  CHECK(c.stereo);
  CHECK(c.dtx);
  CHECK_FALSE(c.inband_fec);
}

TEST_CASE("H264 profiles are identities of their own") {
  const std::pair<std::string_view, Codec> cases[] = {{"42e01f", Codec::h264_constrained_baseline},
                                                      {"42C01F", Codec::h264_constrained_baseline},
                                                      {"4d8028", Codec::h264_constrained_baseline},
                                                      {"42001f", Codec::h264_baseline},
                                                      {"58a01f", Codec::h264_baseline},
                                                      {"58c01f", Codec::h264_constrained_baseline},
                                                      {"4d001f", Codec::h264_main},
                                                      {"640c1f", Codec::h264_constrained_high},
                                                      {"64001f", Codec::h264_high}};
  for (const auto& [id, codec] : cases) {
    CAPTURE(id);
    CHECK(video_codecs(h264("packetization-mode=1;profile-level-id=" + std::string(id)), Role::play) ==
          std::vector{Codec::vp8, codec});
  }
  CHECK(video_codecs(h264("packetization-mode=1"), Role::play) ==
        std::vector{Codec::vp8, Codec::h264_baseline});
}

TEST_CASE("H264 of other profiles, of broken parameters or of mode 0 is not given to players") {
  for (const std::string_view fmtp :
       {"packetization-mode=1;profile-level-id=f4001f", "packetization-mode=1;profile-level-id=42e01",
        "packetization-mode=1;profile-level-id=42e01g", "packetization-mode=2;profile-level-id=42e01f",
        "packetization-mode=0;profile-level-id=42e01f", "profile-level-id=42e01f",
        "packetization-mode=1;profile-level-id=58001f"}) {
    CAPTURE(fmtp);
    CHECK(video_codecs(h264(fmtp), Role::play) == std::vector{Codec::vp8});
  }
}

TEST_CASE("a publisher may send H264 in mode 0, which any receiver reads") {
  const Negotiation n = negotiated(h264("profile-level-id=42e01f"), Role::publish);
  const NegotiatedCodec& c = n.of_kind(MediaKind::video)->codecs[1];
  CHECK(c.codec == Codec::h264_constrained_baseline);
  CHECK(c.single_nal);
}

TEST_CASE("VP9 and AV1 are taken in profile 0 only, with or without parameters") {
  const auto with = [](std::string_view codec, std::string_view fmtp) {
    std::string text = replaced(av_offer(), "VP8/90000", std::string(codec) + "/90000");
    if (!fmtp.empty()) text += "a=fmtp:96 " + std::string(fmtp) + "\r\n";
    return video_codecs(text, Role::play).front();
  };
  CHECK(with("VP9", "") == Codec::vp9);
  CHECK(with("vp9", "profile-id=0") == Codec::vp9);
  CHECK(with("VP9", "profile-id=2") == Codec::h264_constrained_baseline);
  CHECK(with("AV1", "") == Codec::av1);
  CHECK(with("AV1", "profile=0;level-idx=13;tier=1") == Codec::av1);
  CHECK(with("AV1", "profile=1") == Codec::h264_constrained_baseline);
  CHECK(with("AV1", "level-idx=999") == Codec::h264_constrained_baseline);
}

TEST_CASE("the policy restricts codecs and video") {
  const Offer offer = parsed(av_offer());
  const auto only = negotiate(offer, {.role = Role::play, .codecs = bit(Codec::opus) | bit(Codec::vp8)});
  REQUIRE(only.has_value());
  CHECK(only->media[1].codecs.size() == 1);
  const auto audio = negotiate(offer, {.role = Role::play, .video = false});
  REQUIRE(audio.has_value());
  CHECK(audio->media.size() == 1);
  REQUIRE(audio->refused.size() == 1);
  CHECK(audio->refused[0].index == 1);
  CHECK(negotiate(offer, {.role = Role::agent})->media.size() == 1);
}

TEST_CASE("only the first m-line of each kind is taken") {
  std::string text = replaced(av_offer(), "BUNDLE 0 1", "BUNDLE 0 1 2 3");
  text += "m=audio 9 UDP/TLS/RTP/SAVPF 97\r\na=mid:2\r\na=rtpmap:97 opus/48000/2\r\n";
  text += "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:3\r\na=rtpmap:98 VP8/90000\r\n";
  const Negotiation n = negotiated(text, Role::publish);
  CHECK(n.media.size() == 2);
  CHECK(n.refused.size() == 2);
  CHECK(n.bundle == std::vector<std::string>{"0", "1"});
}

TEST_CASE("an m-line that the offerer rejected is passed over for the next of its kind") {
  std::string text = replaced(audio_offer(), "BUNDLE 0", "BUNDLE 5");
  text = replaced(text, "m=audio 9 ", "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:4\r\nm=audio 9 ");
  text = replaced(text, "a=mid:0", "a=mid:5");
  const Negotiation n = negotiated(text, Role::publish);
  CHECK(n.media[0].index == 1);
  CHECK(n.refused[0].index == 0);
}

TEST_CASE("without BUNDLE only the first m-line is taken") {
  const Negotiation n = negotiated(replaced(av_offer(), "a=group:BUNDLE 0 1\r\n", ""), Role::publish);
  REQUIRE(n.media.size() == 1);
  CHECK(n.media[0].kind == MediaKind::audio);
  CHECK(n.bundle.empty());
  CHECK(n.transport.mid == "0");
}

TEST_CASE("a single m-line needs neither BUNDLE nor a mid") {
  const std::string text = replaced(replaced(audio_offer(), "a=group:BUNDLE 0\r\n", ""), "a=mid:0\r\n", "");
  CHECK(negotiated(text, Role::agent).media[0].mid.empty());
}

TEST_CASE("the tag is the first accepted mid in the group's order, not the first m-line") {
  const Negotiation n = negotiated(replaced(av_offer(), "BUNDLE 0 1", "BUNDLE 1 0"), Role::publish);
  CHECK(n.transport.mid == "1");
  CHECK(n.transport.index == 1);
  CHECK(n.transport.ufrag == "efgh");
  CHECK(n.bundle == std::vector<std::string>{"1", "0"});
}

TEST_CASE("a payload type means one codec in the whole group") {
  const std::string text =
      replaced(replaced(av_offer(), "SAVPF 96 102", "SAVPF 111 102"), "rtpmap:96 VP8", "rtpmap:111 VP8");
  CHECK(video_codecs(text, Role::publish) == std::vector{Codec::h264_constrained_baseline});
}

TEST_CASE("an extension identifier means one extension in the whole group") {
  std::string text = replaced(av_offer(), "a=rtcp-mux",
                              "a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtcp-mux");
  text += "a=extmap:3 urn:3gpp:video-orientation\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
  const Negotiation n = negotiated(text, Role::publish);
  CHECK(n.media[0].ext == ExtensionIds{.audio_level = 3});
  CHECK(n.media[1].ext == ExtensionIds{.mid = 4});
}

TEST_CASE("extensions need one-byte identifiers, a direction that fits and a mid of at most 16 bytes") {
  const std::string level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
                    mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
  const auto ext = [&](const std::string& line, Role role) {
    return negotiated(with_line(line), role).media[0].ext;
  };
  CHECK(ext("a=extmap:14 " + level, Role::play).audio_level == 14);
  CHECK(ext("a=extmap:15 " + level, Role::play).audio_level == 0);
  CHECK(ext("a=extmap:20 " + level, Role::play).audio_level == 0);
  CHECK(ext("a=extmap:4096 " + level, Role::play).audio_level == 0);
  CHECK(ext("a=extmap:2/sendonly " + level, Role::play).audio_level == 0);
  CHECK(ext("a=extmap:2/recvonly " + level, Role::play).audio_level == 2);
  CHECK(ext("a=extmap:2/recvonly " + level, Role::publish).audio_level == 0);
  CHECK(ext("a=extmap:2/inactive " + level, Role::agent).audio_level == 0);
  const std::string longer =
      replaced(with_line("a=extmap:2 " + mid), "a=mid:0", "a=mid:" + std::string(17, 'm'));
  CHECK(negotiated(longer, Role::agent).media[0].ext.mid == 0);
}

TEST_CASE("transport-wide feedback needs extension and rtcp-fb, is for publishers and can be switched off") {
  const std::string ext =
      "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
  const std::string fb = "a=rtcp-fb:111 transport-cc";
  const auto taken = [](const Negotiation& n) {
    CHECK((n.media[0].ext.transport_cc != 0) == n.media[0].codecs[0].feedback.transport_cc);
    return n.media[0].ext.transport_cc != 0;
  };
  CHECK(taken(negotiated(with_line(ext + fb), Role::publish)));
  CHECK_FALSE(taken(negotiated(with_line(ext + fb), Role::play)));
  CHECK_FALSE(taken(negotiated(with_line(ext + fb), Role::agent)));
  CHECK_FALSE(taken(negotiated(with_line(ext + "a=x"), Role::publish)));
  CHECK_FALSE(taken(negotiated(with_line(fb), Role::publish)));
  CHECK_FALSE(taken(*negotiate(parsed(with_line(ext + fb)), {.role = Role::publish, .transport_cc = false})));
}

TEST_CASE("the DTLS server role, a missing rtcp-mux and ICE-lite on the other side are refused") {
  check_unsupported(negotiate_error(replaced(audio_offer(), "actpass", "passive"), Role::agent),
                    "offer.m[0].setup");
  check_unsupported(negotiate_error(replaced(audio_offer(), "actpass", "holdconn"), Role::agent),
                    "offer.m[0].setup");
  check_unsupported(negotiate_error(replaced(audio_offer(), "a=rtcp-mux\r\n", ""), Role::agent),
                    "offer.m[0].rtcp-mux");
  check_unsupported(
      negotiate_error(replaced(audio_offer(), "t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), Role::agent),
      "offer.ice-lite");
  CHECK(negotiated(replaced(audio_offer(), "actpass", "active"), Role::agent).media.size() == 1);
  CHECK(negotiated(replaced(audio_offer(), "a=setup:actpass\r\n", ""), Role::agent).media.size() == 1);
  CHECK(negotiated(replaced(audio_offer(), "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n"), Role::agent)
            .media.size() == 1);
}

TEST_CASE("missing credentials are malformed, a hash that is too weak is unsupported") {
  const Error ufrag = negotiate_error(replaced(audio_offer(), "a=ice-ufrag:abcd\r\n", ""), Role::agent);
  CHECK(ufrag.kind == ErrorKind::malformed);
  CHECK(ufrag.field == "offer.m[0].ice-ufrag");
  const Error pwd =
      negotiate_error(replaced(audio_offer(), "a=ice-pwd:0123456789abcdef012345\r\n", ""), Role::agent);
  CHECK(pwd.kind == ErrorKind::malformed);
  CHECK(pwd.field == "offer.m[0].ice-pwd");
  const Error none = negotiate_error(replaced(audio_offer(), "a=fingerprint:", "a=x:"), Role::agent);
  CHECK(none.kind == ErrorKind::malformed);
  CHECK(none.field == "offer.m[0].fingerprint");
  check_unsupported(negotiate_error(replaced(audio_offer(), "sha-256", "sha-1"), Role::agent),
                    "offer.m[0].fingerprint");
}

TEST_CASE("of several fingerprints the strongest supported one counts") {
  const auto bytes = [](size_t n) {
    std::string out = "AA";
    while (--n) out += ":BB";
    return out;
  };
  const std::string text = with_line("a=fingerprint:SHA-512 " + bytes(64) + "\r\na=fingerprint:sha-384 " +
                                     bytes(48) + "\r\na=fingerprint:md5 00:11\r\na=fingerprint:sha-999 00");
  const Fingerprint f = negotiated(text, Role::agent).transport.fingerprint;
  CHECK(f.alg == HashAlg::sha512);
  CHECK(f.size == 64);
  CHECK(f.view()[0] == 0xaa);
  CHECK(f.view()[63] == 0xbb);
}

TEST_CASE("an offer of a data channel alone has nothing to serve") {
  const Error e = negotiate_error(
      "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=sctp-port:5000\r\n",
      Role::agent);
  check_unsupported(e, "offer.m[0]");
  CHECK(e.message.find("data channels") != std::string::npos);
}

TEST_CASE("plain RTP is refused with its reason") {
  const Error e = negotiate_error(replaced(audio_offer(), "UDP/TLS/RTP/SAVPF", "RTP/AVP"), Role::publish);
  check_unsupported(e, "offer.m[0]");
  CHECK(e.message.find("protocol") != std::string::npos);
}
