#include "net/dtls/fingerprint.h"

#include <openssl/crypto.h>

#include "net/dtls/keys.h"

namespace sluice::dtls {
namespace {

constexpr std::array<std::string_view, 4> kNames{"", "sha-256", "sha-384", "sha-512"};

bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char x = a[i];
    if ((x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) != b[i]) return false;
  }
  return true;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string_view name_of(HashAlg a) { return kNames[static_cast<size_t>(a)]; }

std::optional<Fingerprint> parse_fingerprint(std::string_view hash_name, std::string_view hex) {
  Fingerprint f;
  for (size_t i = 1; i < kNames.size(); ++i)
    if (same_ignoring_case(hash_name, kNames[i])) f.alg = static_cast<HashAlg>(i);
  const size_t n = digest_size(f.alg);
  if (n == 0 || hex.size() != n * 3 - 1) return std::nullopt;
  for (size_t i = 0; i < n; ++i) {
    const int high = hex_value(hex[i * 3]), low = hex_value(hex[i * 3 + 1]);
    if (high < 0 || low < 0 || (i + 1 < n && hex[i * 3 + 2] != ':')) return std::nullopt;
    f.digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return f;
}

std::string to_text(const Fingerprint& f) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(f.bytes().size() * 3);
  for (const uint8_t b : f.bytes()) {
    if (!out.empty()) out += ':';
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
  return out;
}

bool equal(const Fingerprint& a, const Fingerprint& b) {
  return a.alg == b.alg && a.alg != HashAlg::none &&
         CRYPTO_memcmp(a.digest.data(), b.digest.data(), digest_size(a.alg)) == 0;
}

void cleanse(SrtpKeys& keys) { OPENSSL_cleanse(&keys, sizeof keys); }

}  // namespace sluice::dtls
