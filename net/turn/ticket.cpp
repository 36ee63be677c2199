#include "net/turn/ticket.h"

#include <algorithm>

#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

constexpr size_t kClear = 4, kFields = 12, kMac = 16;
static_assert(kClear + kFields + kMac == kTicketBytes);

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
  Ticket t{};
  t[0] = fields.shard;
  store_be<uint32_t>(&t[4], fields.allocation.index);
  store_be<uint32_t>(&t[8], fields.allocation.gen);
  store_be<uint32_t>(&t[12], fields.count);
  const auto mac = mac_of(crypto, key, Bytes(t).first(kClear + kFields));
  std::copy_n(mac.begin(), kMac, t.begin() + kClear + kFields);
  apply_key_stream(crypto, key, Bytes(t).last(kMac), MutBytes(t).subspan(kClear, kFields));
  return t;
}

std::optional<TicketFields> open_ticket(const crypto::Primitives& crypto, Bytes key, Bytes ticket) {
  if (ticket.size() != kTicketBytes) return std::nullopt;
  Ticket t;
  std::copy(ticket.begin(), ticket.end(), t.begin());
  apply_key_stream(crypto, key, Bytes(t).last(kMac), MutBytes(t).subspan(kClear, kFields));
  const auto mac = mac_of(crypto, key, Bytes(t).first(kClear + kFields));
  if (!crypto::equal_constant_time(Bytes(mac).first(kMac), Bytes(t).last(kMac))) return std::nullopt;
  return TicketFields{.shard = t[0],
                      .allocation = {load_be<uint32_t>(&t[4]), load_be<uint32_t>(&t[8])},
                      .count = load_be<uint32_t>(&t[12])};
}

}  // namespace sluice::turn
