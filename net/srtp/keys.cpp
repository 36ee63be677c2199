#include "net/srtp/keys.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace sluice::srtp {
namespace {
constexpr std::array<uint8_t, 32> kZeroKey{};  // what a context holds between two derivations
}

MasterKey::~MasterKey() {
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

SessionKey::~SessionKey() {
  OPENSSL_cleanse(cipher.data(), cipher.size());
  OPENSSL_cleanse(auth.data(), auth.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

std::optional<MasterKeys> split_exported(Profile p, Bytes material) {
  if (material.size() != exported_bytes(p)) return std::nullopt;
  MasterKeys k;
  Reader r(material);
  k.client.profile = k.server.profile = p;
  const auto take = [&r](auto& to, size_t n) {
    const Bytes b = r.take(n);
    std::copy(b.begin(), b.end(), to.begin());
  };
  take(k.client.key, key_bytes(p));
  take(k.server.key, key_bytes(p));
  take(k.client.salt, salt_bytes(p));
  take(k.server.salt, salt_bytes(p));
  return k;
}

struct KeyDerivation::Contexts {
  EVP_CIPHER* aes128 = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  EVP_CIPHER* aes256 = EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  EVP_CIPHER_CTX* ctx128 = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* ctx256 = EVP_CIPHER_CTX_new();

  ~Contexts() {
    EVP_CIPHER_CTX_free(ctx128);
    EVP_CIPHER_CTX_free(ctx256);
    EVP_CIPHER_free(aes128);
    EVP_CIPHER_free(aes256);
  }
  // Once a context has its cipher and a first key, a new key reuses its memory.
  bool ready() {
    return EVP_EncryptInit_ex2(ctx128, aes128, kZeroKey.data(), nullptr, nullptr) == 1 &&
           EVP_EncryptInit_ex2(ctx256, aes256, kZeroKey.data(), nullptr, nullptr) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx128, 0) == 1 && EVP_CIPHER_CTX_set_padding(ctx256, 0) == 1;
  }
};

KeyDerivation::KeyDerivation() : contexts_(std::make_unique<Contexts>()) {
  if (!contexts_->ready()) throw std::bad_alloc();
}
KeyDerivation::~KeyDerivation() = default;

void KeyDerivation::derive(const MasterKey& master, uint8_t label, MutBytes out) {
  EVP_CIPHER_CTX* const ctx = key_bytes(master.profile) == 32 ? contexts_->ctx256 : contexts_->ctx128;
  // RFC 3711 §4.3.1: x = (label << 48) XOR salt, the counter stands in the 16 bits behind its 112.
  std::array<uint8_t, 16> block{};
  std::copy(master.salt.begin(), master.salt.end(), block.begin());
  block[7] ^= label;
  std::array<uint8_t, 16> stream{};
  int n = 0;
  bool ok = EVP_EncryptInit_ex2(ctx, nullptr, master.key.data(), nullptr, nullptr) == 1;
  for (size_t at = 0; at < out.size(); at += 16, ++block[15]) {
    ok = ok && EVP_EncryptUpdate(ctx, stream.data(), &n, block.data(), 16) == 1;
    const size_t take = std::min<size_t>(16, out.size() - at);
    std::copy_n(stream.begin(), take, out.begin() + static_cast<std::ptrdiff_t>(at));
  }
  ok = ok && EVP_EncryptInit_ex2(ctx, nullptr, kZeroKey.data(), nullptr, nullptr) == 1;
  OPENSSL_cleanse(stream.data(), stream.size());
  OPENSSL_cleanse(block.data(), block.size());
  // A context that took a key once takes every key; to go on with a guessable one would be worse than to
  // stop.
  if (!ok) std::abort();
}

void KeyDerivation::derive(const MasterKey& master, SessionKeys& out) {
  const Profile p = out.profile = master.profile;
  const auto one = [&](uint8_t first_label, SessionKey& k) {
    derive(master, first_label, MutBytes(k.cipher).first(key_bytes(p)));
    if (!is_aead(p)) derive(master, static_cast<uint8_t>(first_label + 1), k.auth);
    k.salt = {};
    derive(master, static_cast<uint8_t>(first_label + 2), MutBytes(k.salt).first(salt_bytes(p)));
  };
  one(0, out.rtp);
  one(3, out.rtcp);
}

}  // namespace sluice::srtp
