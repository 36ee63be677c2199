#include "net/sdp/answer.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "net/sdp/codecs.h"
#include "net/sdp/lines.h"

namespace sluice::sdp {
namespace {

constexpr std::string_view kNowhere = "c=IN IP4 0.0.0.0\r\n";

class AnswerWriter {
 public:
  AnswerWriter(const Offer& offer, const Negotiation& negotiation, const LocalTransport& local)
      : offer_(offer), negotiation_(negotiation), local_(local) {}

  std::string write() {
    session();
    for (size_t i = 0; i < offer_.media.size(); ++i) {
      const auto taken = std::ranges::find(negotiation_.media, i, &NegotiatedMedia::index);
      if (taken == negotiation_.media.end())
        refused(offer_.media[i]);
      else
        accepted(offer_.media[i], *taken);
    }
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
    out_ += "\r\n";
  }

  void session() {
    line("v=0");
    line("o=- {} {} IN IP4 0.0.0.0", local_.session_id, local_.session_version);
    line("s=-");
    line("t=0 0");
    if (!negotiation_.bundle.empty()) line("a=group:BUNDLE {}", fmt::join(negotiation_.bundle, " "));
    lines::append_ice_session(out_);
  }

  /// RFC 3264 §6: a refused m-line keeps its place and has port 0; RFC 9143 §7.3.3: it is in no BUNDLE group.
  /// aiortc reads it as if it were accepted: without credentials and a codec it gives up the whole answer.
  void refused(const Media& m) {
    const auto codec = first_known_codec(m);
    line("m={} 0 {} {}", m.kind_text, m.protocol_text, codec ? std::to_string(codec->pt) : m.format_text);
    out_ += kNowhere;
    if (!m.mid.empty()) line("a=mid:{}", m.mid);
    credentials();
    if (m.protocol != Protocol::dtls_srtp) return;
    line("a=inactive");
    line("a=rtcp-mux");
    if (codec) line("a=rtpmap:{} {}", codec->pt, rtpmap_of(*codec));
  }

  std::optional<NegotiatedCodec> first_known_codec(const Media& m) const {
    for (const OfferedCodec& offered : m.codecs)
      if (auto codec = identify(offered, m.kind, negotiation_.role)) return codec;
    return std::nullopt;
  }

  void accepted(const Media& offered, const NegotiatedMedia& m) {
    const uint16_t port = local_.candidates.empty() ? 9 : local_.candidates.front().port;
    std::string formats;
    for (const NegotiatedCodec& c : m.codecs) formats += fmt::format(" {}", c.pt);
    line("m={} {} {}{}", offered.kind_text, port, offered.protocol_text, formats);
    connection();
    if (!m.mid.empty()) line("a=mid:{}", m.mid);
    credentials();
    if (m.index == negotiation_.transport.index) lines::append_candidates(out_, local_);
    line("a={}", name_of(m.direction));
    line("a=rtcp-mux");
    if (m.rtcp_rsize) line("a=rtcp-rsize");
    extensions(offered, m);
    for (const NegotiatedCodec& c : m.codecs) codec(c);
    if (sends(m.direction)) source(m);
  }

  void connection() {
    if (local_.candidates.empty()) {
      out_ += kNowhere;
      return;
    }
    EndpointText text;
    const Address& address = local_.candidates.front().addr;
    line("c=IN {} {}", address.is_v4() ? "IP4" : "IP6", format(address, text));
  }

  /// RFC 9143 §7.1.3 asks for these on the tagged m-line only; browsers write, and older stacks expect, all
  /// but the candidates on each bundled one.
  void credentials() {
    lines::append_credentials(out_, local_);
    line("a=fingerprint:{}", local_.fingerprint);
    line("a=setup:passive");
  }

  void extensions(const Media& offered, const NegotiatedMedia& m) {
    const uint8_t ids[] = {m.ext.mid, m.ext.audio_level, m.ext.transport_cc, m.ext.video_orientation};
    for (const uint8_t id : ids) {
      const auto e = std::ranges::find(offered.extensions, id, &Extension::id);
      if (id == 0 || e == offered.extensions.end()) continue;
      // RFC 8285 §5: no direction says sendrecv.
      if (e->direction == Direction::sendrecv)
        line("a=extmap:{} {}", id, e->uri);
      else
        line("a=extmap:{}/{} {}", id, name_of(reversed(e->direction)), e->uri);
    }
  }

  void codec(const NegotiatedCodec& c) {
    line("a=rtpmap:{} {}", c.pt, rtpmap_of(c));
    if (const std::string parameters = fmtp_of(c); !parameters.empty())
      line("a=fmtp:{} {}", c.pt, parameters);
    if (c.feedback.nack) line("a=rtcp-fb:{} nack", c.pt);
    if (c.feedback.nack_pli) line("a=rtcp-fb:{} nack pli", c.pt);
    if (c.feedback.ccm_fir) line("a=rtcp-fb:{} ccm fir", c.pt);
    if (c.feedback.transport_cc) line("a=rtcp-fb:{} transport-cc", c.pt);
  }

  void source(const NegotiatedMedia& m) {
    const auto ours = std::ranges::find(local_.media, m.index, &LocalMedia::index);
    if (ours == local_.media.end()) return;
    line("a=msid:{} {}", ours->stream, ours->track);
    line("a=ssrc:{} cname:{}", ours->ssrc, local_.cname);
  }

  const Offer& offer_;
  const Negotiation& negotiation_;
  const LocalTransport& local_;
  std::string out_;
};

}  // namespace

uint32_t host_priority(uint32_t order) {
  constexpr uint32_t kHostPreference = 126, kComponent = 1;
  return (kHostPreference << 24) + ((65535 - std::min(order, uint32_t{65535})) << 8) + (256 - kComponent);
}

uint32_t tcp_passive_priority(uint32_t order) {
  // Below every UDP candidate, server-reflexive ones too, and where browsers put their own.
  constexpr uint32_t kTcpHostPreference = 90, kPassive = 4, kComponent = 1, kOthers = 1 << 13;
  const uint32_t local = kPassive * kOthers + (kOthers - 1 - std::min(order, kOthers - 1));
  return (kTcpHostPreference << 24) + (local << 8) + (256 - kComponent);
}

std::string write_answer(const Offer& offer, const Negotiation& negotiation, const LocalTransport& local) {
  return AnswerWriter(offer, negotiation, local).write();
}

}  // namespace sluice::sdp
