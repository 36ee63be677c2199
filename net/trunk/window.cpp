#include "net/trunk/window.h"

#include <algorithm>

namespace sluice::trunk {

void Window::mark(uint64_t sequence) {
  const uint64_t ahead = sequence - newest_;
  if (received_ == 0 || (sequence > newest_ && ahead >= kBits)) {
    ring_.fill(0);
    newest_ = first_ = sequence;
  } else if (sequence > newest_) {
    // Words that the window's front enters hold what lies a whole ring behind.
    const uint64_t words = std::min<uint64_t>(sequence / 64 - newest_ / 64, ring_.size());
    for (uint64_t i = 0; i < words; ++i) ring_[(sequence / 64 - i) % ring_.size()] = 0;
    lost_ += ahead - 1;
    newest_ = sequence;
  } else if (sequence > first_) {
    --lost_;
  }
  ring_[sequence / 64 % ring_.size()] |= uint64_t{1} << (sequence & 63);
  ++received_;
}

}  // namespace sluice::trunk
