// SRTP protection profiles, as DTLS-SRTP numbers them.
// Pure: no allocation, clock, system call or exception.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::srtp {

/// IANA "DTLS-SRTP Protection Profiles" (RFC 5764 §4.1.2, RFC 7714 §14.2).
enum class Profile : uint16_t {
  aes_cm_128_hmac_sha1_80 = 0x0001,
  aead_aes_128_gcm = 0x0007,
  aead_aes_256_gcm = 0x0008,
};

/// In the order a server prefers them.
inline constexpr std::array<Profile, 3> kProfiles{Profile::aead_aes_128_gcm, Profile::aead_aes_256_gcm,
                                                  Profile::aes_cm_128_hmac_sha1_80};

constexpr bool is_aead(Profile p) { return p != Profile::aes_cm_128_hmac_sha1_80; }
/// Bytes of the master key and of the session encryption key: 16 or 32.
constexpr size_t key_bytes(Profile p) { return p == Profile::aead_aes_256_gcm ? 32 : 16; }
/// Bytes of the master salt and of the session salt: 12 or 14.
constexpr size_t salt_bytes(Profile p) { return is_aead(p) ? 12 : 14; }
/// Bytes of the authentication tag on the wire: 16 or 10.
constexpr size_t tag_bytes(Profile p) { return is_aead(p) ? 16 : 10; }
/// E bit and SRTCP index, RFC 3711 §3.4.
inline constexpr size_t kSrtcpWordBytes = 4;
/// What protection adds behind the payload: 10 or 16 for RTP, 14 or 20 for RTCP.
constexpr size_t overhead_bytes(Profile p, bool rtcp) { return tag_bytes(p) + (rtcp ? kSrtcpWordBytes : 0); }
/// The most that any profile adds; room that a packet buffer must have behind what is to be protected.
inline constexpr size_t kMaxOverhead = 20;

/// RFC 5764's and RFC 7714's names, "SRTP_" left out.
constexpr std::string_view name(Profile p) {
  switch (p) {
    case Profile::aes_cm_128_hmac_sha1_80:
      return "AES_CM_128_HMAC_SHA1_80";
    case Profile::aead_aes_128_gcm:
      return "AEAD_AES_128_GCM";
    case Profile::aead_aes_256_gcm:
      return "AEAD_AES_256_GCM";
  }
  return "unknown";
}

/// nullopt for an id that is not served.
constexpr std::optional<Profile> profile_from_id(uint16_t id) {
  for (Profile p : kProfiles)
    if (static_cast<uint16_t>(p) == id) return p;
  return std::nullopt;
}

}  // namespace sluice::srtp
