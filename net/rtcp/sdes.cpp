#include "net/rtcp/sdes.h"

namespace sluice::rtcp {

SdesReader::SdesReader(const View& packet)
    : body_(packet.body),
      chunks_left_(packet.type == Type::sdes ? packet.count : uint8_t{0}),
      ok_(packet.type == Type::sdes) {}

bool SdesReader::begin_chunk() {
  if (chunks_left_ == 0) return false;
  if (body_.size() - at_ < 4) return ok_ = false;
  source_ = {load_be<uint32_t>(body_.data() + at_)};
  at_ += 4;
  --chunks_left_;
  return in_chunk_ = true;
}

bool SdesReader::next(SdesItem& out) {
  if (!ok_) return false;
  for (;;) {
    if (!in_chunk_ && !begin_chunk()) return false;
    if (at_ >= body_.size()) return ok_ = false;
    const uint8_t type = body_[at_];
    if (type == 0) {
      // RFC 3550 §6.5: one to four zero bytes end the list at the next 32-bit boundary.
      at_ = at_ / 4 * 4 + 4;
      if (at_ > body_.size()) return ok_ = false;
      in_chunk_ = false;
      continue;
    }
    if (body_.size() - at_ < 2 || body_.size() - at_ - 2 < body_[at_ + 1]) return ok_ = false;
    out = {source_, type, as_text(body_.subspan(at_ + 2, body_[at_ + 1]))};
    at_ += 2 + size_t{body_[at_ + 1]};
    return true;
  }
}

std::string_view find_cname(const View& packet, Ssrc source) {
  SdesReader reader(packet);
  for (SdesItem item; reader.next(item);)
    if (item.source == source && item.type == kSdesCname) return item.text;
  return {};
}

size_t write_sdes_cname(MutBytes dst, Ssrc source, std::string_view cname) {
  if (cname.empty() || cname.size() > 255) return 0;
  // At least one zero byte ends the item list.
  const size_t chunk = (4 + 2 + cname.size() + 1 + 3) / 4 * 4;
  Writer w(dst);
  write_packet_header(w, Type::sdes, 1, chunk);
  w.u32(source.v);
  w.u8(kSdesCname);
  w.u8(static_cast<uint8_t>(cname.size()));
  w.bytes(as_bytes(cname));
  w.zeros(chunk - 4 - 2 - cname.size());
  return w.ok() ? w.size() : 0;
}

}  // namespace sluice::rtcp
