#include "net/ice/ufrag.h"

#include <cassert>

namespace sluice::ice {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kClearBytes = 2;
using Raw = std::array<uint8_t, kClearBytes + crypto::kAesBlockBytes>;
static_assert(sizeof(Raw) * 8 == kUfragChars * 6);

constexpr int kNodeBits = 14, kIndexBits = 20, kGenBits = 26, kIceGenBits = 8, kExpiryBits = 16,
              kCheckBits = 38;
constexpr uint64_t kCheckMask = (uint64_t{1} << kCheckBits) - 1;
constexpr uint64_t kCheck = 0x2A'5C3A'96E1;  // any constant will do
static_assert(6 + kNodeBits + kIndexBits + kGenBits + kIceGenBits + kExpiryBits + kCheckBits == 128);
static_assert(kCheck <= kCheckMask);

// The session generation straddles the two words: its upper 24 bits end the first.
constexpr int kGenLowBits = kGenBits - (64 - 6 - kNodeBits - kIndexBits);
static_assert(kGenLowBits == 2);

template <class T>
constexpr T take_low(uint64_t& word, int bits) {
  const auto v = static_cast<T>(word & ((uint64_t{1} << bits) - 1));
  word >>= bits;
  return v;
}

constexpr void put_low(uint64_t& word, uint64_t v, int bits) {
  word = (word << bits) | (v & ((uint64_t{1} << bits) - 1));
}

}  // namespace

Ufrag UfragCodec::mint(const UfragFields& fields, uint8_t key_id) const {
  assert(has_key(key_id));
  uint64_t hi = fields.region & 63U, lo = fields.session_gen & 3U;
  put_low(hi, fields.node, kNodeBits);
  put_low(hi, fields.session_index, kIndexBits);
  put_low(hi, fields.session_gen >> kGenLowBits, kGenBits - kGenLowBits);
  put_low(lo, fields.ice_generation, kIceGenBits);
  put_low(lo, fields.expiry, kExpiryBits);
  put_low(lo, kCheck, kCheckBits);

  Raw raw{};
  raw[0] = static_cast<uint8_t>((kVersion << 4) | key_id);
  store_be<uint64_t>(&raw[kClearBytes], hi);
  store_be<uint64_t>(&raw[kClearBytes + 8], lo);
  keys_[key_id].encrypt(&raw[kClearBytes], &raw[kClearBytes]);
  Ufrag text;
  base64_encode(raw, text);
  return text;
}

std::expected<UfragCodec::Opened, Drop> UfragCodec::decode(std::string_view ufrag) const {
  const auto forged = std::unexpected(Drop::ufrag_forged);
  Raw raw;
  if (ufrag.size() != kUfragChars || !base64_decode(ufrag, raw)) return forged;
  const uint8_t key_id = raw[0] & 15U;
  if (raw[0] >> 4 != kVersion || raw[1] != 0 || !has_key(key_id)) return forged;
  keys_[key_id].decrypt(&raw[kClearBytes], &raw[kClearBytes]);
  auto hi = load_be<uint64_t>(&raw[kClearBytes]), lo = load_be<uint64_t>(&raw[kClearBytes + 8]);
  // One comparison of words takes the same time for every check.
  if (take_low<uint64_t>(lo, kCheckBits) != kCheck) return forged;

  Opened o{.fields = {}, .key_id = key_id};
  o.fields.expiry = take_low<uint16_t>(lo, kExpiryBits);
  o.fields.ice_generation = take_low<uint8_t>(lo, kIceGenBits);
  const auto gen_high = take_low<uint32_t>(hi, kGenBits - kGenLowBits);
  o.fields.session_gen = (gen_high << kGenLowBits) | static_cast<uint32_t>(lo);
  o.fields.session_index = take_low<uint32_t>(hi, kIndexBits);
  o.fields.node = take_low<uint16_t>(hi, kNodeBits);
  o.fields.region = static_cast<uint8_t>(hi);
  return o;
}

std::expected<UfragFields, Drop> UfragCodec::open(std::string_view ufrag, ExpiryUnit now) const {
  const auto opened = decode(ufrag);
  if (!opened) return std::unexpected(opened.error());
  if (is_expired(opened->fields.expiry, now)) return std::unexpected(Drop::ufrag_expired);
  return opened->fields;
}

Password password(const crypto::Primitives& crypto, const IceKey& ice_key, std::string_view ufrag) {
  assert(ufrag.size() <= kUfragChars);
  std::array<uint8_t, crypto::kSha256Bytes> digest;
  crypto.hmac_sha256(ice_key, as_bytes("pwd"), as_bytes(ufrag), digest.data());
  Password p;
  base64_encode(digest, p.chars);
  crypto::cleanse(digest);
  return p;
}

}  // namespace sluice::ice
