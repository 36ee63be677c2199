// The keys of one shard with the cipher contexts that belong to them. Header only, because it owns
// net/crypto objects and the library net/ice is pure.
#pragma once

#include <array>
#include <optional>

#include "net/crypto/aes_block.h"
#include "net/crypto/hmac.h"
#include "net/ice/check.h"

namespace sluice::ice {

/// Made on the control thread, then used by one shard. Not copyable; may be moved.
class ShardKeys {
 public:
  ShardKeys() { keys_.crypto = crypto::kPrimitives; }
  ShardKeys(ShardKeys&&) = default;
  ShardKeys& operator=(ShardKeys&&) = default;
  ~ShardKeys() {
    for (IceKey& k : keys_.ice) crypto::cleanse(k);
  }

  /// Allocates: before the shard starts. `key_id` 0..15.
  void add_route_key(uint8_t key_id, std::span<const uint8_t, crypto::AesBlock::kKeyBytes> key) {
    auto& slot = ciphers_[key_id % kMaxKeyIds];
    slot.emplace(key);
    keys_.routes.set_key(key_id, slot->view());
  }
  void add_ice_key(uint8_t key_id, const IceKey& key) {
    keys_.ice[key_id % kMaxKeyIds] = key;
    keys_.ice_present = static_cast<uint16_t>(keys_.ice_present | (1U << (key_id % kMaxKeyIds)));
  }

  const Keys& keys() const { return keys_; }

 private:
  std::array<std::optional<crypto::AesBlock>, kMaxKeyIds> ciphers_;
  Keys keys_;
};

}  // namespace sluice::ice
