// MOBILITY-TICKET (RFC 8016 §3.3): which allocation, encrypted and authenticated. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "net/base/units.h"
#include "net/crypto/primitives.h"

namespace sluice::turn {

struct TicketFields {
  uint8_t shard = 0;  ///< in the clear, so that any shard knows whom to ask
  Handle allocation;
  uint32_t count = 0;  ///< Allocation::ticket when it was issued
};

inline constexpr size_t kTicketBytes = 32;  ///< characters
using Ticket = std::array<uint8_t, kTicketBytes>;

/// In base64, since coturn's clients keep it as a text: shard, 12 bytes of fields under a key stream, 11
/// bytes of HMAC-SHA256 over both, from which the key stream is made (synthetic IV: the same fields make the
/// same ticket).
Ticket make_ticket(const crypto::Primitives& crypto, Bytes key, const TicketFields& fields);
/// nullopt if it does not look like a ticket; not authenticated.
std::optional<uint8_t> ticket_shard(Bytes ticket);
/// nullopt if it is not one of ours.
std::optional<TicketFields> open_ticket(const crypto::Primitives& crypto, Bytes key, Bytes ticket);

}  // namespace sluice::turn
