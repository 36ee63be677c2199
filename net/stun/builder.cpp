#include "net/stun/builder.h"

#include <algorithm>
#include <array>

namespace sluice::stun {
namespace {

// RFC 8489 §5, figure 3.
constexpr uint16_t type_of(Class cls, Method method) {
  const auto m = static_cast<unsigned>(method), c = static_cast<unsigned>(cls);
  return static_cast<uint16_t>((m & 0xFU) | ((m & 0x70U) << 1) | ((m & 0xF80U) << 2) | ((c & 2U) << 7) |
                               ((c & 1U) << 4));
}

constexpr size_t padding(size_t value_bytes) { return (4 - value_bytes % 4) % 4; }

}  // namespace

Builder::Builder(MutBytes out, Class cls, Method method, const TransactionId& tid) : w_(out) {
  w_.u16(type_of(cls, method));
  w_.u16(0);
  w_.u32(kMagicCookie);
  w_.bytes(tid);
}

bool Builder::open(Attr a, size_t value_bytes) {
  const size_t end = w_.size() + attribute_bytes(value_bytes);
  // The length field has 16 bits; asking for more than there is makes the writer refuse for good.
  if (end - kHeaderBytes > UINT16_MAX || w_.room() < attribute_bytes(value_bytes)) w_.zeros(w_.room() + 1);
  if (!w_.ok()) return false;
  w_.u16(static_cast<uint16_t>(a));
  w_.u16(static_cast<uint16_t>(value_bytes));
  patch_length(end);
  return true;
}

void Builder::patch_length(size_t message_bytes) {
  store_be<uint16_t>(w_.data() + 2, static_cast<uint16_t>(message_bytes - kHeaderBytes));
}

void Builder::attribute(Attr a, Bytes value) {
  if (!open(a, value.size())) return;
  w_.bytes(value);
  w_.zeros(padding(value.size()));
}

void Builder::u32(Attr a, uint32_t v) {
  if (open(a, 4)) w_.u32(v);
}

void Builder::u64(Attr a, uint64_t v) {
  if (open(a, 8)) w_.u64(v);
}

void Builder::username(std::string_view first, std::string_view second) {
  const size_t n = first.size() + 1 + second.size();
  if (!open(Attr::username, n)) return;
  w_.bytes(as_bytes(first));
  w_.u8(':');
  w_.bytes(as_bytes(second));
  w_.zeros(padding(n));
}

void Builder::xor_address(Attr a, const Endpoint& e) {
  const bool v4 = e.is_v4();
  const Bytes address = v4 ? Bytes(e.addr.b).last(4) : Bytes(e.addr.b);
  if (!open(a, 4 + address.size())) return;
  w_.u8(0);
  w_.u8(v4 ? 1 : 2);
  w_.u16(static_cast<uint16_t>(e.port ^ (kMagicCookie >> 16)));
  // RFC 8489 §14.2: masked with cookie and transaction id as they stand in the header.
  for (size_t i = 0; i < address.size(); ++i) w_.u8(static_cast<uint8_t>(address[i] ^ w_.data()[4 + i]));
}

void Builder::error_code(uint16_t code, std::string_view reason) {
  reason = {reason.data(), std::min<size_t>(reason.size(), 508)};
  if (!open(Attr::error_code, 4 + reason.size())) return;
  w_.u16(0);
  w_.u8(static_cast<uint8_t>(code / 100));
  w_.u8(static_cast<uint8_t>(code % 100));
  w_.bytes(as_bytes(reason));
  w_.zeros(padding(reason.size()));
}

void Builder::unknown_attributes(std::span<const uint16_t> types) {
  if (!open(Attr::unknown_attributes, types.size() * 2)) return;
  for (uint16_t t : types) w_.u16(t);
  w_.zeros(padding(types.size() * 2));
}

void Builder::integrity(Integrity which, const crypto::Primitives& crypto, Bytes key) {
  if (which == Integrity::none) return;
  const bool sha256 = which == Integrity::sha256;
  const size_t digest_bytes = sha256 ? crypto::kSha256Bytes : crypto::kSha1Bytes;
  const Bytes before = w_.written();
  if (!open(sha256 ? Attr::message_integrity_sha256 : Attr::message_integrity, digest_bytes)) return;
  (sha256 ? crypto.hmac_sha256 : crypto.hmac_sha1)(key, before, {}, w_.reserve(digest_bytes).data());
}

void Builder::fingerprint() {
  constexpr uint32_t kXor = 0x5354554E;  // RFC 8489 §14.7
  const Bytes before = w_.written();
  if (open(Attr::fingerprint, 4)) w_.u32(crc32(before) ^ kXor);
}

std::string_view reason_phrase(uint16_t code) {
  switch (code) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthenticated";
    case 420:
      return "Unknown Attribute";
    case 487:
      return "Role Conflict";
    case 500:
      return "Server Error";
    default:
      return {};
  }
}

}  // namespace sluice::stun
