// One AES-128 block at a time under a key that is fixed at start. Tame: the contexts are allocated by the
// constructor, encrypt() and decrypt() allocate nothing.
#pragma once

#include <memory>
#include <span>

#include "net/crypto/primitives.h"

struct evp_cipher_ctx_st;

namespace sluice::crypto {

/// Movable, not copyable. One thread at a time: each shard makes its own from the same key.
class AesBlock {
 public:
  static constexpr size_t kKeyBytes = 16;

  /// Throws std::bad_alloc when OpenSSL cannot make its contexts.
  explicit AesBlock(std::span<const uint8_t, kKeyBytes> key);

  void encrypt(const uint8_t* in, uint8_t* out);
  void decrypt(const uint8_t* in, uint8_t* out);

  /// For pure code; valid while this object exists. Survives a move, since it refers to the contexts.
  BlockCipher view();

 private:
  struct State;
  struct Free {
    void operator()(State*) const;
  };
  std::unique_ptr<State, Free> state_;
};

}  // namespace sluice::crypto
