// GMAC by Intel ipsec-mb.
#include <cassert>
#include <new>

#include <intel-ipsec-mb.h>

#include "net/crypto/gmac_backends.h"
#include "net/crypto/secret.h"

namespace sluice::crypto {
namespace {

// Without LINUX defined the library's header neither aligns nor pads it, and its AVX-512 code faults.
static_assert(sizeof(gcm_key_data) == 1024 && alignof(gcm_key_data) == 64);

class IpsecMb final : public GmacKeys::State {
 public:
  IpsecMb(IMB_MGR* mgr, uint32_t places)
      : mgr_(mgr), keys_(new(std::align_val_t{64}) gcm_key_data[places]{}), places_(places) {}
  IpsecMb(const IpsecMb&) = delete;
  IpsecMb& operator=(const IpsecMb&) = delete;
  ~IpsecMb() override {
    cleanse({reinterpret_cast<uint8_t*>(keys_), sizeof(gcm_key_data) * places_});
    ::operator delete[](keys_, std::align_val_t{64});
    free_mb_mgr(mgr_);
  }

  GmacKeys::Kind kind() const override { return GmacKeys::Kind::ipsec_mb; }

  Gmac view() override {
    const auto set_key = [](void* self, uint32_t place, const uint8_t* key) {
      auto* const me = static_cast<IpsecMb*>(self);
      assert(place < me->places_);
      IMB_AES128_GCM_PRE(me->mgr_, key, &me->keys_[place]);
    };
    return {.self = this, .places = places_, .set_key_fn = set_key, .tag_fn = &compute};
  }

 private:
  static void compute(void* self, uint32_t place, const uint8_t* nonce, Bytes message, uint8_t* tag) {
    auto* const me = static_cast<IpsecMb*>(self);
    assert(place < me->places_);
    gcm_context_data state;
    // Encryption of nothing with associated data: one call where the functions for GMAC are three.
    IMB_AES128_GCM_ENC(me->mgr_, &me->keys_[place], &state, tag, tag, 0, nonce, message.data(),
                       message.size(), tag, kGmacTagBytes);
  }

  IMB_MGR* mgr_;
  gcm_key_data* keys_;
  uint32_t places_;
};

}  // namespace

std::expected<std::unique_ptr<GmacKeys::State>, std::string> make_ipsec_mb_gmac(uint32_t places) {
  IMB_MGR* const mgr = alloc_mb_mgr(0);
  if (mgr == nullptr) throw std::bad_alloc();
  constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  std::string why;
  if ((mgr->features & kNeeded) != kNeeded)
    why = "this CPU lacks AES-NI or PCLMULQDQ, which ipsec-mb needs; choose openssl";
  else if (init_mb_mgr_auto(mgr, nullptr); imb_get_errno(mgr) != 0)
    why = std::string("ipsec-mb: ") + imb_get_strerror(imb_get_errno(mgr));
  if (why.empty()) return std::make_unique<IpsecMb>(mgr, places);
  free_mb_mgr(mgr);
  return std::unexpected(std::move(why));
}

}  // namespace sluice::crypto
