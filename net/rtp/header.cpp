#include "net/rtp/header.h"

#include <cstring>

namespace sluice::rtp {
namespace {

constexpr uint8_t kVersion2 = 0x80;
constexpr uint16_t kOneByteProfile = 0xbede;
constexpr uint16_t kTwoByteProfile = 0x1000;  // the low four bits are the application's
constexpr uint8_t kReservedId = 15;

/// The rest of the header after CSRCs, if the X bit is set. False if it overruns.
bool read_extension_header(Bytes packet, Header& h) {
  Reader r(packet.subspan(h.header_len));
  h.ext_profile = r.u16();
  const size_t bytes = size_t{r.u16()} * 4;
  h.extension = r.take(bytes);
  if (!r.ok()) return false;
  h.header_len = static_cast<uint16_t>(h.header_len + 4 + bytes);
  return true;
}

}  // namespace

ElementReader::ElementReader(uint16_t profile, Bytes elements) : left_(elements) {
  if (profile == kOneByteProfile)
    form_ = Form::one_byte;
  else if ((profile & 0xfff0) == kTwoByteProfile)
    form_ = Form::two_byte;
  else
    left_ = {};
}

bool ElementReader::next(Element& out) {
  // RFC 8285 §4.2, §4.3: a byte of 0 is padding in both forms.
  size_t at = 0;
  while (at < left_.size() && left_[at] == 0) ++at;
  const size_t head = form_ == Form::two_byte ? 2 : 1;
  if (at + head > left_.size()) return left_ = {}, false;

  const uint8_t first = left_[at];
  uint8_t id = first;
  size_t len = 0;
  if (form_ == Form::two_byte) {
    len = left_[at + 1];
  } else {
    id = first >> 4;
    len = size_t{first & 0x0fu} + 1;
    // RFC 8285 §4.2: id 0 with a length, and id 15, end the processing of the whole extension.
    if (id == 0 || id == kReservedId) return left_ = {}, false;
  }
  if (at + head + len > left_.size()) return left_ = {}, false;
  out = {id, left_.subspan(at + head, len)};
  left_ = left_.subspan(at + head + len);
  return true;
}

std::optional<Bytes> Header::find(uint8_t id) const {
  if (id == 0) return {};
  ElementReader reader = elements();
  for (Element e; reader.next(e);)
    if (e.id == id) return e.data;
  return {};
}

std::optional<Header> parse_header(Bytes packet) {
  if (packet.size() < kFixedHeader || packet.size() > UINT16_MAX) return {};
  const uint8_t* p = packet.data();
  if ((p[0] & 0xc0) != kVersion2) return {};
  Header h;
  h.has_padding = (p[0] & 0x20) != 0;
  h.marker = (p[1] & 0x80) != 0;
  h.payload_type = p[1] & 0x7f;
  h.seq = {load_be<uint16_t>(p + 2)};
  h.timestamp = {load_be<uint32_t>(p + 4)};
  h.ssrc = {load_be<uint32_t>(p + 8)};
  const size_t csrc_bytes = size_t{p[0] & 0x0fu} * 4;
  if (packet.size() < kFixedHeader + csrc_bytes) return {};
  h.csrc = packet.subspan(kFixedHeader, csrc_bytes);
  h.header_len = static_cast<uint16_t>(kFixedHeader + csrc_bytes);
  if ((p[0] & 0x10) != 0 && !read_extension_header(packet, h)) return {};
  return h;
}

std::optional<Bytes> payload(const Header& header, Bytes packet) {
  if (packet.size() < header.header_len) return {};
  const Bytes all = packet.subspan(header.header_len);
  if (!header.has_padding) return all;
  if (all.empty() || all.back() == 0 || all.back() > all.size()) return {};
  return all.first(all.size() - all.back());
}

KnownExtensions read_extensions(const Header& header, const ExtMap& map) {
  KnownExtensions known;
  ElementReader reader = header.elements();
  for (Element e; reader.next(e);) {
    const auto kind = map.kind(e.id);
    if (!kind) continue;
    switch (*kind) {
      case ExtKind::mid:
        known.mid = as_text(e.data);
        break;
      case ExtKind::rid:
        known.rid = as_text(e.data);
        break;
      case ExtKind::repaired_rid:
        known.repaired_rid = as_text(e.data);
        break;
      case ExtKind::audio_level:
        known.audio_level = read_audio_level(e.data);
        break;
      case ExtKind::abs_send_time:
        known.abs_send_time = read_abs_send_time(e.data);
        break;
      case ExtKind::transport_cc:
        known.transport_seq = read_transport_seq(e.data);
        break;
      default:
        break;
    }
  }
  return known;
}

bool ElementList::add(uint8_t id, Bytes data) {
  if (id == 0 || id >= kReservedId || data.empty() || data.size() > 16 || n_ == kMax) return false;
  items_[n_++] = {id, static_cast<uint8_t>(data.size()), data.data(), {}};
  bytes_ += 1 + data.size();
  return true;
}

bool ElementList::add_own(uint8_t id, uint32_t value, uint8_t len) {
  std::array<uint8_t, 3> own{};
  for (size_t i = 0; i < len; ++i) own[i] = static_cast<uint8_t>(value >> (8 * (len - 1 - i)));
  if (!add(id, Bytes(own).first(len))) return false;
  items_[n_ - 1].data = nullptr;
  items_[n_ - 1].own = own;
  return true;
}

bool ElementList::add_audio_level(uint8_t id, AudioLevel level) {
  return add_own(id, write_audio_level(level), 1);
}
bool ElementList::add_abs_send_time(uint8_t id, uint32_t fixed_6_18) { return add_own(id, fixed_6_18, 3); }
bool ElementList::add_transport_seq(uint8_t id, uint16_t seq) { return add_own(id, seq, 2); }

bool ElementList::copy(ExtKind kind, const Header& source, const ExtMap& from, const ExtMap& to) {
  if (to.id(kind) == 0) return false;
  const auto data = source.find(from.id(kind));
  return data && add(to.id(kind), *data);
}

size_t write_header(MutBytes dst, const Fields& fields, const ElementList& elements) {
  const size_t size = header_size(elements);
  if (dst.size() < size) return 0;
  uint8_t* p = dst.data();
  p[0] = static_cast<uint8_t>(kVersion2 | (elements.n_ != 0 ? 0x10 : 0));
  p[1] = static_cast<uint8_t>((fields.marker ? 0x80 : 0) | (fields.payload_type & 0x7f));
  store_be<uint16_t>(p + 2, fields.seq.v);
  store_be<uint32_t>(p + 4, fields.timestamp.v);
  store_be<uint32_t>(p + 8, fields.ssrc.v);
  if (elements.n_ == 0) return size;

  store_be<uint16_t>(p + 12, kOneByteProfile);
  store_be<uint16_t>(p + 14, static_cast<uint16_t>((size - kFixedHeader) / 4 - 1));
  uint8_t* at = p + 16;
  for (size_t i = 0; i < elements.n_; ++i) {
    const ElementList::Item& e = elements.items_[i];
    *at++ = static_cast<uint8_t>((e.id << 4) | (e.len - 1));
    std::memcpy(at, e.data != nullptr ? e.data : e.own.data(), e.len);
    at += e.len;
  }
  while (at != p + size) *at++ = 0;
  return size;
}

}  // namespace sluice::rtp
