#include "net/trunk/keys.h"

namespace sluice::trunk {
namespace {

constexpr std::string_view kLabel = "sluice trunk 1";

}  // namespace

Key key_from_secret(const crypto::Primitives& crypto, Bytes secret) {
  Key key;
  crypto.hmac_sha256(as_bytes(kLabel), secret, {}, key.data());
  return key;
}

SubKey derive(const crypto::Primitives& crypto, const Key& key, Purpose purpose, const Association& a) {
  std::array<uint8_t, kLabel.size() + 1 + 2 * (4 + 1 + 8) + 1> info;
  Writer w(info);
  w.bytes(as_bytes(kLabel));
  w.u8(static_cast<uint8_t>(purpose));
  w.u32(a.relay);
  w.u8(a.relay_shard);
  w.u64(a.relay_epoch);
  w.u32(a.server);
  w.u8(a.server_shard);
  w.u64(a.server_epoch);
  w.u8(1);  // RFC 5869 §2.3: T(1) = HMAC(PRK, "" || info || 0x01)
  std::array<uint8_t, crypto::kSha256Bytes> block;
  crypto.hmac_sha256(key, info, {}, block.data());
  SubKey sub;
  std::copy_n(block.begin(), sub.key.size(), sub.key.begin());
  std::copy_n(block.begin() + sub.key.size(), sub.salt.size(), sub.salt.begin());
  crypto::cleanse(block);
  return sub;
}

}  // namespace sluice::trunk
