#include "net/stun/message.h"

#include <algorithm>
#include <cstring>

#include "net/crypto/secret.h"
#include "net/stun/builder.h"

namespace sluice::stun {
namespace {

constexpr size_t kAttributeHeader = 4;

constexpr bool is(uint16_t type, Attr a) { return type == static_cast<uint16_t>(a); }

// RFC 8489 §5, figure 3: the class bits sit between the method's bits.
constexpr Class class_of(uint16_t type) {
  return static_cast<Class>(((type >> 7) & 2U) | ((type >> 4) & 1U));
}
constexpr uint16_t method_of(uint16_t type) {
  return static_cast<uint16_t>((type & 0xFU) | ((type >> 1) & 0x70U) | ((type >> 2) & 0xF80U));
}

constexpr bool understood(uint16_t type) {
  switch (static_cast<Attr>(type)) {
    case Attr::mapped_address:
    case Attr::username:
    case Attr::message_integrity:
    case Attr::error_code:
    case Attr::unknown_attributes:
    case Attr::realm:
    case Attr::nonce:
    case Attr::message_integrity_sha256:
    case Attr::password_algorithm:
    case Attr::userhash:
    case Attr::xor_mapped_address:
    case Attr::priority:
    case Attr::use_candidate:
      return true;
    default:
      return false;
  }
}

// RFC 8489 §14.1: one zero byte, family, port, address.
std::optional<Endpoint> address_in(Bytes v) {
  constexpr uint8_t kV4 = 1, kV6 = 2;
  if (v.size() == 8 && v[1] == kV4)
    return Endpoint{Address::v4(load_be<uint32_t>(&v[4])), load_be<uint16_t>(&v[2])};
  if (v.size() != 20 || v[1] != kV6) return std::nullopt;
  Endpoint e{{}, load_be<uint16_t>(&v[2])};
  std::memcpy(e.addr.b.data(), &v[4], 16);
  return e;
}

}  // namespace

std::expected<View, Drop> View::parse(Bytes datagram) {
  const auto malformed = std::unexpected(Drop::stun_malformed);
  if (datagram.size() < kHeaderBytes || datagram.size() > UINT16_MAX) return malformed;
  const auto type = load_be<uint16_t>(datagram.data());
  const auto length = load_be<uint16_t>(datagram.data() + 2);
  if ((type & 0xC000U) != 0 || load_be<uint32_t>(datagram.data() + 4) != kMagicCookie) return malformed;
  if (length % 4 != 0 || kHeaderBytes + length != datagram.size()) return malformed;
  View v(datagram);
  v.cls_ = class_of(type);
  v.method_ = method_of(type);
  if (!v.index_attributes()) return malformed;
  return v;
}

bool View::index_attributes() {
  size_t at = kHeaderBytes;
  for (size_t n = 0; at < b_.size(); ++n) {
    // The message's length is a multiple of 4 and so is every step, so a whole attribute header is left.
    const size_t value_bytes = load_be<uint16_t>(&b_[at + 2]);
    if (n == kMaxAttributes || attribute_bytes(value_bytes) > b_.size() - at) return false;
    if (!note(static_cast<uint16_t>(at), raw_at(at))) return false;
    at += attribute_bytes(value_bytes);
  }
  return true;
}

bool View::note(uint16_t at, const RawAttribute& a) {
  // RFC 8489 §14.7: FINGERPRINT is the last attribute.
  if (fingerprint_at_ != 0) return false;
  if (is(a.type, Attr::fingerprint)) {
    fingerprint_at_ = at;
    return a.value.size() == 4;
  }
  // §14.5: behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 counts, §14.6: behind that, nothing.
  if (is(a.type, Attr::message_integrity) && protected_end_ == 0) {
    integrity_at_ = protected_end_ = at;
    return a.value.size() == crypto::kSha1Bytes;
  }
  if (is(a.type, Attr::message_integrity_sha256) && integrity_sha256_at_ == 0) {
    integrity_sha256_at_ = at;
    if (protected_end_ == 0) protected_end_ = at;
    return a.value.size() >= 16 && a.value.size() <= crypto::kSha256Bytes && a.value.size() % 4 == 0;
  }
  return true;
}

RawAttribute View::raw_at(size_t at) const {
  return {.type = load_be<uint16_t>(&b_[at]),
          .value = b_.subspan(at + kAttributeHeader, load_be<uint16_t>(&b_[at + 2]))};
}

bool View::visible(uint16_t at, uint16_t type) const {
  if (protected_end_ == 0 || at < protected_end_) return true;
  return at == integrity_at_ || at == integrity_sha256_at_ || is(type, Attr::fingerprint);
}

TransactionId View::transaction_id() const {
  TransactionId tid;
  std::memcpy(tid.data(), &b_[8], tid.size());
  return tid;
}

bool View::fingerprint_ok() const {
  constexpr uint32_t kXor = 0x5354554E;
  if (fingerprint_at_ == 0) return false;
  return load_be<uint32_t>(&b_[fingerprint_at_ + kAttributeHeader]) ==
         (crc32(b_.first(fingerprint_at_)) ^ kXor);
}

Integrity View::integrity() const {
  if (integrity_sha256_at_ != 0) return Integrity::sha256;
  return integrity_at_ != 0 ? Integrity::sha1 : Integrity::none;
}

bool View::integrity_ok(const crypto::Primitives& crypto, Bytes key) const {
  return integrity_ok(integrity(), crypto, key);
}

bool View::integrity_ok(Integrity which, const crypto::Primitives& crypto, Bytes key) const {
  const size_t at = which == Integrity::sha256 ? integrity_sha256_at_ : integrity_at_;
  if (which == Integrity::none || at == 0) return false;
  const Bytes claimed = raw_at(at).value;
  // RFC 8489 §14.5: the length field counts up to and including the integrity attribute.
  std::array<uint8_t, kHeaderBytes> header;
  std::memcpy(header.data(), b_.data(), header.size());
  store_be<uint16_t>(&header[2],
                     static_cast<uint16_t>(at + kAttributeHeader + claimed.size() - kHeaderBytes));
  const Bytes body = b_.subspan(kHeaderBytes, at - kHeaderBytes);
  std::array<uint8_t, crypto::kSha256Bytes> digest;
  (which == Integrity::sha256 ? crypto.hmac_sha256 : crypto.hmac_sha1)(key, header, body, digest.data());
  return crypto::equal_constant_time(claimed, Bytes(digest).first(claimed.size()));
}

std::optional<Bytes> View::find(Attr a) const {
  for (size_t at = kHeaderBytes; at < b_.size();) {
    const RawAttribute raw = raw_at(at);
    if (is(raw.type, a) && visible(static_cast<uint16_t>(at), raw.type)) return raw.value;
    at += attribute_bytes(raw.value.size());
  }
  return std::nullopt;
}

std::optional<std::string_view> View::username() const {
  constexpr size_t kMaxUsername = 508;
  const auto v = find(Attr::username);
  if (!v || v->size() > kMaxUsername) return std::nullopt;
  return as_text(*v);
}

std::optional<uint32_t> View::u32(Attr a) const {
  const auto v = find(a);
  if (!v || v->size() != 4) return std::nullopt;
  return load_be<uint32_t>(v->data());
}

std::optional<uint64_t> View::u64(Attr a) const {
  const auto v = find(a);
  if (!v || v->size() != 8) return std::nullopt;
  return load_be<uint64_t>(v->data());
}

std::optional<Endpoint> View::xor_address(Attr a) const {
  const auto v = find(a);
  if (!v) return std::nullopt;
  return xor_address(RawAttribute{.type = static_cast<uint16_t>(a), .value = *v});
}

std::optional<Endpoint> View::xor_address(const RawAttribute& a) const {
  const Bytes v = a.value;
  if (v.size() > 20) return std::nullopt;
  // RFC 8489 §14.2: the port is masked with the cookie, the address with the cookie and the transaction id,
  // which is the message from its fifth byte on.
  std::array<uint8_t, 20> plain;
  std::copy(v.begin(), v.end(), plain.begin());
  if (v.size() >= 4) {
    for (size_t i = 2; i < 4; ++i) plain[i] ^= b_[i + 2];
    for (size_t i = 4; i < v.size(); ++i) plain[i] ^= b_[i];
  }
  return address_in(Bytes(plain).first(v.size()));
}

std::optional<Endpoint> View::plain_address(Attr a) const {
  const auto v = find(a);
  return v ? address_in(*v) : std::nullopt;
}

std::optional<ErrorCode> View::error_code() const {
  const auto v = find(Attr::error_code);
  if (!v || v->size() < 4) return std::nullopt;
  const unsigned hundreds = (*v)[2] & 7U, rest = (*v)[3];
  if (hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  return ErrorCode{.code = static_cast<uint16_t>(hundreds * 100 + rest), .reason = as_text(v->subspan(4))};
}

size_t View::unknown_required(std::span<uint16_t> out, std::span<const Attr> also) const {
  size_t n = 0;
  for_each([&](const RawAttribute& a) {
    if (a.type >= 0x8000 || understood(a.type) || n == out.size()) return;
    if (std::find(also.begin(), also.end(), static_cast<Attr>(a.type)) != also.end()) return;
    if (std::find(out.begin(), out.begin() + static_cast<ptrdiff_t>(n), a.type) ==
        out.begin() + static_cast<ptrdiff_t>(n))
      out[n++] = a.type;
  });
  return n;
}

size_t View::unknown_attributes(std::span<uint16_t> out) const {
  const auto v = find(Attr::unknown_attributes);
  if (!v) return 0;
  const size_t n = std::min(out.size(), v->size() / 2);
  for (size_t i = 0; i < n; ++i) out[i] = load_be<uint16_t>(&(*v)[2 * i]);
  return n;
}

}  // namespace sluice::stun
