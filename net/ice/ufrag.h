// The ICE ufrag that routes a first packet with no store, and the password derived from it. Pure.
//
// 24 characters of ICE's alphabet are 144 bits, most significant first:
//   in the clear   version 4 | key id 4 | reserved 8 (zero)
//   one AES block  region 6 | node 14 | session index 20 | session generation 26 | ICE generation 8 |
//                  expiry 16 | check 38
// `check` is a constant: whoever does not hold the route key hits it with probability 2^-38, and a wrong bit
// anywhere is a wrong check. The key id names a pair of independent keys, the route key (every relay has it)
// and the ICE key (media tier only); to rotate one, install a pair under a new id.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>

#include "net/base/base64.h"
#include "net/base/drop.h"
#include "net/base/units.h"
#include "net/crypto/primitives.h"
#include "net/crypto/secret.h"

namespace sluice::ice {

inline constexpr size_t kUfragChars = 24;
inline constexpr size_t kPasswordChars = 32;
inline constexpr size_t kMaxKeyIds = 16;
using Ufrag = std::array<char, kUfragChars>;

constexpr std::string_view text(const Ufrag& u) { return {u.data(), u.size()}; }

/// Expiry is counted in units of 10 minutes since 1970-01-01 UTC, modulo 2^16 (455 days).
using ExpiryUnit = uint16_t;
/// `unix_seconds`: wall clock. Any machine of the fleet computes the same unit.
constexpr ExpiryUnit expiry_unit(uint64_t unix_seconds) {
  return static_cast<ExpiryUnit>(unix_seconds / 600);
}
/// Longest life that a ufrag may be minted with: 7 days. Wrap: a ufrag is alive while its expiry lies 1 to
/// kMaxLifetime units ahead of now, modulo 2^16, so one kept for 448 to 455 days would come alive again for
/// a week; a route key must not stay installed that long.
inline constexpr uint16_t kMaxLifetime = 7 * 24 * 6;

constexpr bool is_expired(ExpiryUnit expiry, ExpiryUnit now) {
  const auto ahead = static_cast<uint16_t>(expiry - now);
  return ahead == 0 || ahead > kMaxLifetime;
}

struct UfragFields {
  uint8_t region = 0;          ///< 0..63
  uint16_t node = 0;           ///< 0..16383
  uint32_t session_index = 0;  ///< 0..2^20-1
  uint32_t session_gen = 0;    ///< 26 bits: the handle's generation modulo 2^26
  uint8_t ice_generation = 0;  ///< modulo 256
  ExpiryUnit expiry = 0;       ///< dead from this unit on

  constexpr bool operator==(const UfragFields&) const = default;
  static constexpr uint32_t kGenMask = (1U << 26) - 1;
  static constexpr uint32_t kIndexMask = (1U << 20) - 1;
  /// Whether it names this session.
  constexpr bool names(Handle h) const {
    return h.index == session_index && (h.gen & kGenMask) == session_gen;
  }
};

/// Mints and opens ufrags under up to 16 route keys. Refers to ciphers that somebody else owns, so one thread
/// at a time: each shard has its own. Allocates nothing.
class UfragCodec {
 public:
  /// `key_id` 0..15. Keys under different ids must differ. An empty cipher removes the key.
  void set_key(uint8_t key_id, crypto::BlockCipher cipher) { keys_[key_id % kMaxKeyIds] = cipher; }
  bool has_key(uint8_t key_id) const { return key_id < kMaxKeyIds && static_cast<bool>(keys_[key_id]); }

  /// Values out of range are cut to their width. Precondition: has_key(key_id).
  Ufrag mint(const UfragFields& fields, uint8_t key_id) const;

  struct Opened {
    UfragFields fields;
    uint8_t key_id = 0;
  };
  /// Drop::ufrag_forged: not 24 characters of the alphabet, another version, an unknown key id, or a check
  /// that does not match (compared in constant time). Does not look at the expiry.
  std::expected<Opened, Drop> decode(std::string_view ufrag) const;
  /// The same, and Drop::ufrag_expired when it is no longer or not yet alive at `now`.
  std::expected<UfragFields, Drop> open(std::string_view ufrag, ExpiryUnit now) const;

 private:
  std::array<crypto::BlockCipher, kMaxKeyIds> keys_{};
};

/// An ICE password; overwritten when it goes out of scope. Never log it.
struct Password {
  std::array<char, kPasswordChars> chars{};

  Password() = default;
  Password(const Password&) = default;
  Password& operator=(const Password&) = default;
  ~Password() { crypto::cleanse({reinterpret_cast<uint8_t*>(chars.data()), chars.size()}); }

  std::string_view text() const { return {chars.data(), chars.size()}; }
  Bytes bytes() const { return as_bytes(text()); }
};

inline constexpr size_t kIceKeyBytes = 32;
using IceKey = std::array<uint8_t, kIceKeyBytes>;

/// base64(HMAC-SHA256(ice_key, "pwd" || ufrag)) cut to 32 characters: 192 bits. Allocates nothing.
Password password(const crypto::Primitives& crypto, const IceKey& ice_key, std::string_view ufrag);

}  // namespace sluice::ice
