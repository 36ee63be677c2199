#include "net/sdp/fragment.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/unit/sdp/samples.h"

using namespace sluice;
using namespace sluice::sdp;
using namespace sluice::sdp::test;

namespace {

void check_malformed(std::string_view text, std::string_view field) {
  CAPTURE(text);
  const auto f = parse_fragment(text);
  REQUIRE_FALSE(f.has_value());
  CHECK(f.error().kind == ErrorKind::malformed);
  CHECK(f.error().field == field);
  CHECK_FALSE(f.error().message.empty());
  CHECK_FALSE(f.error().fix.empty());
}

}  // namespace

TEST_CASE("a trickled candidate is read with the credentials it belongs to") {
  const auto f = parse_fragment(
      "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
      "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
      "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id "
      "1\r\n"
      "a=end-of-candidates\r\n");
  REQUIRE(f.has_value());
  CHECK(f->ufrag == "EsAw");
  CHECK(f->pwd == "P2uYro0UCOQ4zxjKXaWCBui1");
  CHECK(f->mid == "0");
  REQUIRE(f->candidates.size() == 1);
  CHECK(f->candidates[0].endpoint == parse_endpoint("192.0.2.1:61764"));
  CHECK(f->end_of_candidates);
}

TEST_CASE("credentials may stand at session level, and m-lines are not needed") {
  const auto f = parse_fragment("a=ice-ufrag:EsAw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\n");
  REQUIRE(f.has_value());
  CHECK(f->ufrag == "EsAw");
  CHECK(f->mids.empty());
  const auto candidate = parse_fragment("a=mid:audio0\r\na=candidate:1 1 UDP 1 192.0.2.1 5 typ host");
  REQUIRE(candidate.has_value());
  CHECK(candidate->ufrag.empty());
  CHECK(candidate->mids == std::vector<std::string>{"audio0"});
}

TEST_CASE("of several parts the first credentials and all candidates count") {
  const auto f = parse_fragment(
      "m=audio 9 RTP/SAVPF 0\na=mid:0\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\n"
      "m=video 9 RTP/SAVPF 96\na=mid:1\na=ice-ufrag:aaaa\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\n"
      "m=video 9 RTP/SAVPF 96\na=mid:2\na=ice-ufrag:bbbb\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbb\n"
      "a=candidate:1 1 udp 1 192.0.2.1 6 typ host\n");
  REQUIRE(f.has_value());
  CHECK(f->ufrag == "aaaa");
  CHECK(f->mid == "1");
  CHECK(f->candidates.size() == 2);
  CHECK(f->mids.size() == 3);
}

TEST_CASE("a fragment whose candidates are all of no use is still one") {
  const auto f = parse_fragment("a=mid:0\r\na=candidate:1 2 udp 1 192.0.2.1 5 typ host\r\n");
  REQUIRE(f.has_value());
  CHECK(f->candidates.empty());
}

TEST_CASE("broken fragments are refused with field and fix") {
  check_malformed("", "fragment");
  check_malformed("hello", "fragment");
  check_malformed("a=mid:0\r\n", "fragment");
  check_malformed("a=mid:\r\n", "fragment.mid");
  check_malformed("a=ice-ufrag:abcd\r\n", "fragment.ice-pwd");
  check_malformed("a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\r\n", "fragment.ice-ufrag");
  check_malformed("a=ice-ufrag:abc\r\n", "fragment.ice-ufrag");
  check_malformed("a=ice-pwd:abc\r\n", "fragment.ice-pwd");
  check_malformed(
      "m=audio 9 X 0\r\na=ice-ufrag:abcd\r\nm=audio 9 X 0\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\r\n",
      "fragment.ice-pwd");
  check_malformed("a=x:" + std::string(kFragmentBytesMax, 'x'), "fragment");
}

TEST_CASE("candidates beyond the limit are ignored") {
  std::string text;
  for (int i = 1; i <= 200; ++i)
    text += "a=candidate:1 1 udp 1 192.0.2.1 " + std::to_string(i) + " typ host\n";
  CHECK(parse_fragment(text)->candidates.size() == kCandidatesMax);
}

TEST_CASE("a restart's answer has our credentials and candidates and reads back") {
  const Negotiation n = negotiated(av_offer(), Role::publish);
  const LocalTransport local = local_for(n);
  const std::string text = write_fragment(n, local);
  CHECK(text.starts_with("a=ice-lite\r\na=ice-options:ice2 trickle\r\na=group:BUNDLE 0 1\r\nm=audio 9 "));
  const auto back = parse_fragment(text);
  REQUIRE(back.has_value());
  CHECK(back->ufrag == local.ufrag);
  CHECK(back->pwd == local.pwd);
  CHECK(back->mid == "0");
  CHECK(back->end_of_candidates);
  REQUIRE(back->candidates.size() == 2);
  CHECK(back->candidates[1].endpoint == local.candidates[1]);
  CHECK(back->candidates[1].priority == host_priority(1));
}
