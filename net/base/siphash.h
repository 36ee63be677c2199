// SipHash-1-3 (Aumasson and Bernstein, 2012), a keyed hash for tables whose keys an attacker chooses. Pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "net/base/bytes.h"

namespace sluice {

/// 128 secret random bits, drawn at start.
struct HashSeed {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

/// `kCompress` rounds per 8 bytes and `kFinish` at the end. 1-3 is what hash tables use; 2-4 has the
/// published vectors.
template <int kCompress = 1, int kFinish = 3>
inline uint64_t siphash(HashSeed seed, Bytes data) {
  uint64_t a = seed.k0 ^ 0x736f6d6570736575, b = seed.k1 ^ 0x646f72616e646f6d;
  uint64_t c = seed.k0 ^ 0x6c7967656e657261, d = seed.k1 ^ 0x7465646279746573;
  const auto rounds = [&](int n) {
    for (int i = 0; i < n; ++i) {
      a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
      c += d, d = std::rotl(d, 16) ^ c;
      a += d, d = std::rotl(d, 21) ^ a;
      c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }
  };
  const auto absorb = [&](uint64_t word) {
    d ^= word;
    rounds(kCompress);
    a ^= word;
  };
  const auto little = [](uint64_t v) {
    return std::endian::native == std::endian::little ? v : static_cast<uint64_t>(__builtin_bswap64(v));
  };
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + at, 8);
    absorb(little(word));
  }
  uint64_t last = 0;
  if (at < data.size()) std::memcpy(&last, data.data() + at, data.size() - at);
  absorb(little(last) | (static_cast<uint64_t>(data.size()) << 56));
  c ^= 0xff;
  rounds(kFinish);
  return a ^ b ^ c ^ d;
}

}  // namespace sluice
