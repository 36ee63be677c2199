// STUN messages (RFC 8489): names, and a bounded zero-copy view of a received one. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/drop.h"
#include "net/base/endpoint.h"
#include "net/crypto/primitives.h"

namespace sluice::stun {

inline constexpr uint32_t kMagicCookie = 0x2112A442;
inline constexpr size_t kHeaderBytes = 20;
using TransactionId = std::array<uint8_t, 12>;

/// RFC 8489 §5: the two class bits.
enum class Class : uint8_t { request = 0, indication = 1, success = 2, error = 3 };

/// Values not named here are methods that are not served.
enum class Method : uint16_t {
  binding = 0x001,
  allocate = 0x003,
  refresh = 0x004,
  send = 0x006,
  data = 0x007,
  create_permission = 0x008,
  channel_bind = 0x009,
};

/// RFC 8489 §18.3, RFC 8445 §16.1, RFC 8656 §18, RFC 8016 §4. Below 0x8000 an agent must understand an
/// attribute to accept a request.
enum class Attr : uint16_t {
  mapped_address = 0x0001,
  username = 0x0006,
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000A,
  channel_number = 0x000C,
  lifetime = 0x000D,
  xor_peer_address = 0x0012,
  data = 0x0013,
  realm = 0x0014,
  nonce = 0x0015,
  xor_relayed_address = 0x0016,
  requested_address_family = 0x0017,
  even_port = 0x0018,
  requested_transport = 0x0019,
  dont_fragment = 0x001A,
  message_integrity_sha256 = 0x001C,
  password_algorithm = 0x001D,
  userhash = 0x001E,
  xor_mapped_address = 0x0020,
  reservation_token = 0x0022,
  priority = 0x0024,
  use_candidate = 0x0025,
  additional_address_family = 0x8000,
  address_error_code = 0x8001,
  password_algorithms = 0x8002,
  alternate_domain = 0x8003,
  software = 0x8022,
  alternate_server = 0x8023,
  fingerprint = 0x8028,
  ice_controlled = 0x8029,
  ice_controlling = 0x802A,
  mobility_ticket = 0x8030,
};

/// Which attribute protects a message.
enum class Integrity : uint8_t { none, sha1, sha256 };

struct ErrorCode {
  uint16_t code = 0;        ///< 300..699
  std::string_view reason;  ///< UTF-8, points into the message
};

/// An attribute as it stands in the message; `value` without padding.
struct RawAttribute {
  uint16_t type = 0;
  Bytes value;
};

/// At most so many attributes are looked at; a message with more is malformed. Bounds the work that a hostile
/// datagram can ask for.
inline constexpr size_t kMaxAttributes = 64;

/// A parsed message. Points into the datagram, which must outlive it; copying is cheap. Of an attribute that
/// occurs more than once the first counts (RFC 8489 §14). Attributes behind MESSAGE-INTEGRITY or
/// MESSAGE-INTEGRITY-SHA256 that the RFC says to ignore are invisible (§14.5, §14.6).
class View {
 public:
  /// One STUN message that fills the datagram: type bits, cookie, length (a multiple of 4, §5), every
  /// attribute inside its bounds, FINGERPRINT last if there (§14.7), integrity attributes of a legal length.
  /// Drop::stun_malformed otherwise. Neither fingerprint nor integrity is verified.
  static std::expected<View, Drop> parse(Bytes datagram);

  Class cls() const { return cls_; }
  uint16_t method() const { return method_; }
  bool is_binding(Class c) const { return cls_ == c && method_ == static_cast<uint16_t>(Method::binding); }
  TransactionId transaction_id() const;
  Bytes datagram() const { return b_; }

  bool has_fingerprint() const { return fingerprint_at_ != 0; }
  /// True if FINGERPRINT is there and right (§14.7).
  bool fingerprint_ok() const;

  /// The stronger of the attributes that are there.
  Integrity integrity() const;
  /// Verifies the attribute named by integrity() in constant time; false if there is none. `key` is the
  /// password for short-term credentials (§9.1.1).
  bool integrity_ok(const crypto::Primitives& crypto, Bytes key) const;
  /// Verifies MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256, alone.
  bool integrity_ok(Integrity which, const crypto::Primitives& crypto, Bytes key) const;

  /// The first visible attribute of a type; nullopt if absent.
  std::optional<Bytes> find(Attr a) const;
  bool has(Attr a) const { return find(a).has_value(); }

  /// USERNAME; nullopt if absent or longer than 508 bytes (§14.3).
  std::optional<std::string_view> username() const;
  /// PRIORITY and the like; nullopt if absent or not of the right length.
  std::optional<uint32_t> u32(Attr a) const;
  std::optional<uint64_t> u64(Attr a) const;
  /// XOR-MAPPED-ADDRESS and attributes of the same form (§14.2); nullopt if absent or malformed.
  std::optional<Endpoint> xor_address(Attr a = Attr::xor_mapped_address) const;
  /// MAPPED-ADDRESS and attributes of the same form (§14.1).
  std::optional<Endpoint> plain_address(Attr a = Attr::mapped_address) const;
  /// The same of one of several attributes of a type, as for_each() gives them.
  std::optional<Endpoint> xor_address(const RawAttribute& a) const;
  std::optional<ErrorCode> error_code() const;

  /// Comprehension-required attributes that neither RFC 8489 nor ICE nor `also` names, each once, in the
  /// order of the message, into `out`; returns how many were written (at most out.size()).
  size_t unknown_required(std::span<uint16_t> out, std::span<const Attr> also = {}) const;
  /// Entries of UNKNOWN-ATTRIBUTES into `out`; returns how many were written.
  size_t unknown_attributes(std::span<uint16_t> out) const;

  /// Calls `f(RawAttribute)` for each visible attribute in order, duplicates too; integrity and fingerprint
  /// attributes included.
  template <class F>
  void for_each(F&& f) const {
    for (uint16_t at = kHeaderBytes; at < b_.size();) {
      const RawAttribute a = raw_at(at);
      if (visible(at, a.type)) f(a);
      at = static_cast<uint16_t>(at + 4 + ((a.value.size() + 3) & ~size_t{3}));
    }
  }

 private:
  explicit View(Bytes b) : b_(b) {}
  bool index_attributes();
  bool note(uint16_t at, const RawAttribute& a);
  RawAttribute raw_at(size_t at) const;
  bool visible(uint16_t at, uint16_t type) const;

  Bytes b_;
  Class cls_ = Class::request;
  uint16_t method_ = 0;
  // Offsets of attribute headers; 0 is absent, since the message header sits there.
  uint16_t integrity_at_ = 0;
  uint16_t integrity_sha256_at_ = 0;
  uint16_t fingerprint_at_ = 0;
  uint16_t protected_end_ = 0;  ///< ordinary attributes from here on are invisible
};

/// CRC-32 of ISO 3309 / ITU-T V.42, as FINGERPRINT uses it (§14.7), without the XOR.
uint32_t crc32(Bytes b);

}  // namespace sluice::stun
