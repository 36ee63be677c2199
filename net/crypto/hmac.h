// HMAC-SHA1 and HMAC-SHA256 (RFC 2104), MD5 and SHA-256 over OpenSSL, on the stack: nothing is allocated, so
// a shard may call them per packet. Tame. Any thread.
#pragma once

#include <span>

#include "net/crypto/primitives.h"

namespace sluice::crypto {

/// HMAC of a || b; either part may be empty, the key may have any length.
void hmac_sha1(Bytes key, Bytes a, Bytes b, uint8_t* out20);
void hmac_sha256(Bytes key, Bytes a, Bytes b, uint8_t* out32);

/// MD5 of a message, for the long-term credentials of STUN (RFC 8489 §9.2.2); no security rests on it alone.
std::array<uint8_t, 16> md5(Bytes message);
void md5(Bytes message, uint8_t* out16);
void sha256(Bytes message, uint8_t* out32);

/// All of them as parameters for pure code.
inline constexpr Primitives kPrimitives{
    .hmac_sha1 = &hmac_sha1, .hmac_sha256 = &hmac_sha256, .md5 = &md5, .sha256 = &sha256};

}  // namespace sluice::crypto
