// From the configured trunk key to the key of one direction of one association. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "net/crypto/primitives.h"
#include "net/crypto/secret.h"

namespace sluice::trunk {

inline constexpr size_t kKeyBytes = 32;
/// 256 secret, uniformly random bits.
using Key = std::array<uint8_t, kKeyBytes>;
inline constexpr size_t kMaxKeyIds = 16;

/// HKDF-Extract (RFC 5869 §2.2): a key out of a secret of any length and form.
Key key_from_secret(const crypto::Primitives& crypto, Bytes secret);

enum class Purpose : uint8_t { hello = 1, to_server = 2, to_relay = 3 };

/// Who speaks with whom: one shard's life at either end. `hello` knows no server yet: its fields are 0.
struct Association {
  uint32_t relay = 0;
  uint32_t server = 0;
  uint64_t relay_epoch = 0;
  uint64_t server_epoch = 0;
  uint8_t relay_shard = 0;
  uint8_t server_shard = 0;

  bool operator==(const Association&) const = default;
};

/// Overwritten when it goes out of scope.
struct SubKey {
  std::array<uint8_t, crypto::kGmacKeyBytes> key{};
  std::array<uint8_t, 4> salt{};

  SubKey() = default;
  SubKey(const SubKey&) = default;
  SubKey& operator=(const SubKey&) = default;
  ~SubKey() {
    crypto::cleanse(key);
    crypto::cleanse(salt);
  }
};

/// HKDF-Expand (RFC 5869 §2.3) with purpose and association as its info. Allocates nothing; about a
/// microsecond.
SubKey derive(const crypto::Primitives& crypto, const Key& key, Purpose purpose, const Association& a);

/// salt || sequence: unique under a sub-key as long as sequences are.
inline std::array<uint8_t, crypto::kGmacNonceBytes> nonce(const std::array<uint8_t, 4>& salt,
                                                          uint64_t sequence) {
  std::array<uint8_t, crypto::kGmacNonceBytes> n;
  std::copy_n(salt.begin(), 4, n.begin());
  store_be<uint64_t>(n.data() + 4, sequence);
  return n;
}

}  // namespace sluice::trunk
