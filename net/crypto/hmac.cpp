#define OPENSSL_SUPPRESS_DEPRECATED  // the low-level digests are the ones that allocate nothing
#include "net/crypto/hmac.h"

#include <cstring>

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "net/crypto/secret.h"

namespace sluice::crypto {
namespace {

constexpr size_t kBlock = 64;  // of SHA-1 and SHA-256 alike
static_assert(kBlock == SHA_CBLOCK && kBlock == SHA256_CBLOCK);

struct Sha1 {
  static constexpr size_t kBytes = kSha1Bytes;
  SHA_CTX c;
  void start() { SHA1_Init(&c); }
  void add(Bytes b) { SHA1_Update(&c, b.data(), b.size()); }
  void finish(uint8_t* out) { SHA1_Final(out, &c); }
};

struct Sha256 {
  static constexpr size_t kBytes = kSha256Bytes;
  SHA256_CTX c;
  void start() { SHA256_Init(&c); }
  void add(Bytes b) { SHA256_Update(&c, b.data(), b.size()); }
  void finish(uint8_t* out) { SHA256_Final(out, &c); }
};

template <class T>
MutBytes raw(T& t) {
  return {reinterpret_cast<uint8_t*>(&t), sizeof t};
}

// RFC 2104 §2.
template <class Hash>
void hmac(Bytes key, Bytes a, Bytes b, uint8_t* out) {
  Hash hash;
  std::array<uint8_t, kBlock> pad{};
  if (key.size() > kBlock) {
    hash.start();
    hash.add(key);
    hash.finish(pad.data());
  } else if (!key.empty()) {
    std::memcpy(pad.data(), key.data(), key.size());
  }
  for (uint8_t& x : pad) x ^= 0x36;
  hash.start();
  hash.add(pad);
  hash.add(a);
  hash.add(b);
  std::array<uint8_t, Hash::kBytes> inner;
  hash.finish(inner.data());

  for (uint8_t& x : pad) x ^= 0x36 ^ 0x5c;
  hash.start();
  hash.add(pad);
  hash.add(inner);
  hash.finish(out);
  cleanse(pad);
  cleanse(inner);
  cleanse(raw(hash));
}

}  // namespace

void hmac_sha1(Bytes key, Bytes a, Bytes b, uint8_t* out20) { hmac<Sha1>(key, a, b, out20); }

void hmac_sha256(Bytes key, Bytes a, Bytes b, uint8_t* out32) { hmac<Sha256>(key, a, b, out32); }

std::array<uint8_t, 16> md5(Bytes message) {
  std::array<uint8_t, 16> out;
  md5(message, out.data());
  return out;
}

void md5(Bytes message, uint8_t* out16) { MD5(message.data(), message.size(), out16); }

void sha256(Bytes message, uint8_t* out32) { SHA256(message.data(), message.size(), out32); }

}  // namespace sluice::crypto
