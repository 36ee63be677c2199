#include <string>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

std::string answer_to(std::string_view text, Role role) {
  const Offer offer = parsed(text);
  const auto n = negotiate(offer, {.role = role});
  REQUIRE(n.has_value());
  std::string answer = write_answer(offer, *n, local_for(*n));
  CHECK(flaw_of_answer(offer, *n, answer) == "");
  return answer;
}

bool has(const std::string& text, std::string_view line) {
  return text.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
}

}  // namespace

TEST_CASE("host priorities follow RFC 8445 section 5.1.2.1") {
  CHECK(host_priority(0) == 2130706431);  // the value in the RFCs' examples
  CHECK(host_priority(1) == 2130706175);
  CHECK(host_priority(65535) == (126u << 24) + 255);
  CHECK(host_priority(1'000'000) == host_priority(65535));
}

TEST_CASE("passive TCP candidates stand behind all others, with a priority below theirs") {
  // RFC 6544 §4.2: 2^24 times the type's, 2^8 times (4 * 2^13 + 8191), 255.
  CHECK(tcp_passive_priority(0) == (90u << 24) + (40959u << 8) + 255);
  CHECK(tcp_passive_priority(1) == tcp_passive_priority(0) - 256);
  CHECK(tcp_passive_priority(9000) == tcp_passive_priority(8191));
  CHECK(tcp_passive_priority(0) < host_priority(65535));
  const Offer offer = parsed(audio_offer());
  const auto n = negotiate(offer, {.role = Role::agent});
  REQUIRE(n.has_value());
  LocalTransport local = local_for(*n);
  local.tcp_candidates = {*parse_endpoint("192.0.2.9:3478"), *parse_endpoint("[2001:db8::9]:443")};
  const std::string answer = write_answer(offer, *n, local);
  CHECK(has(answer, "a=candidate:3 1 tcp 1520435199 192.0.2.9 3478 typ host tcptype passive"));
  CHECK(has(answer, "a=candidate:4 1 tcp 1520434943 2001:db8::9 443 typ host tcptype passive"));
  CHECK(answer.find(" udp ") < answer.find(" tcp "));
  CHECK(has(answer, "c=IN IP4 192.0.2.9"));
}

TEST_CASE("an agent's answer has every line that a browser needs") {
  const std::string answer = answer_to(audio_offer(), Role::agent);
  for (const std::string_view line : {"o=- 4611686018427387904 1 IN IP4 0.0.0.0",
                                      "s=-",
                                      "t=0 0",
                                      "a=group:BUNDLE 0",
                                      "a=ice-lite",
                                      "a=ice-options:ice2 trickle",
                                      "m=audio 3478 UDP/TLS/RTP/SAVPF 111",
                                      "c=IN IP4 192.0.2.9",
                                      "a=mid:0",
                                      "a=ice-ufrag:AAAAbbbbCCCCddddEEEEffff",
                                      "a=ice-pwd:gggghhhhiiiijjjjkkkkllllmmmmnnnn",
                                      "a=setup:passive",
                                      "a=candidate:1 1 udp 2130706431 192.0.2.9 3478 typ host",
                                      "a=candidate:2 1 udp 2130706175 2001:db8::9 3478 typ host",
                                      "a=end-of-candidates",
                                      "a=sendrecv",
                                      "a=rtcp-mux",
                                      "a=rtpmap:111 opus/48000/2",
                                      "a=fmtp:111 minptime=10;useinbandfec=1",
                                      "a=msid:stream track0",
                                      "a=ssrc:1001 cname:cname0"})
    CHECK_MESSAGE(has(answer, line), line);
  CHECK_FALSE(has(answer, "a=rtcp-rsize"));
}

TEST_CASE("a publisher's answer names no source of ours") {
  const std::string answer = answer_to(audio_offer(), Role::publish);
  CHECK(has(answer, "a=recvonly"));
  CHECK(answer.find("a=ssrc") == std::string::npos);
  CHECK(answer.find("a=msid") == std::string::npos);
}

TEST_CASE("stereo and DTX are mirrored, in-band FEC is always wanted") {
  const std::string answer =
      answer_to(replaced(audio_offer(), "useinbandfec=1", "stereo=1;usedtx=1"), Role::agent);
  CHECK(has(answer, "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;usedtx=1"));
}

TEST_CASE("candidates stand on the tagged m-line only, credentials on both") {
  const std::string answer = answer_to(av_offer(), Role::publish);
  const size_t video = answer.find("m=video");
  CHECK(answer.find("a=candidate") < video);
  CHECK(answer.find("a=candidate", video) == std::string::npos);
  CHECK(answer.find("a=ice-ufrag", video) != std::string::npos);
  CHECK(answer.find("a=fingerprint", video) != std::string::npos);
}

TEST_CASE("video codecs are written with the parameters that identify them") {
  const std::string play = answer_to(sample("offer-chromium156-agentVideo.sdp"), Role::play);
  CHECK(has(play, "m=video 3478 UDP/TLS/RTP/SAVPF 96 98 102 108 116 45"));
  CHECK(has(play, "a=fmtp:98 profile-id=0"));
  CHECK(has(play, "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"));
  CHECK(has(play, "a=fmtp:45 level-idx=5;profile=0;tier=0"));
  CHECK(has(play, "a=rtcp-fb:96 nack pli"));
  CHECK_FALSE(has(play, "a=rtcp-fb:96 transport-cc"));
  CHECK(has(play, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"));
  CHECK(has(play, "a=group:BUNDLE 0 1"));
  const std::string publish = answer_to(
      replaced(av_offer(), "packetization-mode=1;profile-level-id=42e01f", "profile-level-id=4D0028"),
      Role::publish);
  CHECK(has(publish, "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d0028"));
}

TEST_CASE("an extension with a direction is answered with the reverse one") {
  const std::string uri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
  CHECK(has(answer_to(with_line("a=extmap:2/recvonly " + uri), Role::play), "a=extmap:2/sendonly " + uri));
  CHECK(has(answer_to(with_line("a=extmap:2 " + uri), Role::play), "a=extmap:2 " + uri));
}

TEST_CASE("extensions and options that nobody here knows are not echoed") {
  const std::string answer =
      answer_to(with_line("a=extmap:9 urn:x-unknown\r\na=ice-options:goog-sped-v1 trickle\r\n"
                          "a=sctp-init:abc\r\na=extmap-allow-mixed\r\na=rtcp-xr:rcvr-rtt=all"),
                Role::agent);
  for (const std::string_view word : {"unknown", "sped", "sctp", "mixed", "xr"})
    CHECK(answer.find(word) == std::string::npos);
}

TEST_CASE("an IPv6 default candidate gives an IP6 connection line") {
  const Offer offer = parsed(audio_offer());
  const auto n = negotiate(offer, {.role = Role::agent});
  LocalTransport local = local_for(*n);
  local.candidates = {*parse_endpoint("[2001:db8::9]:40000"), *parse_endpoint("[2001:db8::9]:40001")};
  const std::string answer = write_answer(offer, *n, local);
  CHECK(has(answer, "m=audio 40000 UDP/TLS/RTP/SAVPF 111"));
  CHECK(has(answer, "c=IN IP6 2001:db8::9"));
  // The same address has the same foundation.
  CHECK(has(answer, "a=candidate:1 1 udp 2130706175 2001:db8::9 40001 typ host"));
}

TEST_CASE("without candidates the answer has the discard port") {
  const Offer offer = parsed(audio_offer());
  const auto n = negotiate(offer, {.role = Role::agent});
  LocalTransport local = local_for(*n);
  local.candidates.clear();
  const std::string answer = write_answer(offer, *n, local);
  CHECK(has(answer, "m=audio 9 UDP/TLS/RTP/SAVPF 111"));
  CHECK(has(answer, "c=IN IP4 0.0.0.0"));
}

TEST_CASE("a refused video line names a codec of the offer, and nothing but that") {
  const std::string answer = answer_to(sample("offer-chromium156-agentVideo.sdp"), Role::agent);
  CHECK(has(answer, "m=video 0 UDP/TLS/RTP/SAVPF 96"));
  CHECK(has(answer, "a=rtpmap:96 VP8/90000"));
  CHECK(has(answer, "a=inactive"));
  CHECK(answer.find("rtcp-fb") == std::string::npos);
  CHECK(answer.find("extmap:13") == std::string::npos);
}

TEST_CASE("an offer without BUNDLE and mids is answered without them") {
  const std::string text = replaced(replaced(audio_offer(), "a=group:BUNDLE 0\r\n", ""), "a=mid:0\r\n", "");
  const std::string answer = answer_to(text, Role::agent);
  CHECK(answer.find("a=group") == std::string::npos);
  CHECK(answer.find("a=mid") == std::string::npos);
}
