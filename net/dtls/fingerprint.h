// Certificate fingerprints as SDP carries them (RFC 8122 §5). Trivially copyable, so that one travels in a
// ring.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/bytes.h"

namespace sluice::dtls {

enum class HashAlg : uint8_t { none, sha256, sha384, sha512 };

/// Bytes of a digest; 0 for `none`.
constexpr size_t digest_size(HashAlg a) {
  constexpr std::array<size_t, 4> kSizes{0, 32, 48, 64};
  return kSizes[static_cast<size_t>(a)];
}
/// "sha-256", as `a=fingerprint:` spells it; empty for `none`.
std::string_view name_of(HashAlg a);

struct Fingerprint {
  HashAlg alg = HashAlg::none;
  std::array<uint8_t, 64> digest{};  ///< the first digest_size(alg) bytes count

  Bytes bytes() const { return Bytes(digest).first(digest_size(alg)); }
};

/// The two words of `a=fingerprint:`: a hash name ("sha-256", any case; RFC 8122 §5 wants SHA-256, SHA-384
/// and SHA-512 are taken too) and hex pairs joined by colons (any case). Empty for other hashes (sha-1, md5)
/// and for whatever is not exactly one digest of that hash.
std::optional<Fingerprint> parse_fingerprint(std::string_view hash_name, std::string_view hex);

/// "AA:BB:..." without the hash name.
std::string to_text(const Fingerprint& f);

/// Constant time in the digest; false if the hashes differ or are `none`.
bool equal(const Fingerprint& a, const Fingerprint& b);

}  // namespace sluice::dtls
