#include "net/sdp/rewrite.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "net/sdp/attributes.h"
#include "net/sdp/lines.h"
#include "net/sdp/offer.h"
#include "net/sdp/text.h"

namespace sluice::sdp {
namespace {

using text::Place;
using text::Status;

constexpr uint16_t kDiscardPort = 9;

/// `relay` is empty on the way to a server.
class Rewriter {
 public:
  explicit Rewriter(std::span<const Endpoint> relay) : relay_(relay) {
    const Endpoint shown = relay.empty() ? Endpoint{Address::v4(0, 0, 0, 0), kDiscardPort} : relay.front();
    EndpointText t;
    connection_ = fmt::format("IN {} {}", shown.is_v4() ? "IP4" : "IP6", format(shown.addr, t));
    port_ = shown.port;
    for (const Endpoint& e : relay) local_.candidates.push_back(e);
  }

  std::expected<Rewritten, Error> run(std::string_view text);

 private:
  Status line(std::string_view line);
  Status media(std::string_view value);
  Status attribute(std::string_view line);
  Status ufrag(std::string_view value);
  void end_section();
  void copy(std::string_view line) { out_.text.append(line).append("\r\n"); }

  std::span<const Endpoint> relay_;
  LocalTransport local_;
  std::string connection_;
  uint16_t port_ = 0;
  size_t sections_ = 0;
  bool session_ufrag_ = false;  // at session level: holds for every m-section
  bool ufrag_here_ = false;     // in the present m-section
  bool live_ = false;           // the present m-section has a port
  Rewritten out_;
  Place at_{.scope = "sdp", .line = 0};
};

std::expected<Rewritten, Error> Rewriter::run(std::string_view text) {
  if (text.size() > kOfferBytesMax)
    return at_.malformed("", fmt::format("the description is longer than {} bytes", kOfferBytesMax),
                         "Send fewer m-lines, codecs or candidates.");
  out_.text.reserve(text.size() + 1024);
  text::Lines lines(text);
  std::string_view l;
  while (lines.next(l)) {
    const bool first = at_.line == 0;
    at_.line = lines.number();
    if (first && l != "v=0")
      return at_.malformed("", "the description does not begin with v=0",
                           "Send a session description (RFC 8866).");
    if (const Status s = line(l); !s) return std::unexpected(s.error());
  }
  end_section();
  at_ = {.scope = "sdp", .line = 0};
  if (sections_ == 0)
    return at_.malformed("", "the description has no m= line", "Send an offer or answer with media.");
  if (out_.ufrags.empty())
    return at_.malformed("ice-ufrag", "the description has no a=ice-ufrag",
                         "A relay finds the server by it; use WebRTC, or ICE at least.");
  return std::move(out_);
}

Status Rewriter::line(std::string_view line) {
  if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z')
    return at_.malformed("", "the line " + text::quoted(line) + " is not of the form x=value",
                         "Send the session description unchanged, one field on each line.");
  // A carriage return inside would begin a line of its own for some readers.
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos)
    return at_.malformed("", "the line " + text::quoted(line) + " holds a control character",
                         "End lines with CRLF.");
  if (line[0] == 'm') return media(line.substr(2));
  if (line[0] == 'a') return attribute(line);
  if (line[0] == 'c')
    copy("c=" + connection_);
  else
    copy(line);
  return {};
}

Status Rewriter::media(std::string_view value) {
  end_section();
  at_.scope = fmt::format("sdp.m[{}]", sections_);
  if (sections_ == kMediaMax)
    return at_.malformed("", fmt::format("the description has more than {} m= lines", kMediaMax),
                         "Use fewer transceivers.");
  const std::string_view kind = text::take_until(value, ' ');
  std::string_view ports = text::take_until(value, ' ');
  const auto port = text::parse_number<uint16_t>(text::take_until(ports, '/'));
  if (!text::is_token(kind) || !port || value.empty())
    return at_.malformed("", "the m= line is not MEDIA PORT PROTOCOL FORMATS", "Send it as RFC 8866 says.");
  ++sections_;
  ufrag_here_ = session_ufrag_;
  // RFC 3264 §6, RFC 9143 §6: port 0 says rejected, or bundled only, and must go on saying so.
  live_ = *port != 0;
  copy(fmt::format("m={} {} {}", kind, live_ ? port_ : 0, value));
  return {};
}

Status Rewriter::attribute(std::string_view line) {
  std::string_view value = line.substr(2);
  const std::string_view name = text::take_until(value, ':');
  if (name == "candidate" || name == "remote-candidates" || name == "end-of-candidates") return {};
  if (name == "rtcp") {
    // RFC 3605; RTCP shares the port wherever a relay is of use.
    if (live_) copy(fmt::format("a=rtcp:{} {}", port_, connection_));
    return {};
  }
  copy(line);
  return name == "ice-ufrag" ? ufrag(value) : Status{};
}

Status Rewriter::ufrag(std::string_view value) {
  if (!text::is_ice_chars(value, 4, 256))
    return at_.malformed("ice-ufrag", "a=ice-ufrag is not 4 to 256 letters, digits, + and /",
                         "Make it as RFC 8839 section 5.4 says.");
  (sections_ == 0 ? session_ufrag_ : ufrag_here_) = true;
  if (std::ranges::find(out_.ufrags, value) != out_.ufrags.end()) return {};
  if (out_.ufrags.size() == kMediaMax)
    return at_.malformed("ice-ufrag", fmt::format("there are more than {} ufrags", kMediaMax),
                         "Use one in each m-section.");
  out_.ufrags.emplace_back(value);
  return {};
}

void Rewriter::end_section() {
  // RFC 9143 §7.1.3: m-sections bundled with another one may leave the transport to it.
  if (sections_ > 0 && live_ && ufrag_here_ && !relay_.empty()) lines::append_candidates(out_.text, local_);
}

}  // namespace

std::expected<Rewritten, Error> towards_server(std::string_view text) { return Rewriter({}).run(text); }

std::expected<Rewritten, Error> towards_client(std::string_view text, std::span<const Endpoint> relay) {
  return Rewriter(relay.first(std::min(relay.size(), kRelayEndpointsMax))).run(text);
}

}  // namespace sluice::sdp
