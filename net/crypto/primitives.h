// What pure code needs of cryptography, as parameters: plain function pointers with no symbol of any library
// behind them. Pure; `net/crypto/hmac.h`, `aes_block.h`, `gmac.h` and `random.h` make real ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"

namespace sluice::crypto {

inline constexpr size_t kMd5Bytes = 16;
inline constexpr size_t kSha1Bytes = 20;
inline constexpr size_t kSha256Bytes = 32;
inline constexpr size_t kAesBlockBytes = 16;

/// HMAC (RFC 2104) of the concatenation a || b with any key; `out` has room for the whole digest. Allocates
/// nothing; callable from any thread.
using HmacFn = void (*)(Bytes key, Bytes a, Bytes b, uint8_t* out);

/// A plain digest of a message, for long-term credentials; `out` has room for all of it. Allocates nothing;
/// any thread.
using DigestFn = void (*)(Bytes message, uint8_t* out);

/// Functions without state: the same on every thread.
struct Primitives {
  HmacFn hmac_sha1 = nullptr;    ///< writes kSha1Bytes
  HmacFn hmac_sha256 = nullptr;  ///< writes kSha256Bytes
  DigestFn md5 = nullptr;        ///< writes kMd5Bytes
  DigestFn sha256 = nullptr;     ///< writes kSha256Bytes
};

/// A 16-byte block permutation under one key; one thread at a time. `in` and `out` are kAesBlockBytes and may
/// be the same. Refers to a context that somebody else owns, and is empty by default.
struct BlockCipher {
  using Fn = void (*)(void* self, const uint8_t* in, uint8_t* out);
  void* self = nullptr;
  Fn encrypt_fn = nullptr;
  Fn decrypt_fn = nullptr;

  explicit operator bool() const { return self != nullptr; }
  void encrypt(const uint8_t* in, uint8_t* out) const { encrypt_fn(self, in, out); }
  void decrypt(const uint8_t* in, uint8_t* out) const { decrypt_fn(self, in, out); }
};

inline constexpr size_t kGmacKeyBytes = 16;
inline constexpr size_t kGmacNonceBytes = 12;
inline constexpr size_t kGmacTagBytes = 16;

/// AES-128-GMAC (NIST SP 800-38D) under keys that stand in numbered places, all made at start; one thread at
/// a time. A nonce may be used once under a key, whoever uses it: a second message under it gives the hash
/// key away. Refers to contexts that somebody else owns, and is empty by default.
struct Gmac {
  using SetKeyFn = void (*)(void* self, uint32_t place, const uint8_t* key);
  using TagFn = void (*)(void* self, uint32_t place, const uint8_t* nonce, Bytes message, uint8_t* tag);
  void* self = nullptr;
  uint32_t places = 0;
  SetKeyFn set_key_fn = nullptr;
  TagFn tag_fn = nullptr;

  explicit operator bool() const { return self != nullptr; }
  /// `place` 0..places-1; what stood there is overwritten. `key` is kGmacKeyBytes and not kept.
  void set_key(uint32_t place, const uint8_t* key) const { set_key_fn(self, place, key); }
  /// Precondition: the place has a key. `message` may have any length; writes kGmacTagBytes, which may lie
  /// right behind the message.
  void tag(uint32_t place, const uint8_t* nonce, Bytes message, uint8_t* tag) const {
    tag_fn(self, place, nonce, message, tag);
  }
};

/// Where random bytes come from: the operating system, or a seed in the simulator. Refers to a generator that
/// somebody else owns; one thread at a time.
struct Random {
  using Fn = void (*)(void* self, MutBytes out);
  void* self = nullptr;
  Fn fill_fn = nullptr;

  void fill(MutBytes out) const { fill_fn(self, out); }
  template <size_t N>
  std::array<uint8_t, N> bytes() const {
    std::array<uint8_t, N> b;
    fill(b);
    return b;
  }
  uint64_t u64() const { return load_be<uint64_t>(bytes<8>().data()); }
  uint32_t u32() const { return load_be<uint32_t>(bytes<4>().data()); }
};

}  // namespace sluice::crypto
