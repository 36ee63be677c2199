// An EVP cipher context with an owner. Private to net/crypto.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include <openssl/evp.h>

#include "net/base/bytes.h"

namespace sluice::crypto {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }  // cleanses the key schedule
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

/// A context that is ready for cipher_update(). Throws std::bad_alloc.
inline CipherContext make_cipher(const EVP_CIPHER* cipher, Bytes key, const uint8_t* iv, bool encrypt) {
  CipherContext c(EVP_CIPHER_CTX_new());
  if (!c || EVP_CipherInit_ex(c.get(), cipher, nullptr, key.data(), iv, encrypt ? 1 : 0) != 1 ||
      EVP_CIPHER_CTX_set_padding(c.get(), 0) != 1)
    throw std::bad_alloc();
  return c;
}

/// `n` is a multiple of the block for block modes. With a context that was set up nothing can fail here but a
/// broken OpenSSL, and going on with unencrypted bytes would be worse than to stop.
inline void cipher_update(EVP_CIPHER_CTX* c, const uint8_t* in, uint8_t* out, int n) {
  int written = 0;
  if (EVP_CipherUpdate(c, out, &written, in, n) != 1 || written != n) std::abort();
}

}  // namespace sluice::crypto
