// Intel ipsec-mb. AEAD packets go one per call over keys fetched ahead; AES-CM packets are hashed in lanes.
#include <cassert>
#include <cstring>
#include <new>

#include <intel-ipsec-mb.h>

#include "net/base/prefetch.h"
#include "net/srtp/backends.h"
#include "net/srtp/layout.h"

namespace sluice::srtp {
namespace {

struct GcmKey {
  gcm_key_data data;
};
// Without LINUX defined the library's header neither aligns nor pads it, and its AVX-512 code faults.
static_assert(sizeof(GcmKey) == 1024 && alignof(GcmKey) == 64);

struct alignas(64) CmKey {
  alignas(16) uint8_t round_keys[16 * 11];
  uint8_t inner[IMB_SHA1_DIGEST_SIZE_IN_BYTES];  // SHA-1 state after the key XOR ipad block
  uint8_t outer[IMB_SHA1_DIGEST_SIZE_IN_BYTES];
};
static_assert(sizeof(CmKey) == 256);

// The library refuses to truncate HMAC-SHA1 to SRTP's 10 bytes; 12 share the prefix.
constexpr uint64_t kHashedTagBytes = 12;

class IpsecMb final : public Cipher {
 public:
  explicit IpsecMb(IMB_MGR* mgr)
      : mgr_(mgr), wide_((mgr->features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2) {}
  ~IpsecMb() override { free_mb_mgr(mgr_); }

  Kind kind() const override { return Kind::ipsec_mb; }
  // One line more than the keys need: contexts side by side at a power of two would share a few cache sets.
  size_t context_bytes(Profile p) const override { return 2 * half(p) + 64; }

  void seal(std::span<CipherOp> ops) override {
    assert(ops.size() <= kBurst);
    std::array<CipherOp*, kBurst> cm;
    size_t n = 0;
    for (CipherOp& op : ops) {
      op.ok = true;
      if (is_aead(op.profile))
        seal_gcm(op);
      else
        cm[n++] = &op;
    }
    if (n != 0) seal_cm({cm.data(), n});
  }

  void open(std::span<CipherOp> ops) override {
    assert(ops.size() <= kBurst);
    std::array<CipherOp*, kBurst> cm;
    size_t n = 0;
    for (CipherOp& op : ops) {
      if (is_aead(op.profile))
        open_gcm(op);
      else
        cm[n++] = &op;
    }
    if (n != 0) open_cm({cm.data(), n});
  }

  // Of GcmKey a voice packet reads the round keys in front and the low powers of the hash key, which VAES
  // code keeps at the very end and older code right behind the round keys.
  void prefetch(const std::byte* context, Profile p) const override {
    if (!is_aead(p)) {
      for (size_t i = 0; i < 4; ++i) sluice::prefetch(context + 64 * i);
      return;
    }
    const auto lines = [context](size_t from, size_t to) {
      for (size_t i = from; i < to; ++i) sluice::prefetch(context + 64 * i);
    };
    if (wide_) {
      lines(0, p == Profile::aead_aes_256_gcm ? 4 : 3);
      lines(12, 16);
    } else {
      lines(0, 8);
    }
  }

 protected:
  bool do_init(std::byte* context, const SessionKeys& keys, const MasterKey*, Direction) override {
    expand(context, keys.profile, keys.rtp);
    expand(context + half(keys.profile), keys.profile, keys.rtcp);
    return true;
  }
  void do_release(std::byte*, Profile) override {}

 private:
  static size_t half(Profile p) { return is_aead(p) ? sizeof(GcmKey) : sizeof(CmKey); }

  template <class Key>
  static const Key& key_of(const CipherOp& op) {
    return *reinterpret_cast<const Key*>(op.context + (op.rtcp ? sizeof(Key) : 0));
  }

  void expand(std::byte* at, Profile p, const SessionKey& k) {
    if (p == Profile::aes_cm_128_hmac_sha1_80) {
      auto* const key = new (at) CmKey;
      alignas(16) uint8_t unused[16 * 11];
      IMB_AES_KEYEXP_128(mgr_, k.cipher.data(), key->round_keys, unused);
      OPENSSL_cleanse(unused, sizeof unused);
      hmac_state(k, 0x36, key->inner);
      hmac_state(k, 0x5c, key->outer);
      return;
    }
    auto* const key = new (at) GcmKey;
    if (p == Profile::aead_aes_256_gcm)
      IMB_AES256_GCM_PRE(mgr_, k.cipher.data(), &key->data);
    else
      IMB_AES128_GCM_PRE(mgr_, k.cipher.data(), &key->data);
  }

  void hmac_state(const SessionKey& k, uint8_t pad, uint8_t* out) {
    std::array<uint8_t, IMB_SHA1_BLOCK_SIZE> block;
    block.fill(pad);
    for (size_t i = 0; i < k.auth.size(); ++i) block[i] ^= k.auth[i];
    IMB_SHA1_ONE_BLOCK(mgr_, block.data(), out);
    OPENSSL_cleanse(block.data(), block.size());
  }

  void seal_gcm(CipherOp& op) {
    const GcmKey& key = key_of<GcmKey>(op);
    std::array<uint8_t, 12> scratch;
    const Associated a = associated_data(op, scratch);
    gcm_context_data state;
    Tag tag;
    if (op.profile == Profile::aead_aes_256_gcm)
      IMB_AES256_GCM_ENC(mgr_, &key.data, &state, payload_of(op), op.payload, a.cipher_len, op.iv.data(),
                         a.data, a.len, tag.data(), 16);
    else
      IMB_AES128_GCM_ENC(mgr_, &key.data, &state, payload_of(op), op.payload, a.cipher_len, op.iv.data(),
                         a.data, a.len, tag.data(), 16);
    finish_packet(op, tag.data());
  }

  void open_gcm(CipherOp& op) {
    const GcmKey& key = key_of<GcmKey>(op);
    std::array<uint8_t, 12> scratch;
    Tag received, tag;
    std::copy_n(tag_of(op), 16, received.begin());
    const Associated a = associated_data(op, scratch);
    gcm_context_data state;
    uint8_t* const payload = payload_of(op);
    if (op.profile == Profile::aead_aes_256_gcm)
      IMB_AES256_GCM_DEC(mgr_, &key.data, &state, payload, payload, a.cipher_len, op.iv.data(), a.data, a.len,
                         tag.data(), 16);
    else
      IMB_AES128_GCM_DEC(mgr_, &key.data, &state, payload, payload, a.cipher_len, op.iv.data(), a.data, a.len,
                         tag.data(), 16);
    op.ok = CRYPTO_memcmp(tag.data(), received.data(), 16) == 0;
  }

  void seal_cm(std::span<CipherOp*> ops) {
    crypt(ops, IMB_DIR_ENCRYPT);
    std::array<Tag, kBurst> tags;
    authenticate(ops, tags);
    for (size_t i = 0; i < ops.size(); ++i) finish_packet(*ops[i], tags[i].data());
  }

  void open_cm(std::span<CipherOp*> ops) {
    std::array<Tag, kBurst> received, tags;
    for (size_t i = 0; i < ops.size(); ++i) std::copy_n(tag_of(*ops[i]), 10, received[i].begin());
    authenticate(ops, tags);
    size_t authentic = 0;
    for (size_t i = 0; i < ops.size(); ++i) {
      CipherOp* const op = ops[i];
      op->ok = CRYPTO_memcmp(tags[i].data(), received[i].data(), 10) == 0;
      if (op->ok) ops[authentic++] = op;
    }
    crypt(ops.first(authentic), IMB_DIR_DECRYPT);
  }

  // RFC 3711 §4.2: the tag covers the packet and ROC (RTP) or word (RTCP), which is put where it is hashed.
  void authenticate(std::span<CipherOp* const> ops, std::array<Tag, kBurst>& tags) {
    for (size_t i = 0; i < ops.size(); ++i) {
      const CipherOp& op = *ops[i];
      const CmKey& key = key_of<CmKey>(op);
      store_be<uint32_t>(end_of_payload(op), op.word);
      IMB_JOB& job = jobs_[i];
      job.src = op.packet;
      job.hash_start_src_offset_in_bytes = 0;
      job.msg_len_to_hash_in_bytes = uint64_t{op.header_len} + op.payload_len + 4;
      job.auth_tag_output = tags[i].data();
      job.auth_tag_output_len_in_bytes = kHashedTagBytes;
      job.u.HMAC._hashed_auth_key_xor_ipad = key.inner;
      job.u.HMAC._hashed_auth_key_xor_opad = key.outer;
      job.hash_alg = IMB_AUTH_HMAC_SHA_1;
      tags[i] = {};
    }
    [[maybe_unused]] const uint32_t done =
        IMB_SUBMIT_HASH_BURST(mgr_, jobs_.data(), static_cast<uint32_t>(ops.size()), IMB_AUTH_HMAC_SHA_1);
    assert(done == ops.size());
  }

  void crypt(std::span<CipherOp* const> ops, IMB_CIPHER_DIRECTION direction) {
    uint32_t n = 0;
    for (const CipherOp* op : ops) {
      const uint8_t* const from = direction == IMB_DIR_ENCRYPT ? op->payload : payload_of(*op);
      if (op->payload_len == 0) continue;
      if (!op->encrypted) {
        std::memmove(payload_of(*op), from, op->payload_len);
        continue;
      }
      IMB_JOB& job = jobs_[n++];
      job.enc_keys = job.dec_keys = key_of<CmKey>(*op).round_keys;
      job.key_len_in_bytes = IMB_KEY_128_BYTES;
      job.src = from;
      job.dst = payload_of(*op);
      job.cipher_start_src_offset_in_bytes = 0;
      job.msg_len_to_cipher_in_bytes = op->payload_len;
      job.iv = op->iv.data();
      job.iv_len_in_bytes = 16;
    }
    if (n == 0) return;
    [[maybe_unused]] const uint32_t done =
        IMB_SUBMIT_CIPHER_BURST(mgr_, jobs_.data(), n, IMB_CIPHER_CNTR, direction, IMB_KEY_128_BYTES);
    assert(done == n);
  }

  IMB_MGR* mgr_;
  bool wide_;
  std::array<IMB_JOB, kBurst> jobs_{};
};

}  // namespace

std::expected<std::unique_ptr<Cipher>, std::string> make_ipsec_mb() {
  IMB_MGR* const mgr = alloc_mb_mgr(0);
  if (mgr == nullptr) return std::unexpected("ipsec-mb cannot allocate its manager");
  constexpr uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  if ((mgr->features & kNeeded) != kNeeded) {
    free_mb_mgr(mgr);
    return std::unexpected("this CPU lacks AES-NI or PCLMULQDQ, which ipsec-mb needs; choose openssl");
  }
  init_mb_mgr_auto(mgr, nullptr);
  if (imb_get_errno(mgr) != 0) {
    std::string why = std::string("ipsec-mb: ") + imb_get_strerror(imb_get_errno(mgr));
    free_mb_mgr(mgr);
    return std::unexpected(std::move(why));
  }
  return std::make_unique<IpsecMb>(mgr);
}

}  // namespace sluice::srtp
