// What goes into and comes out of the TURN server: names, limits, results. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/drop.h"
#include "net/base/endpoint.h"
#include "net/base/units.h"

namespace sluice::turn {

/// "No allocation" where an index is expected.
inline constexpr uint32_t kNoAllocation = UINT32_MAX;

/// Set in ClientKey::ifindex for a client that came by TCP or TLS; the low bits are the stream.
inline constexpr uint32_t kStreamClient = 0x4000'0000;

/// Channel numbers. RFC 8656 §12 ends them at 0x4FFF, RFC 5766 §11 at 0x7FFF, and clients of the latter
/// (coturn's) pick any of them.
inline constexpr uint16_t kFirstChannel = 0x4000, kLastChannel = 0x7FFF;
/// Whether what a client with an allocation sent is ChannelData, by its first byte. Beyond 79 that is no
/// class of RFC 7983, so only the flow tells: whoever sorts packets must ask it before he calls them unknown.
constexpr bool is_channel_data(uint8_t first_byte) {
  return first_byte >= kFirstChannel >> 8 && first_byte <= kLastChannel >> 8;
}

/// Who a client is: RFC 8656's 5-tuple. Of a datagram client `ifindex` is only where to answer, not identity.
struct ClientKey {
  Endpoint remote;
  Endpoint local;
  uint32_t ifindex = 0;

  bool is_stream() const { return (ifindex & kStreamClient) != 0; }
  /// Whether both name the same client.
  bool same(const ClientKey& o) const {
    return remote == o.remote && local == o.local &&
           (is_stream() || o.is_stream() ? ifindex == o.ifindex : true);
  }
};
static_assert(sizeof(ClientKey) == 40);

/// Values of REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.9).
enum class Family : uint8_t { v4 = 1, v6 = 2 };
constexpr Family family_of(const Address& a) { return a.is_v4() ? Family::v4 : Family::v6; }

/// What a relay port must be like.
enum class PortWish : uint8_t {
  any,
  even,           ///< EVEN-PORT without R: an even port
  even_and_next,  ///< EVEN-PORT with R: an even port, and the one above it is taken as well
};

/// Where relay ports come from. Called when allocations are made and end, never per packet, on the shard's
/// thread. `take` returns a port that is open and whose address is one of Config::relay_addresses, with a
/// port inside Limits::ports; nullopt when there is none. `give_back` closes one port that `take` returned
/// (of even_and_next both come back, one call each).
struct PortSource {
  void* self = nullptr;
  std::optional<Endpoint> (*take_fn)(void* self, Family family, PortWish wish) = nullptr;
  void (*give_back_fn)(void* self, const Endpoint& local) = nullptr;

  std::optional<Endpoint> take(Family family, PortWish wish) const { return take_fn(self, family, wish); }
  void give_back(const Endpoint& local) const { give_back_fn(self, local); }
};

/// A payload on its way from a client to a peer. Nothing is copied: the payload is `len` bytes from `offset`
/// on in the bytes that were handed in.
struct ToPeer {
  Drop drop = Drop::none;  ///< if not none, only this counts
  bool dont_fragment = false;
  uint16_t offset = 0;
  uint16_t len = 0;
  Endpoint relay;  ///< source: the relayed transport address
  Endpoint
      peer;  ///< destination; if owner_of(peer) is an allocation, join inside: from_peer(peer, relay, ...)
};

/// A datagram on its way from a peer to a client. Header and padding have been written around the payload in
/// place: the message begins `before` bytes before it and is `len` bytes long.
struct ToClient {
  Drop drop = Drop::none;  ///< if not none, only this counts
  uint16_t before = 0;
  uint16_t len = 0;
  uint32_t allocation = kNoAllocation;
  ClientKey client;
};

/// Bytes that from_peer() may write before and behind a payload.
inline constexpr size_t kMaxPrepend = 48;
inline constexpr size_t kMaxAppend = 3;

/// What a request did, for the owner of the flow table.
enum class Event : uint8_t {
  none,
  created,  ///< `allocation` now belongs to the client: insert its flow
  closed,   ///< `allocation` is gone: erase the flow of `previous`
  moved,    ///< `allocation` now belongs to the client and no more to `previous` (RFC 8016)
};

struct Result {
  Drop drop = Drop::none;  ///< if not none there is no reply; `event` counts all the same
  Event event = Event::none;
  uint16_t reply = 0;  ///< bytes of reply in `out`, for the client
  uint32_t allocation = kNoAllocation;
  ClientKey previous;  ///< of closed and moved
};

/// Payloads that went through an allocation.
struct Traffic {
  uint64_t to_peer_packets = 0;
  uint64_t to_peer_bytes = 0;
  uint64_t to_client_packets = 0;
  uint64_t to_client_bytes = 0;
};

/// Room that any reply needs.
inline constexpr size_t kMaxReply = 576;

/// An allocation that ended by itself.
struct Closed {
  uint32_t allocation = kNoAllocation;
  ClientKey client;  ///< whose flow is to be erased
};

/// Why requests were refused, by error code.
enum class Refusal : uint8_t {
  bad_request,            // 400
  unauthenticated,        // 401
  forbidden,              // 403
  mobility_forbidden,     // 405
  unknown_attribute,      // 420
  allocation_mismatch,    // 437
  stale_nonce,            // 438
  family_unsupported,     // 440
  wrong_credentials,      // 441
  transport_unsupported,  // 442
  family_mismatch,        // 443
  quota_reached,          // 486
  insufficient_capacity,  // 508
};
inline constexpr size_t kRefusals = 13;
inline constexpr std::array<uint16_t, kRefusals> kRefusalCodes{400, 401, 403, 405, 420, 437, 438,
                                                               440, 441, 442, 443, 486, 508};

/// Monotonic but for the gauges. Written by the shard's thread only.
struct Counters {
  uint32_t allocations = 0;   ///< live now
  uint32_t reservations = 0;  ///< ports held for RESERVATION-TOKEN now
  uint32_t streams = 0;       ///< live allocations whose client came by TCP or TLS
  uint64_t created = 0;
  uint64_t expired = 0;
  uint64_t deleted = 0;  ///< by a refresh with lifetime 0, or close()
  uint64_t moved = 0;    ///< mobility refreshes from a new 5-tuple
  uint64_t refreshed = 0;
  uint64_t permissions = 0;  ///< installed or refreshed
  uint64_t channels = 0;     ///< bound or refreshed
  uint64_t bindings = 0;     ///< STUN binding requests answered
  std::array<uint64_t, kRefusals> refused{};
  uint64_t channel_to_peer = 0;  ///< packets
  uint64_t send_to_peer = 0;
  uint64_t channel_to_client = 0;
  uint64_t data_to_client = 0;
  uint64_t bytes_to_peer = 0;  ///< payload
  uint64_t bytes_to_client = 0;
};

/// Sizes, fixed when the server is made. Server::bytes_for() says what they cost.
struct Limits {
  uint32_t allocations = 16384;
  /// Nodes of two peers each, 64 bytes, shared by the allocations that have more than four peers.
  uint32_t peer_nodes = 8192;
  /// Permissions and channels of one allocation.
  uint16_t peers_per_allocation = 128;
  uint16_t reservations = 256;
  /// Lines of 64 bytes of the table that limits answers to unproven addresses; a power of two, or 0: no
  /// limit.
  uint32_t admission_lines = 4096;
  /// Relay ports, inclusive, on each relay address. 4 bytes each.
  uint16_t port_lo = 49152;
  uint16_t port_hi = 65535;
  uint8_t relay_addresses = 2;
};

}  // namespace sluice::turn
