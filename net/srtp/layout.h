// Where tag, ROC and SRTCP word stand behind a payload; shared by the ciphers that work on bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <openssl/crypto.h>

#include "net/base/bytes.h"
#include "net/srtp/cipher.h"

namespace sluice::srtp {

using Tag = std::array<uint8_t, 20>;

inline uint8_t* payload_of(const CipherOp& op) { return op.packet + op.header_len; }
inline uint8_t* end_of_payload(const CipherOp& op) { return payload_of(op) + op.payload_len; }

/// RFC 3711 §3.1, §3.4: AES-CM profiles have the tag last. RFC 7714 §9.1: AEAD has the SRTCP word last.
inline uint8_t* tag_of(const CipherOp& op) {
  return end_of_payload(op) + (op.rtcp && !is_aead(op.profile) ? kSrtcpWordBytes : 0);
}
inline bool tag_matches(const CipherOp& op, const uint8_t* tag) {
  return CRYPTO_memcmp(tag, tag_of(op), tag_bytes(op.profile)) == 0;
}

/// Writes word and tag in their wire order.
inline void finish_packet(const CipherOp& op, const uint8_t* tag) {
  const bool aead = is_aead(op.profile);
  std::copy_n(tag, tag_bytes(op.profile), tag_of(op));
  if (op.rtcp) store_be<uint32_t>(end_of_payload(op) + (aead ? tag_bytes(op.profile) : 0), op.word);
}

/// Associated data of an AEAD packet: what `data` points to, and how much of the payload is left to cipher.
struct Associated {
  const uint8_t* data;
  size_t len;
  size_t cipher_len;
};

/// RFC 7714 §8.2: RTP header. §9.2: RTCP header and word. §9.3: an unencrypted SRTCP packet and its word,
/// which are put together where the tag stands or will stand, so the tag must have been copied before.
inline Associated associated_data(const CipherOp& op, std::array<uint8_t, 12>& scratch) {
  if (!op.rtcp) return {op.packet, op.header_len, op.payload_len};
  if (!op.encrypted) {
    store_be<uint32_t>(end_of_payload(op), op.word);
    return {op.packet, size_t{op.header_len} + op.payload_len + kSrtcpWordBytes, 0};
  }
  std::copy_n(op.packet, 8, scratch.begin());
  store_be<uint32_t>(scratch.data() + 8, op.word);
  return {scratch.data(), scratch.size(), op.payload_len};
}

}  // namespace sluice::srtp
