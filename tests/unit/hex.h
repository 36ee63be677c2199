// Bytes of test vectors, written as the RFCs print them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"

namespace sluice::test {

/// Two hexadecimal digits per byte; everything else separates.
inline std::vector<uint8_t> hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::vector<uint8_t> out;
  int high = -1;
  for (char c : text) {
    const int d = digit(c);
    if (d < 0) continue;
    if (high < 0) {
      high = d;
    } else {
      out.push_back(static_cast<uint8_t>(high * 16 + d));
      high = -1;
    }
  }
  return out;
}

inline std::vector<uint8_t> copy(Bytes b) { return {b.begin(), b.end()}; }

}  // namespace sluice::test
