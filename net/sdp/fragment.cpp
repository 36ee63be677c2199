#include "net/sdp/fragment.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "net/sdp/attributes.h"
#include "net/sdp/lines.h"
#include "net/sdp/text.h"

namespace sluice::sdp {
namespace {

using text::Place;
using text::Status;

class FragmentParser {
 public:
  std::expected<Fragment, Error> parse(std::string_view text);

 private:
  Status attribute(std::string_view name, std::string_view value);
  Status mid(std::string_view value);
  Status close_part();

  Fragment out_;
  TransportAttributes part_;  // of the session level, or of the m-line that is being read
  std::string part_mid_;
  bool candidate_seen_ = false;  // even one that is of no use
  Place at_{.scope = "fragment", .line = 0};
};

std::expected<Fragment, Error> FragmentParser::parse(std::string_view text) {
  if (text.size() > kFragmentBytesMax)
    return at_.malformed("", "the fragment is longer than " + std::to_string(kFragmentBytesMax) + " bytes",
                         "Send fewer candidates at once.");
  text::Lines lines(text);
  std::string_view l;
  while (lines.next(l)) {
    at_.line = lines.number();
    if (l.size() < 2 || l[1] != '=')
      return at_.malformed("", "the line " + text::quoted(l) + " is not of the form x=value",
                           "Send an SDP fragment as RFC 8840 section 9 shows.");
    std::string_view value = l.substr(2);
    Status status;
    if (l[0] == 'm') {
      status = close_part();
    } else if (l[0] == 'a') {
      const std::string_view name = text::take_until(value, ':');
      status = attribute(name, value);
    }
    if (!status) return std::unexpected(status.error());
  }
  if (const Status s = close_part(); !s) return std::unexpected(s.error());
  if (out_.ufrag.empty() && !candidate_seen_ && !out_.end_of_candidates)
    return at_.malformed(
        "", "the fragment has no candidate, credentials or end-of-candidates",
        "Send at least one of a=candidate, a=ice-ufrag with a=ice-pwd, a=end-of-candidates.");
  return std::move(out_);
}

Status FragmentParser::attribute(std::string_view name, std::string_view value) {
  if (name == "mid") return mid(value);
  if (name == "end-of-candidates") {
    out_.end_of_candidates = true;
    return {};
  }
  if (name == "candidate") {
    candidate_seen_ = true;
    auto c = parse_candidate(value);
    if (c && out_.candidates.size() < kCandidatesMax) out_.candidates.push_back(*std::move(c));
    return {};
  }
  if (name != "ice-ufrag" && name != "ice-pwd") return {};
  bool known = false;
  return parse_transport_attribute(name, value, at_, part_, known);
}

Status FragmentParser::mid(std::string_view value) {
  if (!text::is_token(value) || value.size() > kMidBytesMax)
    return at_.malformed("mid",
                         "a=mid is not a token of 1 to " + std::to_string(kMidBytesMax) + " characters",
                         "Repeat the mid of the offer.");
  part_mid_ = value;
  if (out_.mids.size() < kMediaMax) out_.mids.emplace_back(value);
  return {};
}

/// The first complete credentials are the fragment's.
Status FragmentParser::close_part() {
  if (part_.ufrag.empty() != part_.pwd.empty())
    return at_.malformed(part_.ufrag.empty() ? "ice-ufrag" : "ice-pwd",
                         "a=ice-ufrag and a=ice-pwd do not stand together", "Send both or none.");
  if (out_.ufrag.empty() && !part_.ufrag.empty()) {
    out_.ufrag = std::move(part_.ufrag);
    out_.pwd = std::move(part_.pwd);
    out_.mid = part_mid_;
  }
  part_ = {};
  part_mid_.clear();
  return {};
}

}  // namespace

std::expected<Fragment, Error> parse_fragment(std::string_view text) { return FragmentParser{}.parse(text); }

std::string write_fragment(const Negotiation& negotiation, const LocalTransport& local) {
  std::string out;
  const auto tag = std::ranges::find(negotiation.media, negotiation.transport.index, &NegotiatedMedia::index);
  lines::append_ice_session(out);
  if (!negotiation.bundle.empty())
    fmt::format_to(std::back_inserter(out), "a=group:BUNDLE {}\r\n", fmt::join(negotiation.bundle, " "));
  // RFC 8840 §9: a pseudo m-line; its port, protocol and format mean nothing.
  if (tag != negotiation.media.end())
    fmt::format_to(std::back_inserter(out), "m={} 9 UDP/TLS/RTP/SAVPF {}\r\n", name_of(tag->kind),
                   tag->codecs.front().pt);
  if (!negotiation.transport.mid.empty())
    fmt::format_to(std::back_inserter(out), "a=mid:{}\r\n", negotiation.transport.mid);
  lines::append_credentials(out, local);
  lines::append_candidates(out, local);
  return out;
}

}  // namespace sluice::sdp
