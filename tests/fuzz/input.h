// A fuzz target's input as a reader that never ends: behind its end stand zeros.
#pragma once

#include <algorithm>

#include "net/base/bytes.h"

namespace sluice::fuzz {

struct Reader {
  Bytes left;
  bool done() const { return left.empty(); }
  uint8_t u8() {
    if (left.empty()) return 0;
    const uint8_t v = left.front();
    left = left.subspan(1);
    return v;
  }
  uint16_t u16() {
    const auto high = static_cast<uint16_t>(u8() << 8);
    return static_cast<uint16_t>(high | u8());
  }
  Bytes take(size_t n) {
    const Bytes b = left.first(std::min(n, left.size()));
    left = left.subspan(b.size());
    return b;
  }
};

}  // namespace sluice::fuzz
