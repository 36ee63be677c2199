#include "net/crypto/gmac.h"

#include <climits>
#include <cstdlib>
#include <vector>

#include "net/crypto/cipher_context.h"
#include "net/crypto/gmac_backends.h"

namespace sluice::crypto {
namespace {

/// A context per place, that neither a new key nor a nonce makes allocate.
class OpenSsl final : public GmacKeys::State {
 public:
  explicit OpenSsl(uint32_t places) {
    const std::array<uint8_t, kGmacKeyBytes> no_key{};
    const std::array<uint8_t, kGmacNonceBytes> no_nonce{};
    contexts_.reserve(places);
    for (uint32_t i = 0; i < places; ++i)
      contexts_.push_back(make_cipher(EVP_aes_128_gcm(), no_key, no_nonce.data(), true));
  }

  GmacKeys::Kind kind() const override { return GmacKeys::Kind::openssl; }

  Gmac view() override {
    const auto set_key = [](void* self, uint32_t place, const uint8_t* key) {
      if (EVP_EncryptInit_ex(context(self, place), nullptr, nullptr, key, nullptr) != 1) std::abort();
    };
    return {.self = this,
            .places = static_cast<uint32_t>(contexts_.size()),
            .set_key_fn = set_key,
            .tag_fn = &compute};
  }

 private:
  static EVP_CIPHER_CTX* context(void* self, uint32_t place) {
    return static_cast<OpenSsl*>(self)->contexts_[place].get();
  }

  static void compute(void* self, uint32_t place, const uint8_t* nonce, Bytes message, uint8_t* tag) {
    EVP_CIPHER_CTX* const c = context(self, place);
    int n = 0;
    bool ok = message.size() <= INT_MAX && EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, nonce) == 1;
    // Without an output what is given is associated data.
    if (ok && !message.empty())
      ok = EVP_EncryptUpdate(c, nullptr, &n, message.data(), static_cast<int>(message.size())) == 1;
    ok = ok && EVP_EncryptFinal_ex(c, tag, &n) == 1 && n == 0;
    // A tag that was not computed must never pass for one.
    if (!ok || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kGmacTagBytes, tag) != 1) std::abort();
  }

  std::vector<CipherContext> contexts_;
};

}  // namespace

std::unique_ptr<GmacKeys::State> make_openssl_gmac(uint32_t places) {
  return std::make_unique<OpenSsl>(places);
}

std::expected<GmacKeys, std::string> GmacKeys::make(Kind kind, uint32_t places) {
  if (kind != Kind::openssl) {
    auto fast = make_ipsec_mb_gmac(places);
    if (fast) return GmacKeys(std::move(*fast));
    if (kind == Kind::ipsec_mb) return std::unexpected(std::move(fast.error()));
  }
  return GmacKeys(make_openssl_gmac(places));
}

GmacKeys::Kind GmacKeys::kind() const { return state_->kind(); }
Gmac GmacKeys::view() { return state_->view(); }

}  // namespace sluice::crypto
