// Descriptions on their way through a relay.
#include "net/sdp/rewrite.h"

#include <random>
#include <sstream>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

const std::vector<Endpoint> kRelay{{Address::v4(203, 0, 113, 7), 3478},
                                   {*parse_address("2001:db8::7"), 3478}};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) out.push_back(line);
  }
  return out;
}

size_t count(const std::string& text, std::string_view begin) {
  size_t n = 0;
  for (const auto& line : lines_of(text)) n += line.starts_with(begin) ? 1 : 0;
  return n;
}

bool says_transport(const std::string& line) {
  for (const char* begin :
       {"a=candidate", "a=end-of-candidates", "a=remote-candidates", "a=rtcp:", "c=", "m="})
    if (line.starts_with(begin)) return true;
  return false;
}

/// All that a relay has no business with.
std::vector<std::string> rest_of(const std::string& text) {
  std::vector<std::string> out;
  for (const auto& line : lines_of(text))
    if (!says_transport(line)) out.push_back(line);
  return out;
}

Rewritten to_server(std::string_view text) {
  auto r = towards_server(text);
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  return *r;
}
Rewritten to_client(std::string_view text) {
  auto r = towards_client(text, kRelay);
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  return *r;
}

/// As a server that does full ICE would write it.
std::string server_answer() {
  return "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
         "a=ice-lite\r\n"
         "m=audio 40001 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 10.0.0.5\r\na=rtcp:40002 IN IP4 10.0.0.5\r\n"
         "a=candidate:1 1 udp 2130706431 10.0.0.5 40001 typ host\r\n"
         "a=candidate:1 2 udp 2130706430 10.0.0.5 40002 typ host\r\n"
         "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\na=rtcp-mux\r\n"
         "a=rtpmap:111 opus/48000/2\r\n"
         "m=video 40001/2 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n"
         "a=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
         "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
}

}  // namespace

TEST_CASE("a recorded offer loses its addresses on the way to the server, and nothing else") {
  for (const Sample& s : samples()) {
    CAPTURE(s.name);
    const Rewritten r = to_server(s.text);
    CHECK(count(r.text, "a=candidate") == 0);
    CHECK(count(r.text, "a=end-of-candidates") == 0);
    CHECK(rest_of(r.text) == rest_of(s.text));
    const Offer before = parsed(s.text);
    const Offer after = parsed(r.text);
    REQUIRE(after.media.size() == before.media.size());
    for (size_t i = 0; i < after.media.size(); ++i) {
      CHECK(after.media[i].port == (before.media[i].port == 0 ? 0 : 9));
      CHECK(after.media[i].transport.ufrag == before.media[i].transport.ufrag);
      CHECK(after.media[i].transport.pwd == before.media[i].transport.pwd);
    }
    for (const auto& line : lines_of(r.text))
      if (line.starts_with("c=")) CHECK(line == "c=IN IP4 0.0.0.0");
    CHECK(r.ufrags.front() == before.media.front().transport.ufrag);
  }
}

TEST_CASE("a recorded description leads to the relay on the way to the client") {
  for (const Sample& s : samples()) {
    CAPTURE(s.name);
    const Rewritten r = to_client(s.text);
    CHECK(rest_of(r.text) == rest_of(s.text));
    for (const Media& m : parsed(r.text).media) {
      if (m.port == 0) continue;
      CHECK(m.port == 3478);
      REQUIRE(m.candidates.size() == 2);
      CHECK(m.candidates[0].endpoint == kRelay[0]);
      CHECK(m.candidates[1].endpoint == kRelay[1]);
      CHECK(m.candidates[0].priority > m.candidates[1].priority);
      CHECK(m.candidates[0].type == CandidateType::host);
      CHECK(m.end_of_candidates);
    }
  }
}

TEST_CASE("an answer of a server with full ICE becomes the relay's, line by line") {
  const Rewritten r = to_client(server_answer());
  CHECK(r.ufrags == std::vector<std::string>{"srvU"});
  CHECK(r.text ==
        "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
        "a=ice-lite\r\n"
        "m=audio 3478 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 203.0.113.7\r\na=rtcp:3478 IN IP4 203.0.113.7\r\n"
        "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\na=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\n"
        "a=candidate:1 1 udp 2130706431 203.0.113.7 3478 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 2001:db8::7 3478 typ host\r\n"
        "a=end-of-candidates\r\n"
        "m=video 3478 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n"
        "a=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
        "a=candidate:1 1 udp 2130706431 203.0.113.7 3478 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 2001:db8::7 3478 typ host\r\n"
        "a=end-of-candidates\r\n"
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n");
}

TEST_CASE("lite stays lite and full stays full") {
  CHECK(count(to_client(server_answer()).text, "a=ice-lite") == 1);
  CHECK(count(to_client(replaced(server_answer(), "a=ice-lite\r\n", "")).text, "a=ice-lite") == 0);
}

TEST_CASE("a section that leaves its transport to another one gets no candidates") {
  const std::string own = "m=video 40001/2 UDP/TLS/RTP/SAVPF 96\r\n";
  const std::string text =
      replaced(server_answer(), own + "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n", own);
  const Offer after = parsed(to_client(text).text);
  CHECK(after.media[0].candidates.size() == 2);
  CHECK(after.media[1].candidates.empty());
  CHECK(after.media[1].port == 3478);
}

TEST_CASE("credentials at session level hold for every section") {
  const std::string text = with_line("a=sendrecv");
  const std::string at_session = replaced(
      replaced(replaced(server_answer(), "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n", ""),
               "a=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n", ""),
      "a=ice-lite\r\n", "a=ice-lite\r\na=ice-ufrag:srvU\r\na=ice-pwd:0123456789012345678901\r\n");
  CHECK(count(to_client(at_session).text, "a=candidate") == 4);
}

TEST_CASE("every ufrag is named once, in order") {
  const std::string text = replaced(server_answer(), "a=mid:1\r\n", "a=ice-ufrag:other\r\na=mid:1\r\n");
  CHECK(to_client(text).ufrags == std::vector<std::string>{"srvU", "other"});
}

TEST_CASE("a relay with an IPv6 address first shows that one") {
  const std::vector<Endpoint> six{kRelay[1]};
  const auto r = towards_client(server_answer(), six);
  REQUIRE(r.has_value());
  CHECK(count(r->text, "c=IN IP6 2001:db8::7") == 2);
}

TEST_CASE("what is no description of ICE is refused with the line at fault") {
  const std::pair<std::string, std::string> cases[] = {
      {"", "sdp"},
      {"nonsense", "sdp"},
      {"v=0\r\n", "sdp"},
      {replaced(server_answer(), "a=mid:0", "x"), "sdp.m[0]"},
      {replaced(server_answer(), "m=audio 40001", "m=audio x"), "sdp.m[0]"},
      {replaced(server_answer(), "m=audio 40001 UDP/TLS/RTP/SAVPF 111", "m=audio 40001"), "sdp.m[0]"},
      {replaced(server_answer(), "m=audio 40001", "m=audio 65536"), "sdp.m[0]"},
      {replaced(server_answer(), "a=ice-ufrag:srvU", "a=ice-ufrag:s:U!"), "sdp.m[0].ice-ufrag"},
      {replaced(server_answer(), "a=mid:0\r\n", "a=mid:0\ra=candidate:x\r\n"), "sdp.m[0]"},
      {"v=0\r\nm=audio 9 RTP/AVP 0\r\n", "sdp.ice-ufrag"},
      {server_answer() + std::string(kOfferBytesMax, 'x'), "sdp"}};
  for (const auto& [text, field] : cases) {
    for (const auto& r : {towards_server(text), towards_client(text, kRelay)}) {
      REQUIRE_FALSE(r.has_value());
      CHECK(r.error().field == field);
      CHECK_FALSE(r.error().fix.empty());
    }
  }
}

TEST_CASE("what grows is bounded") {
  std::string many = "v=0\r\na=ice-ufrag:abcd\r\n";
  for (size_t i = 0; i < kMediaMax; ++i) many += "m=audio 9 RTP/AVP 0\r\n";
  const std::vector<Endpoint> lots(1000, kRelay[0]);
  const auto r = towards_client(many, lots);
  REQUIRE(r.has_value());
  CHECK(r->text.size() < kMediaMax * kRelayEndpointsMax * 100);
  CHECK_FALSE(towards_client(many + "m=audio 9 RTP/AVP 0\r\n", kRelay).has_value());
}

TEST_CASE("a recorded offer with bytes changed is rewritten or refused, and keeps no candidate") {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text = samples()[random() % samples().size()].text;
    for (auto n = 1 + random() % 8; n > 0; --n) text[random() % text.size()] = static_cast<char>(random());
    const auto r = towards_server(text);
    if (r) CHECK(count(r->text, "a=candidate:") == 0);
  }
}
