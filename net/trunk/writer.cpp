#include "net/trunk/writer.h"

#include <cassert>

#include "net/trunk/frame_bits.h"
#include "net/trunk/keys.h"

namespace sluice::trunk {

void Writer::start(MutBytes memory) {
  const size_t longest = run_ != 0 ? run_ : limits_.datagram;
  assert(memory.size() >= kHeaderBytes + kTagBytes);
  memory_ = memory;
  at_ = kHeaderBytes;
  room_ = static_cast<uint16_t>(std::min(memory.size(), longest) - kTagBytes);
  frames_ = 0;
  single_ = false;
}

void Writer::start_single() {
  assert(open() && empty());
  room_ = static_cast<uint16_t>(std::min<size_t>(memory_.size(), limits_.single) - kTagBytes);
  single_ = true;
}

bool Writer::add(const Frame& f) {
  assert(open());
  const bool client_v6 = !f.client.is_v4(), has_flow = f.flow != 0;
  const bool has_local = frames_ == 0 || f.local != local_;
  const bool local_v6 = has_local && !f.local.is_v4();
  const size_t head = kFixedFrameBytes + (has_local ? (local_v6 ? kV6Bytes : kV4Bytes) : 0) +
                      (client_v6 ? kV6Bytes : kV4Bytes) + (has_flow ? 4 : 0);
  if (size_t{room_} - at_ < head + f.payload.size()) return false;

  uint8_t* p = memory_.data() + at_;
  p[0] = static_cast<uint8_t>(kIsFrame | (client_v6 ? kClientV6 : 0) | (has_local ? kHasLocal : 0) |
                              (local_v6 ? kLocalV6 : 0) | (has_flow ? kHasFlow : 0) | (f.first ? kFirst : 0) |
                              (f.stun ? kStun : 0) | (f.direct ? kDirect : 0));
  p[1] = f.ecn & kEcnMask;
  store_be<uint16_t>(p + 2, static_cast<uint16_t>(f.payload.size()));
  p += kFixedFrameBytes;
  if (has_local) {
    p = put_endpoint(p, f.local, local_v6);
    local_ = f.local;
  }
  p = put_endpoint(p, f.client, client_v6);
  if (has_flow) {
    store_be<uint32_t>(p, f.flow);
    p += 4;
  }
  std::copy_n(f.payload.data(), f.payload.size(), p);
  at_ = static_cast<uint16_t>(at_ + head + f.payload.size());
  ++frames_;
  return true;
}

size_t Writer::finish(const Seal& seal, More more) {
  assert(open());
  uint8_t* const begin = memory_.data();
  if (single_) {
    run_ = 0;  // no datagram behind it could join one of another length
  } else if (more == More::yes) {
    if (run_ == 0) run_ = static_cast<uint16_t>(at_ + kTagBytes);
    std::memset(begin + at_, 0, size_t{run_} - kTagBytes - at_);
    at_ = static_cast<uint16_t>(run_ - kTagBytes);
  }
  write_header(begin, seal.header);
  seal.gmac.tag(seal.place, nonce(seal.salt, seal.header.sequence).data(), Bytes(begin, at_), begin + at_);
  memory_ = {};
  frames_ = 0;
  return at_ + kTagBytes;
}

void Writer::end_batch() {
  memory_ = {};
  frames_ = 0;
  run_ = 0;
}

}  // namespace sluice::trunk
