#include "net/sdp/media.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace sluice::sdp {

using text::equal_nocase;
using text::parse_number;
using text::Place;
using text::quoted;
using text::Status;
using text::take_until;
using text::take_word;

namespace {

struct StaticType {
  uint8_t pt;
  std::string_view name;
  uint32_t clock_rate;
};
// RFC 3551 §6: payload types that need no a=rtpmap; only those that WebRTC stacks offer.
constexpr std::array kStaticTypes{StaticType{0, "PCMU", 8000}, StaticType{3, "GSM", 8000},
                                  StaticType{8, "PCMA", 8000}, StaticType{9, "G722", 8000},
                                  StaticType{13, "CN", 8000},  StaticType{18, "G729", 8000}};

MediaKind kind_of(std::string_view name) {
  for (const MediaKind k : {MediaKind::audio, MediaKind::video, MediaKind::application})
    if (name == name_of(k)) return k;
  return MediaKind::other;
}

Protocol protocol_of(std::string_view name) {
  // RFC 8829 §5.1.2: an offer may use any of these spellings, and the answer repeats it.
  for (const std::string_view p : {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF",
                                   "TCP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"})
    if (equal_nocase(name, p)) return Protocol::dtls_srtp;
  if (equal_nocase(name, "UDP/DTLS/SCTP") || equal_nocase(name, "TCP/DTLS/SCTP")) return Protocol::dtls_sctp;
  return equal_nocase(name, "DTLS/SCTP") ? Protocol::old_sctp : Protocol::other;
}

bool is_protocol(std::string_view s) {
  if (s.empty() || s.ends_with('/')) return false;
  while (!s.empty())
    if (!text::is_token(take_until(s, '/'))) return false;
  return true;
}

std::optional<uint8_t> payload_type(std::string_view s) {
  const auto pt = parse_number<uint8_t>(s);
  return pt && *pt <= 127 ? pt : std::nullopt;
}

void add_feedback(Feedback& to, std::string_view value) {
  value = text::trimmed(value);
  to.nack |= equal_nocase(value, "nack");
  to.nack_pli |= equal_nocase(value, "nack pli");
  to.ccm_fir |= equal_nocase(value, "ccm fir");
  to.transport_cc |= equal_nocase(value, "transport-cc");
  to.goog_remb |= equal_nocase(value, "goog-remb");
}

void merge(Feedback& to, const Feedback& from) {
  to.nack |= from.nack;
  to.nack_pli |= from.nack_pli;
  to.ccm_fir |= from.ccm_fir;
  to.transport_cc |= from.transport_cc;
  to.goog_remb |= from.goog_remb;
}

void merge(TransportAttributes& to, const TransportAttributes& session) {
  // RFC 8839 §5.4: ufrag and password are one unit, taken from one level.
  if (to.ufrag.empty() && to.pwd.empty()) {
    to.ufrag = session.ufrag;
    to.pwd = session.pwd;
  }
  if (to.fingerprints.empty() && !to.other_fingerprint) {
    to.fingerprints = session.fingerprints;
    to.other_fingerprint = session.other_fingerprint;
  }
  if (to.setup == Setup::none) to.setup = session.setup;
  to.trickle |= session.trickle;
}

template <class T>
Status number(std::string_view name, std::string_view value, const Place& at, T& out) {
  const auto n = parse_number<T>(text::trimmed(value));
  if (!n)
    return at.malformed(name, "a=" + std::string(name) + " has the value " + quoted(value) + ", not a number",
                        "Write one decimal number in range.");
  out = *n;
  return {};
}

}  // namespace

Status parse_extmap(std::string_view value, const Place& at, std::vector<Extension>& out) {
  std::string_view head = take_word(value);
  const auto id = parse_number<uint16_t>(take_until(head, '/'));
  const auto direction = head.empty() ? std::optional(Direction::sendrecv) : parse_direction(head);
  const std::string_view uri = take_word(value);
  // RFC 8285 §5: 1..14, 15 reserved, to 255 in the two-byte form, 4096..4351 where the answerer may choose.
  const bool valid = id && ((*id >= 1 && *id <= 255) || (*id >= 4096 && *id <= 4351));
  if (!valid || !direction || uri.empty())
    return at.malformed("extmap", "a=extmap is not an identifier of 1 to 255 and a URI",
                        "Write a=extmap:<id>[/<direction>] <uri> (RFC 8285 section 8).");
  if (out.size() < kExtensionsMax && *id != 15) out.push_back({*id, *direction, std::string(uri), at.line});
  return {};
}

struct MediaBuilder::Handler {
  std::string_view name;
  Status (MediaBuilder::*take)(std::string_view, const Place&);
};

const MediaBuilder::Handler MediaBuilder::kHandlers[] = {
    {"mid", &MediaBuilder::mid},         {"rtpmap", &MediaBuilder::rtpmap},
    {"fmtp", &MediaBuilder::fmtp},       {"rtcp-fb", &MediaBuilder::rtcp_fb},
    {"extmap", &MediaBuilder::extmap},   {"candidate", &MediaBuilder::candidate},
    {"ssrc", &MediaBuilder::ssrc},       {"ssrc-group", &MediaBuilder::ssrc_group},
    {"msid", &MediaBuilder::msid},       {"sctp-port", &MediaBuilder::sctp_port},
    {"sctpmap", &MediaBuilder::sctpmap}, {"max-message-size", &MediaBuilder::max_message_size},
    {"ptime", &MediaBuilder::ptime},     {"maxptime", &MediaBuilder::maxptime},
};

Status MediaBuilder::open(std::string_view value, const Place& at) {
  const std::string_view kind = take_word(value);
  std::string_view ports = take_word(value);
  const auto port = parse_number<uint16_t>(take_until(ports, '/'));
  const std::string_view protocol = take_word(value);
  if (!text::is_token(kind) || !port || !is_protocol(protocol))
    return at.malformed("", "the m= line is not media, port, protocol and formats",
                        "Write it as RFC 8866 section 5.14 says.");
  m_.line = at.line;
  m_.kind = kind_of(kind);
  m_.kind_text = kind;
  m_.port = *port;
  m_.protocol = protocol_of(protocol);
  m_.protocol_text = protocol;
  return formats(value, at);
}

Status MediaBuilder::formats(std::string_view value, const Place& at) {
  const bool rtp = m_.protocol == Protocol::dtls_srtp;
  for (auto word = take_word(value); !word.empty(); word = take_word(value)) {
    if (!text::is_token(word))
      return at.malformed("", "the m= line has the format " + quoted(word) + ", which is no token",
                          "Name formats by letters and digits only.");
    if (m_.format_text.empty()) m_.format_text = word;
    if (!rtp) continue;
    const auto pt = payload_type(word);
    if (!pt)
      return at.malformed("", "the m= line has the payload type " + quoted(word) + ", not 0 to 127",
                          "Use payload types of RFC 3551.");
    if (codec(*pt)) continue;
    if (m_.codecs.size() == kCodecsMax)
      return at.malformed("", "the m= line has more than " + std::to_string(kCodecsMax) + " payload types",
                          "Offer fewer codecs.");
    OfferedCodec& c = m_.codecs.emplace_back();
    c.pt = *pt;
    const auto known = std::ranges::find(kStaticTypes, *pt, &StaticType::pt);
    if (known != kStaticTypes.end()) {
      c.name = known->name;
      c.clock_rate = known->clock_rate;
    }
  }
  if (m_.format_text.empty())
    return at.malformed("", "the m= line names no format", "Name at least one payload type or format.");
  return {};
}

Status MediaBuilder::attribute(std::string_view name, std::string_view value, const Place& at) {
  bool known = false;
  if (const auto status = parse_transport_attribute(name, value, at, m_.transport, known); known)
    return status;
  if (const auto d = parse_direction(name)) {
    direction_ = d;
    return {};
  }
  if (flag(name)) return {};
  for (const Handler& h : kHandlers)
    if (h.name == name) return (this->*h.take)(value, at);
  return {};
}

bool MediaBuilder::flag(std::string_view name) {
  if (name == "rtcp-mux" || name == "rtcp-mux-only")  // RFC 8858: the stricter one implies the other
    m_.rtcp_mux = true;
  else if (name == "rtcp-rsize")
    m_.rtcp_rsize = true;
  else if (name == "bundle-only")
    m_.bundle_only = true;
  else if (name == "end-of-candidates")
    m_.end_of_candidates = true;
  else if (name == "simulcast" || name == "rid")
    m_.simulcast = true;
  else
    return false;
  return true;
}

OfferedCodec* MediaBuilder::codec(uint8_t pt) {
  const auto found = std::ranges::find(m_.codecs, pt, &OfferedCodec::pt);
  return found == m_.codecs.end() ? nullptr : &*found;
}

Status MediaBuilder::mid(std::string_view value, const Place& at) {
  if (!text::is_token(value) || value.size() > kMidBytesMax)
    return at.malformed("mid", "a=mid is not a token of 1 to " + std::to_string(kMidBytesMax) + " characters",
                        "Name the m-line by a short token such as 0.");
  if (!m_.mid.empty() && m_.mid != value)
    return at.malformed("mid", "a=mid is given twice with different values", "Give it once.");
  m_.mid = value;
  return {};
}

Status MediaBuilder::rtpmap(std::string_view value, const Place& at) {
  const auto pt = payload_type(take_word(value));
  std::string_view encoding = take_word(value);
  const std::string_view name = take_until(encoding, '/');
  const auto clock_rate = parse_number<uint32_t>(take_until(encoding, '/'));
  const auto channels = encoding.empty() ? std::optional<uint8_t>(1) : parse_number<uint8_t>(encoding);
  if (!pt || !text::is_token(name) || name.size() > 64 || !clock_rate || *clock_rate == 0 || !channels)
    return at.malformed("rtpmap", "a=rtpmap is not a payload type and name/clock rate[/channels]",
                        "Write a=rtpmap:111 opus/48000/2 (RFC 8866 section 6.6).");
  OfferedCodec* c = codec(*pt);
  if (!c) return {};
  c->name = name;
  c->clock_rate = *clock_rate;
  c->channels = *channels;
  return {};
}

Status MediaBuilder::fmtp(std::string_view value, const Place& at) {
  const std::string_view format = take_word(value);
  if (format.empty() || m_.protocol != Protocol::dtls_srtp) return {};
  const auto pt = payload_type(format);
  if (!pt)
    return at.malformed("fmtp", "a=fmtp is for " + quoted(format) + ", not a payload type of 0 to 127",
                        "Write a=fmtp:<payload type> <parameters>.");
  OfferedCodec* c = codec(*pt);
  if (!c) return {};
  if (!c->fmtp.empty()) c->fmtp += ';';
  c->fmtp += text::trimmed(value);
  return {};
}

Status MediaBuilder::rtcp_fb(std::string_view value, const Place& at) {
  const std::string_view format = take_word(value);
  if (format == "*") {
    add_feedback(any_, value);
    return {};
  }
  const auto pt = payload_type(format);
  if (!pt)
    return at.malformed("rtcp-fb", "a=rtcp-fb is for " + quoted(format) + ", neither * nor a payload type",
                        "Write a=rtcp-fb:<payload type> nack (RFC 4585 section 4.2).");
  if (OfferedCodec* c = codec(*pt)) add_feedback(c->feedback, value);
  return {};
}

Status MediaBuilder::extmap(std::string_view value, const Place& at) {
  return parse_extmap(value, at, m_.extensions);
}

Status MediaBuilder::candidate(std::string_view value, const Place&) {
  if (m_.candidates.size() == kCandidatesMax) return {};
  if (auto c = parse_candidate(value)) m_.candidates.push_back(*std::move(c));
  return {};
}

Status MediaBuilder::ssrc(std::string_view value, const Place& at) {
  const auto ssrc = parse_number<uint32_t>(take_word(value));
  if (!ssrc)
    return at.malformed("ssrc", "a=ssrc does not begin with a number below 2^32",
                        "Write a=ssrc:<number> cname:<name> (RFC 5576 section 4.1).");
  auto source = std::ranges::find(m_.sources, *ssrc, &Source::ssrc);
  if (source == m_.sources.end()) {
    if (m_.sources.size() == kSourcesMax) return {};
    source = m_.sources.insert(m_.sources.end(), Source{.ssrc = *ssrc});
  }
  const std::string_view name = take_until(value, ':');
  if (name == "cname" && value.size() <= 255) source->cname = value;
  return {};
}

Status MediaBuilder::ssrc_group(std::string_view value, const Place& at) {
  const std::string_view semantics = take_word(value);
  const bool repairs = semantics == "FID" || semantics == "FEC-FR";
  bool first = true;
  for (auto word = take_word(value); !word.empty(); word = take_word(value)) {
    const auto ssrc = parse_number<uint32_t>(word);
    if (!ssrc)
      return at.malformed("ssrc-group", "a=ssrc-group has the member " + quoted(word) + ", not a number",
                          "Write a=ssrc-group:FID <number> <number> (RFC 5576 section 4.2).");
    if (repairs && !first && repair_.size() < kSourcesMax) repair_.push_back(*ssrc);
    first = false;
  }
  return {};
}

Status MediaBuilder::msid(std::string_view value, const Place&) {
  const std::string_view stream = take_word(value), track = take_word(value);
  // RFC 8830 §2: 1..64 token characters each; Firefox adds braces, which are tokens too.
  if (m_.msid_stream.empty() && stream.size() <= 64 && track.size() <= 64) {
    m_.msid_stream = stream;
    m_.msid_track = track;
  }
  return {};
}

Status MediaBuilder::sctp_port(std::string_view value, const Place& at) {
  return number("sctp-port", value, at, m_.sctp_port);
}

Status MediaBuilder::sctpmap(std::string_view value, const Place& at) {
  return number("sctpmap", take_word(value), at, m_.sctp_port);
}

Status MediaBuilder::max_message_size(std::string_view value, const Place& at) {
  return number("max-message-size", value, at, m_.max_message_size);
}

Status MediaBuilder::ptime(std::string_view value, const Place& at) {
  return number("ptime", value, at, m_.ptime);
}

Status MediaBuilder::maxptime(std::string_view value, const Place& at) {
  return number("maxptime", value, at, m_.maxptime);
}

Media MediaBuilder::finish(const SessionAttributes& session) {
  merge(m_.transport, session.transport);
  m_.direction = direction_.value_or(session.direction.value_or(Direction::sendrecv));
  if (m_.extensions.empty()) m_.extensions = session.extensions;
  for (OfferedCodec& c : m_.codecs) merge(c.feedback, any_);
  for (Source& s : m_.sources) s.repair = std::ranges::find(repair_, s.ssrc) != repair_.end();
  return std::move(m_);
}

}  // namespace sluice::sdp
