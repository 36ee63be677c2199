#include "net/turn/nonce.h"

#include <algorithm>
#include <cstring>

#include "net/base/base64.h"
#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

constexpr std::string_view kCookie = "obMatJos2";  // RFC 8489 §9.2
constexpr size_t kFeatureChars = 4, kBodyBytes = 8;
static_assert(kCookie.size() + kFeatureChars + base64_chars(kBodyBytes) == kNonceChars);

constexpr int64_t kUnitSeconds = 16;
constexpr unsigned kKeyUnitBits = 8;  // a key serves 256 units
constexpr uint64_t kMacMask = (uint64_t{1} << 48) - 1;

uint64_t unit_of(Micros now) { return static_cast<uint64_t>(now.us / (kUnitSeconds * 1'000'000)); }

}  // namespace

uint64_t Nonces::mac(const Address& client, uint32_t features, uint64_t unit) const {
  std::array<uint8_t, 28> text;
  store_be<uint64_t>(text.data(), unit >> kKeyUnitBits);
  const HashSeed key{siphash<2, 4>(secret_, Bytes(text).first(8)),
                     siphash<2, 4>(secret_, Bytes(text).first(7))};
  store_be<uint64_t>(text.data(), unit);
  store_be<uint32_t>(&text[8], features);
  std::copy(client.b.begin(), client.b.end(), &text[12]);
  return siphash<2, 4>(key, text) & kMacMask;
}

Nonce Nonces::make(const Address& client, uint32_t features, Micros now) const {
  const uint64_t unit = unit_of(now);
  std::array<uint8_t, 3> bits;
  store_be24(bits.data(), features);
  std::array<uint8_t, kBodyBytes> body;
  store_be<uint64_t>(body.data(), (unit << 48) | mac(client, features, unit));
  Nonce n;
  std::copy(kCookie.begin(), kCookie.end(), n.begin());
  base64_encode(bits, std::span(n).subspan(kCookie.size(), kFeatureChars));
  base64_encode(body, std::span(n).subspan(kCookie.size() + kFeatureChars));
  return n;
}

std::optional<uint32_t> Nonces::check(Bytes nonce, const Address& client, Micros now) const {
  if (nonce.size() != kNonceChars || as_text(nonce.first(kCookie.size())) != kCookie) return std::nullopt;
  const std::string_view text = as_text(nonce.subspan(kCookie.size()));
  std::array<uint8_t, 3> bits;
  // 11 characters hold 64 bits and two of padding; with another character they are 9 bytes.
  std::array<char, 12> chars;
  std::array<uint8_t, 9> body;
  std::copy_n(text.begin() + kFeatureChars, 11, chars.begin());
  chars[11] = 'A';
  if (!base64_decode(as_text(nonce.subspan(kCookie.size(), kFeatureChars)), bits)) return std::nullopt;
  if (!base64_decode({chars.data(), chars.size()}, body) || body[8] != 0) return std::nullopt;

  const uint64_t current = unit_of(now), claimed = load_be<uint64_t>(body.data());
  const uint64_t age = (current - (claimed >> 48)) & 0xffff;
  if (age > current || age * kUnitSeconds > lifetime_s_) return std::nullopt;
  const uint32_t features = load_be24(bits.data());
  std::array<uint8_t, 8> expected, got;
  store_be<uint64_t>(expected.data(), mac(client, features, current - age));
  store_be<uint64_t>(got.data(), claimed & kMacMask);
  if (!crypto::equal_constant_time(expected, got)) return std::nullopt;
  return features;
}

}  // namespace sluice::turn
