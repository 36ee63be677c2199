// SRTP keying material out of a DTLS handshake (RFC 5764 §4.2). Trivially copyable, so that it travels in a
// ring; whoever drops a copy cleanses it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"

namespace sluice::dtls {

/// SRTPProtectionProfile values (RFC 5764 §4.1.2, RFC 7714 §14.2), in the order in which the server prefers
/// them.
inline constexpr uint16_t kAeadAes128Gcm = 0x0007;
inline constexpr uint16_t kAeadAes256Gcm = 0x0008;
inline constexpr uint16_t kAesCm128HmacSha1_80 = 0x0001;

struct SrtpKeys {
  uint16_t profile = 0;  ///< 0: none
  uint8_t key_len = 0;   ///< 16 or 32
  uint8_t salt_len = 0;  ///< 12 (GCM) or 14 (CM)
  std::array<uint8_t, 32> client_key_bytes{};
  std::array<uint8_t, 32> server_key_bytes{};
  std::array<uint8_t, 14> client_salt_bytes{};
  std::array<uint8_t, 14> server_salt_bytes{};

  /// What the client protects with: our receive key.
  Bytes client_key() const { return Bytes(client_key_bytes).first(key_len); }
  Bytes client_salt() const { return Bytes(client_salt_bytes).first(salt_len); }
  /// What we protect with.
  Bytes server_key() const { return Bytes(server_key_bytes).first(key_len); }
  Bytes server_salt() const { return Bytes(server_salt_bytes).first(salt_len); }
};

/// Overwrites the secret in a way that the compiler keeps. Does not allocate; any thread.
void cleanse(SrtpKeys& keys);

}  // namespace sluice::dtls
