#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

void check_malformed(const std::string& text, std::string_view field, uint32_t line) {
  const Error e = parse_error(text);
  CAPTURE(e.message);
  CHECK(e.kind == ErrorKind::malformed);
  CHECK(e.field == field);
  CHECK(e.line == line);
  CHECK_FALSE(e.message.empty());
  CHECK_FALSE(e.fix.empty());
  CHECK(e.field.size() < 64);
  CHECK(e.message.size() < 256);
  CHECK(e.fix.size() < 256);
}

std::string repeated(std::string_view s, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += s;
  return out;
}

}  // namespace

TEST_CASE("the audio offer that the tests change is valid and has 16 lines") {
  const Offer offer = parsed(audio_offer());
  REQUIRE(offer.media.size() == 1);
  CHECK(offer.media[0].line == 6);
  CHECK(offer.media[0].codecs.size() == 2);
  CHECK(offer.media[0].codecs[1].name == "PCMU");
  CHECK(offer.bundles == std::vector<std::vector<std::string>>{{"0"}});
}

TEST_CASE("what breaks the grammar is refused with field, line and fix") {
  struct Case {
    std::string line, attribute;
  };
  const Case cases[] = {
      {"a=mid:", "mid"},
      {"a=mid:two words", "mid"},
      {"a=mid:1", "mid"},  // another one than before
      {"a=mid:" + std::string(65, 'x'), "mid"},
      {"a=ice-ufrag:abc", "ice-ufrag"},
      {"a=ice-ufrag:ab-d", "ice-ufrag"},
      {"a=ice-ufrag:other", "ice-ufrag"},
      {"a=ice-pwd:short", "ice-pwd"},
      {"a=ice-pwd:" + std::string(257, 'x'), "ice-pwd"},
      {"a=setup:both", "setup"},
      {"a=setup:active", "setup"},
      {"a=fingerprint:sha-256 00:11", "fingerprint"},
      {"a=fingerprint:sha-256 " + std::string(95, 'G'), "fingerprint"},
      {"a=fingerprint:", "fingerprint"},
      {"a=rtpmap:", "rtpmap"},
      {"a=rtpmap:128 opus/48000/2", "rtpmap"},
      {"a=rtpmap:111 opus", "rtpmap"},
      {"a=rtpmap:111 opus/0", "rtpmap"},
      {"a=rtpmap:111 opus/48000/two", "rtpmap"},
      {"a=fmtp:opus stereo=1", "fmtp"},
      {"a=rtcp-fb:opus nack", "rtcp-fb"},
      {"a=extmap:0 urn:x", "extmap"},
      {"a=extmap:256 urn:x", "extmap"},
      {"a=extmap:1/both urn:x", "extmap"},
      {"a=extmap:1", "extmap"},
      {"a=ssrc:4294967296 cname:x", "ssrc"},
      {"a=ssrc-group:FID 1 two", "ssrc-group"},
      {"a=sctp-port:65536", "sctp-port"},
      {"a=max-message-size:many", "max-message-size"},
      {"a=ptime:20ms", "ptime"},
      {"a=maxptime:-1", "maxptime"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    check_malformed(with_line(c.line), "offer.m[0]." + c.attribute, 17);
  }
}

TEST_CASE("what is no session description at all is refused") {
  check_malformed("", "offer", 0);
  check_malformed("\r\n\r\n", "offer", 0);
  check_malformed("hello", "offer", 1);
  check_malformed("v=1\r\n", "offer", 1);
  check_malformed("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "offer", 0);
  check_malformed(with_line("no equals sign"), "offer.m[0]", 17);
  check_malformed(with_line("A=mid:0"), "offer.m[0]", 17);
  check_malformed(with_line(std::string("\0=\x01", 3)), "offer.m[0]", 17);
}

TEST_CASE("an m= line has to be complete") {
  for (const std::string m :
       {"m=audio", "m=audio 9", "m=audio x UDP/TLS/RTP/SAVPF 0", "m=audio 65536 RTP/SAVPF 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 UDP//RTP 0", "m=audio 9 UDP/ 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 128", "m=audio 9 UDP/TLS/RTP/SAVPF opus",
        "m=au,dio 9 UDP/TLS/RTP/SAVPF 0", "m=text 9 UDP/X (x)"}) {
    CAPTURE(m);
    check_malformed(with_line(m), "offer.m[1]", 17);
  }
}

TEST_CASE("two m-lines with one mid are refused") {
  check_malformed(replaced(av_offer(), "a=mid:1", "a=mid:0"), "offer.m[1].mid", 17);
}

TEST_CASE("more text, m-lines or codecs than the limits allow are refused") {
  check_malformed(with_line("a=x:" + std::string(kOfferBytesMax, 'x')), "offer", 0);
  const std::string more = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n";
  CHECK(parsed(audio_offer() + repeated(more, kMediaMax - 1)).media.size() == kMediaMax);
  check_malformed(audio_offer() + repeated(more, kMediaMax), "offer.m[32]", 17 + kMediaMax - 1);
  std::string m = "m=audio 9 UDP/TLS/RTP/SAVPF";
  for (size_t pt = 0; pt < kCodecsMax; ++pt) m += ' ' + std::to_string(pt);
  CHECK(parsed(with_line(m)).media[1].codecs.size() == kCodecsMax);
  check_malformed(with_line(m + " 127"), "offer.m[1]", 17);
}

TEST_CASE("candidates, extensions, sources, fingerprints and groups beyond their limits are ignored") {
  std::string text = audio_offer();
  for (int i = 1; i <= 100; ++i) {
    const std::string n = std::to_string(i);
    text += "a=candidate:1 1 udp 1 192.0.2.1 " + n + " typ host\r\n";
    text += "a=extmap:" + n + " urn:x" + n + "\r\n";
    text += "a=ssrc:" + n + " cname:c\r\n";
    text += "a=ssrc-group:FID 1 " + n + "\r\n";
    text += "a=fingerprint:sha-256 " + repeated("00:", 31) + "00\r\n";
  }
  const Offer offer =
      parsed(replaced(text, "t=0 0\r\n", "t=0 0\r\n" + repeated("a=group:BUNDLE 0\r\n", 100)));
  CHECK(offer.media[0].candidates.size() == kCandidatesMax);
  CHECK(offer.media[0].extensions.size() == kExtensionsMax);
  CHECK(offer.media[0].sources.size() == kSourcesMax);
  CHECK(offer.media[0].transport.fingerprints.size() == kFingerprintsMax);
  CHECK(offer.bundles.size() == 1);
}

TEST_CASE("candidates that are broken or of no use are dropped without an error") {
  for (const std::string_view c : {"", "1", "1 1 udp 1 192.0.2.1 5 typ", "1 1 udp 1 192.0.2.1 5 typ bogus",
                                   "1 2 udp 1 192.0.2.1 5 typ host", "1 1 sctp 1 192.0.2.1 5 typ host",
                                   "1 1 udp 4294967296 192.0.2.1 5 typ host", "1 1 udp 1 not/host 5 typ host",
                                   "1 1 udp 1 192.0.2.1 70000 typ host", "1 1 udp 1 192.0.2.1 0 typ host",
                                   "- 1 udp 1 192.0.2.1 5 typ host"}) {
    CAPTURE(c);
    CHECK(parsed(with_line("a=candidate:" + std::string(c))).media[0].candidates.empty());
  }
}

TEST_CASE("reflexive, peer-reflexive, relayed and TCP candidates are kept") {
  const Offer offer =
      parsed(with_line("a=candidate:a/+ 1 UDP 7 203.0.113.5 6 typ srflx raddr 10.0.0.1 rport 9\r\n"
                       "a=candidate:2 1 udp 8 2001:db8::5 7 typ relay raddr :: rport 0\r\n"
                       "a=candidate:3 1 tcp 9 203.0.113.6 9 typ prflx tcptype active"));
  const auto& c = offer.media[0].candidates;
  REQUIRE(c.size() == 3);
  CHECK(c[0].type == CandidateType::srflx);
  CHECK(c[0].foundation == "a/+");
  CHECK(c[1].type == CandidateType::relay);
  CHECK(c[1].endpoint == parse_endpoint("[2001:db8::5]:7"));
  CHECK(c[2].type == CandidateType::prflx);
  CHECK(c[2].tcp);
}

TEST_CASE("session level holds for m-lines that do not say otherwise") {
  const std::string session =
      "t=0 0\r\na=ice-ufrag:sess\r\na=ice-pwd:ssssssssssssssssssssss\r\na=setup:passive\r\na=recvonly\r\n"
      "a=extmap:5 urn:s\r\na=fingerprint:sha-1 00:01\r\na=ice-options:ice2,trickle\r\n";
  const Offer offer =
      parsed(replaced(audio_offer(), "t=0 0\r\n", session) + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
  CHECK(offer.media[0].transport.ufrag == "abcd");
  CHECK(offer.media[0].transport.setup == Setup::actpass);
  CHECK(offer.media[0].direction == Direction::sendrecv);
  CHECK(offer.media[0].transport.fingerprints.size() == 1);
  CHECK(offer.media[0].transport.trickle);
  CHECK(offer.media[1].transport.ufrag == "sess");
  CHECK(offer.media[1].transport.pwd == "ssssssssssssssssssssss");
  CHECK(offer.media[1].transport.setup == Setup::passive);
  CHECK(offer.media[1].direction == Direction::recvonly);
  CHECK(offer.media[1].transport.other_fingerprint);
  REQUIRE(offer.media[1].extensions.size() == 1);
  CHECK(offer.media[1].extensions[0].id == 5);
}

TEST_CASE("values given twice are no error if they are equal") {
  CHECK(parsed(with_line("a=mid:0\r\na=ice-ufrag:abcd\r\na=setup:actpass\r\na=rtcp-mux")).media[0].mid ==
        "0");
}

TEST_CASE("unknown attributes and line types change nothing") {
  const std::string text = with_line(
      "a=x-nobody-knows:1\r\na=\r\na=:\r\nb=AS:30\r\nk=clear:x\r\ni=title\r\n"
      "a=rtpmap:77 who/8000\r\na=fmtp:77 x=y\r\na=rtcp-fb:77 nack");
  const Offer offer = parsed(text);
  CHECK(offer.media[0].codecs.size() == 2);
  CHECK(offer.media[0].codecs[0].feedback == Feedback{});
}

TEST_CASE("BUNDLE keeps existing mids once, and other groups are ignored") {
  const std::string groups =
      "t=0 0\r\na=group:LS 0 1\r\na=group:BUNDLE 1 7 1 0\r\na=group:BUNDLE 0 nobody\r\n";
  const Offer offer =
      parsed(replaced(replaced(av_offer(), "a=group:BUNDLE 0 1\r\n", ""), "t=0 0\r\n", groups));
  CHECK(offer.bundles == std::vector<std::vector<std::string>>{{"1", "0"}});
}

TEST_CASE("fmtp parameters are found by name without case, with spaces and without a value") {
  const Offer offer =
      parsed(replaced(audio_offer(), "useinbandfec=1", "MinPTime=10; useInbandFec = 1;cbr;x=a=b"));
  const OfferedCodec& c = offer.media[0].codecs[0];
  CHECK(c.parameter("minptime") == "10");
  CHECK(c.parameter("useinbandfec") == "1");
  CHECK(c.parameter("cbr") == "");
  CHECK(c.parameter("x") == "a=b");
  CHECK_FALSE(c.parameter("stereo").has_value());
}

TEST_CASE("a last line without its end and a port count are fine") {
  const Offer offer = parsed("v=0\nm=audio 9/2 RTP/SAVPF 0\na=sendonly");
  CHECK(offer.media[0].port == 9);
  CHECK(offer.media[0].direction == Direction::sendonly);
  CHECK(offer.media[0].protocol == Protocol::dtls_srtp);
}

TEST_CASE("messages show hostile text as printable ASCII") {
  const Error e = parse_error(with_line("\"\x01\xff\x7f" + std::string(300, 'z')));
  for (const char c : e.message) CHECK((c >= ' ' && c <= '~'));
  CHECK(e.message.size() < 256);
}
