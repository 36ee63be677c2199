// libsrtp called directly, with nothing of net/srtp between: the judge of every backend.
#pragma once

#include <srtp2/srtp.h>

#include "tests/unit/srtp/harness.h"

namespace srtp_test {

class Oracle {
 public:
  explicit Oracle(const MasterKey& key) {
    // Whoever makes the first backend initialises the library.
    static const auto library = make_cipher(Kind::libsrtp);
    out_ = session(key, ssrc_any_outbound);
    in_ = session(key, ssrc_any_inbound);
  }
  ~Oracle() {
    srtp_dealloc(out_);
    srtp_dealloc(in_);
  }
  Oracle(const Oracle&) = delete;

  Packet protect(Bytes plain, bool rtcp) {
    Packet buffer(plain.begin(), plain.end());
    buffer.resize(plain.size() + SRTP_MAX_TRAILER_LEN + 4);
    int len = static_cast<int>(plain.size());
    REQUIRE((rtcp ? srtp_protect_rtcp : srtp_protect)(out_, buffer.data(), &len) == srtp_err_status_ok);
    buffer.resize(static_cast<size_t>(len));
    return buffer;
  }
  bool unprotect(Packet& packet, bool rtcp) {
    int len = static_cast<int>(packet.size());
    if ((rtcp ? srtp_unprotect_rtcp : srtp_unprotect)(in_, packet.data(), &len) != srtp_err_status_ok)
      return false;
    packet.resize(static_cast<size_t>(len));
    return true;
  }

 private:
  static srtp_t session(const MasterKey& key, srtp_ssrc_type_t type) {
    srtp_policy_t policy{};
    const auto suite = [&key](srtp_crypto_policy_t& p) {
      if (key.profile == Profile::aes_cm_128_hmac_sha1_80)
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p);
      else if (key.profile == Profile::aead_aes_128_gcm)
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&p);
      else
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&p);
    };
    suite(policy.rtp);
    suite(policy.rtcp);
    Packet material(key.key.begin(), key.key.begin() + static_cast<long>(key_bytes(key.profile)));
    material.insert(material.end(), key.salt.begin(),
                    key.salt.begin() + static_cast<long>(salt_bytes(key.profile)));
    policy.key = material.data();
    policy.ssrc.type = type;
    policy.window_size = ReplayWindow::kBits;
    policy.allow_repeat_tx = 1;
    srtp_t s = nullptr;
    REQUIRE(srtp_create(&s, &policy) == srtp_err_status_ok);
    return s;
  }

  srtp_t out_ = nullptr;
  srtp_t in_ = nullptr;
};

/// Every backend with every profile, and a fresh key.
template <class F>
void for_each_suite(uint64_t salt, F f) {
  for (const Kind kind : kAllKinds)
    for (const Profile profile : kProfiles) {
      Random random(salt);
      CAPTURE(seed());
      CAPTURE(name(kind));
      CAPTURE(name(profile));
      const auto cipher = make_cipher(kind);
      f(*cipher, random_key(profile, random), random);
    }
}

}  // namespace srtp_test
