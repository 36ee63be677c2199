// Nonces without state (RFC 8489 §9.2). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/base/siphash.h"
#include "net/base/units.h"

namespace sluice::turn {

/// Security features that a nonce announces (RFC 8489 §18.1, bit 0 rightmost as erratum 6290 has it).
inline constexpr uint32_t kPasswordAlgorithmsBit = 1;
inline constexpr uint32_t kUsernameAnonymityBit = 2;

inline constexpr size_t kNonceChars = 24;
using Nonce = std::array<char, kNonceChars>;

/// "obMatJos2", 24 feature bits in base64, and 64 bits in base64: 16 of time in units of 16 s and 48 of
/// SipHash-2-4 over the features, the whole time and the client's address. Bound to the address, not the
/// port, so that it serves a client's every 5-tuple. The key is derived anew for every 68 minutes. 48 bits:
/// who guesses has won no more than the right to be answered at an address that is not his.
class Nonces {
 public:
  Nonces() = default;
  /// `lifetime_s` below 2^19.
  Nonces(HashSeed secret, uint32_t lifetime_s) : secret_(secret), lifetime_s_(lifetime_s) {}

  Nonce make(const Address& client, uint32_t features, Micros now) const;
  /// The features if the nonce was made for this client and is not too old.
  std::optional<uint32_t> check(Bytes nonce, const Address& client, Micros now) const;

 private:
  uint64_t mac(const Address& client, uint32_t features, uint64_t unit) const;

  HashSeed secret_;
  uint32_t lifetime_s_ = 3600;
};

}  // namespace sluice::turn
