// Care with secrets. Pure, header only.
#pragma once

#include <cstring>

#include "net/base/bytes.h"

namespace sluice::crypto {

/// Whether two byte strings are equal, in a time that depends on their lengths only.
inline bool equal_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  // Without the barrier a compiler may notice that only zero or not zero matters, and leave the loop early.
  __asm__ volatile("" : "+r"(difference));
  return difference == 0;
}

/// Overwrites a secret that is no longer needed; unlike a plain memset it is never optimised away.
inline void cleanse(MutBytes b) {
  if (b.empty()) return;
  std::memset(b.data(), 0, b.size());
  __asm__ volatile("" : : "r"(b.data()) : "memory");
}

}  // namespace sluice::crypto
