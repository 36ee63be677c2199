#include "net/rtcp/compound.h"

namespace sluice::rtcp {

bool CompoundReader::next(View& out) {
  if (left_.empty() || !ok_) return false;
  ok_ = false;
  if (left_.size() < kHeaderBytes || (left_[0] & 0xc0) != 0x80) return false;
  const size_t size = (size_t{load_be<uint16_t>(left_.data() + 2)} + 1) * 4;
  if (size > left_.size()) return false;
  Bytes body = left_.subspan(kHeaderBytes, size - kHeaderBytes);
  if ((left_[0] & 0x20) != 0) {
    if (body.empty() || body.back() == 0 || body.back() > body.size()) return false;
    const uint8_t padding = body.back();
    body = body.first(body.size() - padding);
  }
  ok_ = true;
  out = {static_cast<Type>(left_[1]), static_cast<uint8_t>(left_[0] & 0x1f), body};
  left_ = left_.subspan(size);
  return true;
}

bool well_formed(Bytes datagram) {
  CompoundReader reader(datagram);
  for (View v; reader.next(v);) {
  }
  return reader.ok();
}

Ssrc first_sender(Bytes datagram) {
  if (datagram.size() < 8) return {};
  return {load_be<uint32_t>(datagram.data() + 4)};
}

void write_packet_header(Writer& w, Type type, uint8_t count, size_t body) {
  w.u8(static_cast<uint8_t>(0x80 | (count & 0x1f)));
  w.u8(static_cast<uint8_t>(type));
  w.u16(static_cast<uint16_t>(body / 4));
}

}  // namespace sluice::rtcp
