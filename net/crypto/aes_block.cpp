#include "net/crypto/aes_block.h"

#include "net/crypto/cipher_context.h"

namespace sluice::crypto {

struct AesBlock::State {
  CipherContext encrypt, decrypt;
};

void AesBlock::Free::operator()(State* s) const { delete s; }

AesBlock::AesBlock(std::span<const uint8_t, kKeyBytes> key)
    : state_(new State{.encrypt = make_cipher(EVP_aes_128_ecb(), key, nullptr, true),
                       .decrypt = make_cipher(EVP_aes_128_ecb(), key, nullptr, false)}) {}

void AesBlock::encrypt(const uint8_t* in, uint8_t* out) {
  cipher_update(state_->encrypt.get(), in, out, kAesBlockBytes);
}

void AesBlock::decrypt(const uint8_t* in, uint8_t* out) {
  cipher_update(state_->decrypt.get(), in, out, kAesBlockBytes);
}

BlockCipher AesBlock::view() {
  const auto encrypt = [](void* self, const uint8_t* in, uint8_t* out) {
    cipher_update(static_cast<State*>(self)->encrypt.get(), in, out, kAesBlockBytes);
  };
  const auto decrypt = [](void* self, const uint8_t* in, uint8_t* out) {
    cipher_update(static_cast<State*>(self)->decrypt.get(), in, out, kAesBlockBytes);
  };
  return {.self = state_.get(), .encrypt_fn = encrypt, .decrypt_fn = decrypt};
}

}  // namespace sluice::crypto
