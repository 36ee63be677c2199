// Master keys, and the session keys derived from them (RFC 3711 §4.3, RFC 7714 §11).
// Tame: OpenSSL contexts are made once; deriving allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/srtp/profile.h"

namespace sluice::srtp {

/// The master key of one direction. The first key_bytes(profile) and salt_bytes(profile) bytes count, the
/// rest is zero. Every copy is cleansed when it is destroyed.
struct MasterKey {
  Profile profile = Profile::aead_aes_128_gcm;
  std::array<uint8_t, 32> key{};
  std::array<uint8_t, 14> salt{};

  MasterKey() = default;
  MasterKey(const MasterKey&) = default;
  MasterKey& operator=(const MasterKey&) = default;
  ~MasterKey();
};

/// Both directions of a DTLS-SRTP association. A DTLS server receives with `client` and sends with `server`.
struct MasterKeys {
  MasterKey client;  ///< what the DTLS client protects with
  MasterKey server;  ///< what the DTLS server protects with
};

/// Bytes to ask of the TLS exporter, label "EXTRACTOR-dtls_srtp": 56, 60 or 88.
constexpr size_t exported_bytes(Profile p) { return 2 * (key_bytes(p) + salt_bytes(p)); }
inline constexpr size_t kMaxExportedBytes = 88;

/// RFC 5764 §4.2: client key, server key, client salt, server salt. nullopt unless `material` is
/// exported_bytes(p) long. The caller cleanses `material`.
std::optional<MasterKeys> split_exported(Profile p, Bytes material);

/// One of the two protocols' session keys. Cleansed when destroyed.
struct SessionKey {
  std::array<uint8_t, 32> cipher{};  ///< key_bytes(profile) of them
  std::array<uint8_t, 20> auth{};    ///< HMAC-SHA1 key; unused by the AEAD profiles
  std::array<uint8_t, 14> salt{};    ///< salt_bytes(profile) of them, then zeros

  SessionKey() = default;
  SessionKey(const SessionKey&) = default;
  SessionKey& operator=(const SessionKey&) = default;
  ~SessionKey();
};

/// Session keys of one direction.
struct SessionKeys {
  Profile profile = Profile::aead_aes_128_gcm;
  SessionKey rtp;
  SessionKey rtcp;
};

/// The AES-CM pseudo random function of RFC 3711 §4.3.3 with key derivation rate 0, the only one that
/// DTLS-SRTP has. One thread at a time.
class KeyDerivation {
 public:
  /// Allocates; throws std::bad_alloc if OpenSSL cannot.
  KeyDerivation();
  ~KeyDerivation();
  KeyDerivation(const KeyDerivation&) = delete;
  KeyDerivation& operator=(const KeyDerivation&) = delete;

  /// Allocates nothing.
  void derive(const MasterKey& master, SessionKeys& out);
  /// RFC 3711 §4.3.1: `out` is filled with the key stream of `label`. Allocates nothing.
  void derive(const MasterKey& master, uint8_t label, MutBytes out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace sluice::srtp
