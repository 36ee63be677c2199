#include "net/trunk/reader.h"

#include "net/trunk/frame_bits.h"

namespace sluice::trunk {

bool Reader::next(Frame& f) {
  if (at_ == end_ || *at_ == 0) return false;
  if (read(f)) return true;
  ok_ = false;
  at_ = end_;
  return false;
}

bool Reader::read(Frame& f) {
  const size_t left = static_cast<size_t>(end_ - at_);
  if (left < kFixedFrameBytes) return false;
  const uint8_t bits = at_[0];
  const bool has_local = (bits & kHasLocal) != 0, local_v6 = (bits & kLocalV6) != 0,
             client_v6 = (bits & kClientV6) != 0, has_flow = (bits & kHasFlow) != 0;
  // One encoding for each frame: what has no meaning is refused.
  if ((bits & kIsFrame) == 0 || (at_[1] & ~kEcnMask) != 0 || (local_v6 && !has_local)) return false;
  if (!has_local && !has_local_) return false;

  const size_t local_bytes = has_local ? (local_v6 ? kV6Bytes : kV4Bytes) : 0;
  const size_t client_bytes = client_v6 ? kV6Bytes : kV4Bytes;
  const size_t len = load_be<uint16_t>(at_ + 2);
  const size_t head = kFixedFrameBytes + local_bytes + client_bytes + (has_flow ? 4 : 0);
  if (left < head + len) return false;

  const uint8_t* p = at_ + kFixedFrameBytes;
  if (has_local) {
    read_endpoint(p, f.local, local_v6);
    has_local_ = true;
    p += local_bytes;
  }
  read_endpoint(p, f.client, client_v6);
  p += client_bytes;
  f.flow = has_flow ? load_be<uint32_t>(p) : 0;
  f.ecn = at_[1];
  f.first = (bits & kFirst) != 0;
  f.stun = (bits & kStun) != 0;
  f.direct = (bits & kDirect) != 0;
  f.payload = Bytes(at_ + head, len);
  at_ += head + len;
  return true;
}

}  // namespace sluice::trunk
