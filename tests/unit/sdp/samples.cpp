#include "tests/unit/sdp/samples.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <doctest/doctest.h>

namespace sluice::sdp::test {

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> out;
    for (const auto& entry : std::filesystem::directory_iterator(SLUICE_TEST_DATA "/offers")) {
      if (entry.path().extension() != ".sdp") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      out.push_back({entry.path().filename(), std::string(std::istreambuf_iterator<char>(in), {})});
    }
    std::ranges::sort(out, {}, &Sample::name);
    return out;
  }();
  return all;
}

const std::string& sample(std::string_view name) {
  const auto found = std::ranges::find(samples(), name, &Sample::name);
  REQUIRE(found != samples().end());
  return found->text;
}

std::string audio_offer() {
  return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
         "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 "
         "0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=ice-ufrag:abcd\r\n"
         "a=ice-pwd:0123456789abcdef012345\r\na=fingerprint:sha-256 "
         "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"
         "a=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n";
}

std::string av_offer() {
  const std::string audio = replaced(audio_offer(), "BUNDLE 0", "BUNDLE 0 1");
  return audio +
         "m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\nc=IN IP4 "
         "0.0.0.0\r\na=mid:1\r\na=sendrecv\r\na=ice-ufrag:efgh\r\n"
         "a=ice-pwd:ABCDEFGHIJKLMNOPQRSTUV\r\na=setup:actpass\r\na=rtcp-mux\r\na=fingerprint:sha-256 "
         "20:21:22:23:24:25:26:27:28:29:2A:2B:2C:2D:2E:2F:30:31:32:33:34:35:36:37:38:39:3A:3B:3C:3D:3E:3F\r\n"
         "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:102 H264/90000\r\n"
         "a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n";
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string with_line(std::string_view line) { return audio_offer().append(line).append("\r\n"); }

Offer parsed(std::string_view text) {
  auto offer = parse_offer(text);
  if (!offer) FAIL(offer.error().field, ": ", offer.error().message);
  return *std::move(offer);
}

Negotiation negotiated(std::string_view text, Role role) {
  auto negotiation = negotiate(parsed(text), {.role = role});
  if (!negotiation) FAIL(negotiation.error().field, ": ", negotiation.error().message);
  return *std::move(negotiation);
}

Error parse_error(std::string_view text) {
  const auto offer = parse_offer(text);
  REQUIRE_FALSE(offer.has_value());
  return offer.error();
}

Error negotiate_error(std::string_view text, Role role) {
  const auto negotiation = negotiate(parsed(text), {.role = role});
  REQUIRE_FALSE(negotiation.has_value());
  return negotiation.error();
}

LocalTransport local_for(const Negotiation& negotiation) {
  LocalTransport local;
  local.ufrag = "AAAAbbbbCCCCddddEEEEffff";
  local.pwd = "gggghhhhiiiijjjjkkkkllllmmmmnnnn";
  local.fingerprint =
      "sha-256 "
      "E0:E1:E2:E3:E4:E5:E6:E7:E8:E9:EA:EB:EC:ED:EE:EF:F0:F1:F2:F3:F4:F5:F6:F7:F8:F9:FA:FB:FC:FD:FE:FF";
  local.candidates = {*parse_endpoint("192.0.2.9:3478"), *parse_endpoint("[2001:db8::9]:3478")};
  local.session_id = 4611686018427387904;
  local.cname = "cname0";
  uint32_t ssrc = 1000;
  for (const NegotiatedMedia& m : negotiation.media)
    if (sends(m.direction))
      local.media.push_back({m.index, ++ssrc, "stream", "track" + std::to_string(m.index)});
  return local;
}

namespace {

/// Attributes that our answers may hold; anything else was copied from somewhere.
const std::set<std::string_view> kOurAttributes{"group",     "ice-lite",         "ice-options", "mid",
                                                "ice-ufrag", "ice-pwd",          "fingerprint", "setup",
                                                "sendrecv",  "sendonly",         "recvonly",    "rtpmap",
                                                "inactive",  "extmap",           "rtcp-mux",    "rtcp-rsize",
                                                "fmtp",      "rtcp-fb",          "msid",        "ssrc",
                                                "candidate", "end-of-candidates"};

std::string flaw_of_lines(std::string_view answer) {
  if (!answer.starts_with("v=0\r\no=- ")) return "begin";
  if (!answer.ends_with("\r\n")) return "end";
  while (!answer.empty()) {
    const size_t end = answer.find("\r\n");
    const std::string_view line = answer.substr(0, end);
    if (line.find_first_of("\r\n") != std::string_view::npos || line.size() < 3) return std::string(line);
    if (line[0] == 'a') {
      const std::string_view name = line.substr(2, line.find(':') - 2);
      if (!kOurAttributes.contains(name)) return std::string(line);
    }
    answer.remove_prefix(end + 2);
  }
  return {};
}

bool allowed(Direction answered, Direction offered) {
  return (!sends(answered) || receives(offered)) && (!receives(answered) || sends(offered));
}

std::string flaw_of_refused(const Offer& answer, const Media& theirs, const Media& ours) {
  if (ours.port != 0 || !ours.codecs.empty() != !theirs.codecs.empty()) return "refused m-line";
  if (!ours.candidates.empty() || ours.end_of_candidates) return "refused m-line with candidates";
  // aiortc gives up an answer with an m-line that lacks these.
  if (ours.transport.ufrag.empty() || ours.transport.fingerprints.empty())
    return "refused m-line without credentials";
  for (const auto& group : answer.bundles)
    if (std::ranges::find(group, ours.mid) != group.end() && !ours.mid.empty())
      return "refused mid in BUNDLE";
  return {};
}

std::string flaw_of_accepted(const Media& theirs, const Media& ours, const NegotiatedMedia& m, bool tag) {
  if (ours.port != 3478 || !ours.rtcp_mux || ours.transport.setup != Setup::passive) return "accepted m-line";
  if (ours.transport.ufrag.empty() || ours.transport.pwd.empty() || ours.transport.fingerprints.size() != 1)
    return "credentials";
  if (ours.direction != m.direction || !allowed(ours.direction, theirs.direction)) return "direction";
  if (ours.candidates.size() != (tag ? 2u : 0u) || ours.end_of_candidates != tag) return "candidates";
  if (ours.rtcp_rsize && !theirs.rtcp_rsize) return "rtcp-rsize";
  if (ours.codecs.size() != m.codecs.size() || m.codecs.empty()) return "codecs";
  for (const OfferedCodec& c : ours.codecs) {
    const auto offered = std::ranges::find(theirs.codecs, c.pt, &OfferedCodec::pt);
    if (offered == theirs.codecs.end() || !offered->is(c.name) || offered->clock_rate != c.clock_rate)
      return "payload type";
    const Feedback &a = c.feedback, &b = offered->feedback;
    if ((a.nack && !b.nack) || (a.nack_pli && !b.nack_pli) || (a.ccm_fir && !b.ccm_fir) || a.goog_remb ||
        (a.transport_cc && !b.transport_cc))
      return "feedback";
  }
  for (const Extension& e : ours.extensions)
    if (std::ranges::none_of(theirs.extensions, [&](const Extension& o) {
          return o.id == e.id && o.uri == e.uri && allowed(e.direction, o.direction);
        }))
      return "extmap " + e.uri;
  if (ours.sources.size() != (sends(ours.direction) ? 1u : 0u)) return "ssrc";
  return ours.msid_stream.empty() == sends(ours.direction) ? "msid" : "";
}

}  // namespace

std::string flaw_of_answer(const Offer& offer, const Negotiation& negotiation, std::string_view text) {
  if (std::string flaw = flaw_of_lines(text); !flaw.empty()) return "line " + flaw;
  const auto answer = parse_offer(text);
  if (!answer) return "does not parse: " + answer.error().field + " " + answer.error().message;
  if (!answer->ice_lite || answer->bundles.size() > 1) return "session level";
  if (answer->media.size() != offer.media.size()) return "number of m-lines";
  if (negotiation.media.size() + negotiation.refused.size() != offer.media.size())
    return "number of decisions";
  if ((answer->bundles.empty() ? 0 : answer->bundles.front().size()) != negotiation.bundle.size())
    return "BUNDLE";

  std::set<unsigned> pts;
  for (size_t i = 0; i < offer.media.size(); ++i) {
    const Media &theirs = offer.media[i], &ours = answer->media[i];
    if (ours.kind_text != theirs.kind_text || ours.mid != theirs.mid ||
        ours.protocol_text != theirs.protocol_text)
      return "m-line " + std::to_string(i);
    const auto m = std::ranges::find(negotiation.media, i, &NegotiatedMedia::index);
    const std::string flaw = m == negotiation.media.end()
                                 ? flaw_of_refused(*answer, theirs, ours)
                                 : flaw_of_accepted(theirs, ours, *m, i == negotiation.transport.index);
    if (!flaw.empty()) return flaw + " of m-line " + std::to_string(i);
    if (m == negotiation.media.end()) continue;
    for (const NegotiatedCodec& c : m->codecs)
      if (!pts.insert(c.pt).second) return "payload type used twice";
  }
  return {};
}

}  // namespace sluice::sdp::test
