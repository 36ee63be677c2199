// Writes one STUN message into caller memory. Pure.
#pragma once

#include <span>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/crypto/primitives.h"
#include "net/stun/message.h"

namespace sluice::stun {

/// Append attributes, then integrity, then fingerprint, then call size(). What does not fit makes size() 0,
/// and nothing is written past the given memory. Padding is zero.
class Builder {
 public:
  Builder(MutBytes out, Class cls, Method method, const TransactionId& tid);

  void attribute(Attr a, Bytes value);
  void flag(Attr a) { attribute(a, {}); }
  void u32(Attr a, uint32_t v);
  void u64(Attr a, uint64_t v);
  /// "first:second", as ICE builds USERNAME (RFC 8445 §7.2.2), without a copy in between.
  void username(std::string_view first, std::string_view second);
  void xor_address(Attr a, const Endpoint& e);
  /// `code` 300..699; the reason phrase is cut to fit 508 bytes.
  void error_code(uint16_t code, std::string_view reason);
  void unknown_attributes(std::span<const uint16_t> types);
  /// MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 (untruncated) over what was written so far, with the
  /// length field as RFC 8489 §14.5 wants it. Integrity::none writes nothing.
  void integrity(Integrity which, const crypto::Primitives& crypto, Bytes key);
  /// Must be the last attribute.
  void fingerprint();

  /// Length of the finished message, 0 if it did not fit.
  size_t size() const { return w_.ok() ? w_.size() : 0; }
  Bytes message() const { return Bytes(w_.written().data(), size()); }

 private:
  bool open(Attr a, size_t value_bytes);
  void patch_length(size_t message_bytes);

  Writer w_;
};

/// Bytes that an attribute with so many value bytes occupies.
constexpr size_t attribute_bytes(size_t value_bytes) { return 4 + ((value_bytes + 3) & ~size_t{3}); }

/// "Bad Request" and so on (RFC 8489 §14.8, RFC 8445 §7.3.1.1); empty for other codes.
std::string_view reason_phrase(uint16_t code);

}  // namespace sluice::stun
