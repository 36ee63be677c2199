#include "net/turn/ticket.h"

#include <algorithm>

#include "net/base/base64.h"
#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

constexpr size_t kClear = 1, kFields = 12, kMac = 11;
using Raw = std::array<uint8_t, kClear + kFields + kMac>;
static_assert(base64_chars(sizeof(Raw)) == kTicketBytes);

void apply_key_stream(const crypto::Primitives& crypto, Bytes key, Bytes mac, MutBytes fields) {
  std::array<uint8_t, crypto::kSha256Bytes> stream;
  crypto.hmac_sha256(key, as_bytes("stream"), mac, stream.data());
  for (size_t i = 0; i < fields.size(); ++i) fields[i] ^= stream[i];
}

std::array<uint8_t, crypto::kSha256Bytes> mac_of(const crypto::Primitives& crypto, Bytes key, Bytes plain) {
  std::array<uint8_t, crypto::kSha256Bytes> mac;
  crypto.hmac_sha256(key, as_bytes("ticket"), plain, mac.data());
  return mac;
}

}  // namespace

Ticket make_ticket(const crypto::Primitives& crypto, Bytes key, const TicketFields& fields) {
  Raw raw{};
  raw[0] = fields.shard;
  store_be<uint32_t>(&raw[1], fields.allocation.index);
  store_be<uint32_t>(&raw[5], fields.allocation.gen);
  store_be<uint32_t>(&raw[9], fields.count);
  const auto mac = mac_of(crypto, key, Bytes(raw).first(kClear + kFields));
  std::copy_n(mac.begin(), kMac, raw.begin() + kClear + kFields);
  apply_key_stream(crypto, key, Bytes(raw).last(kMac), MutBytes(raw).subspan(kClear, kFields));
  std::array<char, kTicketBytes> text;
  base64_encode(raw, text);
  Ticket t;
  std::copy(text.begin(), text.end(), t.begin());
  return t;
}

std::optional<uint8_t> ticket_shard(Bytes ticket) {
  Raw raw;
  if (!base64_decode(as_text(ticket), raw)) return std::nullopt;
  return raw[0];
}

std::optional<TicketFields> open_ticket(const crypto::Primitives& crypto, Bytes key, Bytes ticket) {
  Raw raw;
  if (!base64_decode(as_text(ticket), raw)) return std::nullopt;
  apply_key_stream(crypto, key, Bytes(raw).last(kMac), MutBytes(raw).subspan(kClear, kFields));
  const auto mac = mac_of(crypto, key, Bytes(raw).first(kClear + kFields));
  if (!crypto::equal_constant_time(Bytes(mac).first(kMac), Bytes(raw).last(kMac))) return std::nullopt;
  return TicketFields{.shard = raw[0],
                      .allocation = {load_be<uint32_t>(&raw[1]), load_be<uint32_t>(&raw[5])},
                      .count = load_be<uint32_t>(&raw[9])};
}

}  // namespace sluice::turn
