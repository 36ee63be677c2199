// Initialisation vectors of SRTP and SRTCP packets. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/srtp/profile.h"

namespace sluice::srtp {

/// `index`: 48 bits of RTP or 31 bits of SRTCP. RFC 3711 §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index *
/// 2^16. RFC 7714 §8.1 and §9.1: 12 bytes, two zeros, SSRC, index in 48 bits, XOR salt.
inline std::array<uint8_t, 16> packet_iv(Profile p, const std::array<uint8_t, 14>& salt, uint32_t ssrc,
                                         uint64_t index) {
  std::array<uint8_t, 16> iv{};
  const size_t at = is_aead(p) ? 2 : 4;
  store_be<uint32_t>(iv.data() + at, ssrc);
  store_be<uint16_t>(iv.data() + at + 4, static_cast<uint16_t>(index >> 32));
  store_be<uint32_t>(iv.data() + at + 6, static_cast<uint32_t>(index));
  for (size_t i = 0; i < salt.size(); ++i) iv[i] ^= salt[i];
  return iv;
}

}  // namespace sluice::srtp
