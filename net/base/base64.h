// Base64 without padding (RFC 4648 §4), into caller memory. Its 64 characters are exactly ICE's alphabet
// (RFC 8839 §5.4 ice-char). Pure: no allocation, clock, system call or exception.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/bytes.h"

namespace sluice {

inline constexpr std::string_view kBase64Alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters that `bytes` bytes become; padding is not written.
constexpr size_t base64_chars(size_t bytes) { return (bytes * 8 + 5) / 6; }

/// Writes min(out.size(), base64_chars(in.size())) characters and returns that number; cutting the output
/// short keeps a prefix of the full text.
constexpr size_t base64_encode(Bytes in, std::span<char> out) {
  const size_t n = std::min(out.size(), base64_chars(in.size()));
  for (size_t i = 0; i < n; ++i) {
    const size_t bit = i * 6, at = bit / 8;
    const uint32_t two = (uint32_t{in[at]} << 8) | (at + 1 < in.size() ? in[at + 1] : 0U);
    out[i] = kBase64Alphabet[(two >> (10 - bit % 8)) & 63U];
  }
  return n;
}

/// Not in the function that uses it: there it would be copied to the stack by each call.
inline constexpr auto kBase64Values = [] {
  std::array<uint8_t, 256> t{};
  t.fill(64);
  for (uint8_t i = 0; i < 64; ++i) t[static_cast<uint8_t>(kBase64Alphabet[i])] = i;
  return t;
}();

/// 0..63, or 64 for a character outside the alphabet.
constexpr uint8_t base64_value(char c) { return kBase64Values[static_cast<uint8_t>(c)]; }

/// Decodes a text whose length is a multiple of 4 into exactly out.size() == 3/4 of it bytes. False if the
/// sizes do not fit or a character is outside the alphabet ('=' too); `out` is then unspecified.
constexpr bool base64_decode(std::string_view in, MutBytes out) {
  if (in.size() % 4 != 0 || out.size() != in.size() / 4 * 3) return false;
  uint8_t bad = 0;
  for (size_t i = 0, o = 0; i < in.size(); i += 4, o += 3) {
    const uint8_t a = base64_value(in[i]), b = base64_value(in[i + 1]), c = base64_value(in[i + 2]),
                  d = base64_value(in[i + 3]);
    bad |= a | b | c | d;
    out[o] = static_cast<uint8_t>((a << 2) | (b >> 4));
    out[o + 1] = static_cast<uint8_t>((b << 4) | (c >> 2));
    out[o + 2] = static_cast<uint8_t>((c << 6) | d);
  }
  return bad < 64;
}

}  // namespace sluice
