#include "net/trunk/writer.h"

#include <cassert>

#include "net/trunk/frame_bits.h"
#include "net/trunk/keys.h"

namespace sluice::trunk {
namespace {

/// Of a full datagram at most this part is padding.
constexpr size_t kPadShare = 8;

}  // namespace

void Writer::start(MutBytes memory) {
  assert(memory.size() >= kHeaderBytes + kTagBytes);
  memory_ = memory;
  at_ = kHeaderBytes;
  frames_ = 0;
  set_longest(run_ != 0 ? run_ : limits_.datagram);
}

void Writer::set_longest(size_t datagram) {
  room_ = static_cast<uint16_t>(std::min(memory_.size(), datagram) - kTagBytes);
}

/// Whether an empty datagram can be made large enough for a frame that it has no room for.
bool Writer::make_room(size_t bytes) {
  if (!empty()) return false;
  for (size_t longest : {limits_.datagram, limits_.single}) {
    set_longest(longest);
    run_ = 0;
    if (bytes <= size_t{room_} - at_) {
      if (longest > limits_.datagram) room_ = static_cast<uint16_t>(at_ + bytes);
      return true;
    }
  }
  set_longest(limits_.datagram);
  return false;
}

bool Writer::add(const Frame& f) {
  assert(open());
  const bool client_v6 = !f.client.is_v4(), has_flow = f.flow != 0;
  const bool has_local = frames_ == 0 || f.local != local_;
  const bool local_v6 = has_local && !f.local.is_v4();
  const size_t head = kFixedFrameBytes + (has_local ? (local_v6 ? kV6Bytes : kV4Bytes) : 0) +
                      (client_v6 ? kV6Bytes : kV4Bytes) + (has_flow ? 4 : 0);
  const size_t bytes = head + f.payload.size();
  if (size_t{room_} - at_ < bytes && !make_room(bytes)) return false;

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
  at_ = static_cast<uint16_t>(at_ + bytes);
  ++frames_;
  return true;
}

/// Settles the datagram's length, given that another one follows.
void Writer::join_run() {
  const size_t length = size(), slack = limits_.datagram / kPadShare;
  if (run_ == 0) {
    // A short first one would make all that follow short.
    if (length + slack >= limits_.datagram && length <= limits_.datagram)
      run_ = static_cast<uint16_t>(length);
  } else if (length + slack >= run_) {
    std::memset(memory_.data() + at_, 0, run_ - length);
    at_ = static_cast<uint16_t>(run_ - kTagBytes);
  } else {
    run_ = 0;
  }
}

size_t Writer::finish(const Seal& seal, More more) {
  assert(open());
  uint8_t* const begin = memory_.data();
  if (more == More::yes) join_run();
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
