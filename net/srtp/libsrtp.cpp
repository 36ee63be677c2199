// libsrtp 2. It takes whole packets and keeps index and replay list of its own beside ours, so what we refuse
// it never sees. It allocates per context and per stream, counts SRTCP per SSRC, and refuses SRTCP without E
// bit.
#include <cassert>
#include <cstring>
#include <mutex>
#include <new>

#include <srtp2/srtp.h>

#include "net/srtp/backends.h"
#include "net/srtp/index.h"
#include "net/srtp/layout.h"

namespace sluice::srtp {
namespace {

struct alignas(64) Context {
  srtp_t session = nullptr;
  std::array<uint8_t, 46> key_and_salt{};  // for streams that are restored later
};
static_assert(sizeof(Context) == 64);

// libsrtp refuses to protect what is older than its window; ours asks only that the index be the same again.
constexpr unsigned long kSendWindow = 0x7fff;

srtp_policy_t policy_for(Profile p, Direction direction, uint8_t* key_and_salt) {
  srtp_policy_t policy{};
  switch (p) {
    case Profile::aes_cm_128_hmac_sha1_80:
      srtp_crypto_policy_set_rtp_default(&policy.rtp);
      srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
      break;
    case Profile::aead_aes_128_gcm:
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
      break;
    case Profile::aead_aes_256_gcm:
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
      break;
  }
  const bool inbound = direction == Direction::inbound;
  policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
  policy.key = key_and_salt;
  policy.window_size = inbound ? ReplayWindow::kBits : kSendWindow;
  policy.allow_repeat_tx = 1;
  return policy;
}

class LibSrtp final : public Cipher {
 public:
  Kind kind() const override { return Kind::libsrtp; }
  bool allocation_free() const override { return false; }
  size_t context_bytes(Profile) const override { return 2 * sizeof(Context); }
  void prefetch(const std::byte*, Profile) const override {}

  void seal(std::span<CipherOp> ops) override {
    for (CipherOp& op : ops) {
      if (op.payload_len != 0) std::memmove(payload_of(op), op.payload, op.payload_len);
      int len = op.header_len + op.payload_len;
      adopt(op, Direction::outbound);
      op.ok =
          (op.rtcp ? srtp_protect_rtcp : srtp_protect)(session(op), op.packet, &len) == srtp_err_status_ok;
    }
  }

  void open(std::span<CipherOp> ops) override {
    for (CipherOp& op : ops) {
      int len = static_cast<int>(op.header_len + op.payload_len + overhead_bytes(op.profile, op.rtcp));
      const bool adopted = adopt(op, Direction::inbound);
      op.ok = (op.rtcp ? srtp_unprotect_rtcp : srtp_unprotect)(session(op), op.packet, &len) ==
              srtp_err_status_ok;
      if (adopted && !op.ok) srtp_remove_stream(session(op), op.ssrc);
    }
  }

 protected:
  bool do_init(std::byte* at, const SessionKeys&, const MasterKey* master, Direction direction) override {
    if (master == nullptr) return false;
    auto* const context = new (at) Context;
    const auto salt =
        std::copy_n(master->key.begin(), key_bytes(master->profile), context->key_and_salt.begin());
    std::copy_n(master->salt.begin(), salt_bytes(master->profile), salt);
    const srtp_policy_t policy = policy_for(master->profile, direction, context->key_and_salt.data());
    return srtp_create(&context->session, &policy) == srtp_err_status_ok;
  }

  void do_release(std::byte* at, Profile) override {
    auto* const context = reinterpret_cast<Context*>(at);
    if (context->session != nullptr) srtp_dealloc(context->session);
    context->session = nullptr;
  }

 private:
  static Context& context(const CipherOp& op) {
    return *reinterpret_cast<Context*>(const_cast<std::byte*>(op.context));
  }
  static srtp_t session(const CipherOp& op) { return context(op).session; }

  // A stream that was restored in the middle of its life: libsrtp must be told its ROC. True if made here.
  static bool adopt(CipherOp& op, Direction direction) {
    uint32_t roc = 0;
    if (op.rtcp || op.word == 0 || srtp_get_stream_roc(session(op), op.ssrc, &roc) == srtp_err_status_ok)
      return false;
    srtp_policy_t policy = policy_for(op.profile, direction, context(op).key_and_salt.data());
    policy.ssrc = {ssrc_specific, op.ssrc};
    return srtp_add_stream(session(op), &policy) == srtp_err_status_ok &&
           srtp_set_stream_roc(session(op), op.ssrc, op.word) == srtp_err_status_ok;
  }
};

}  // namespace

std::expected<std::unique_ptr<Cipher>, std::string> make_libsrtp() {
  static std::once_flag once;
  static srtp_err_status_t status = srtp_err_status_init_fail;
  std::call_once(once, [] { status = srtp_init(); });
  if (status != srtp_err_status_ok) return std::unexpected("libsrtp cannot be initialised");
  return std::make_unique<LibSrtp>();
}

}  // namespace sluice::srtp
