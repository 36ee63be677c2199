// A TURN and STUN server (RFC 8656, RFC 8489, RFC 8016; RFC 5766 clients are served) as a state machine:
// bytes and a time in, bytes and facts out. One per shard, one thread. Pure: memory, randomness and time are
// handed in.
//
// Who does what
// - The owner keeps the flow table: client -> allocation index. Requests tell it through Result::event when
// to
//   insert and erase; expire() tells of the rest. A wrong or stale index is noticed and does no harm.
// - The owner receives and sends. Payloads stay in their slots; see ToPeer and ToClient.
// - Stream clients (TCP, TLS) are deframed by the owner: one STUN message or one ChannelData message, its
// padding
//   included or not, per call. Towards them ChannelData is padded (RFC 8656 §12.5).
// - A request that belongs to another shard (a mobility ticket, a reservation token) is found out with
//   shard_of() before on_request().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/siphash.h"
#include "net/base/timer_wheel.h"
#include "net/base/token_bucket.h"
#include "net/crypto/primitives.h"
#include "net/ice/admission.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"
#include "net/turn/accounts.h"
#include "net/turn/allocation.h"
#include "net/turn/authenticate.h"
#include "net/turn/credentials.h"
#include "net/turn/nonce.h"
#include "net/turn/peer_policy.h"
#include "net/turn/quota.h"
#include "net/turn/relay_map.h"
#include "net/turn/reservations.h"
#include "net/turn/ticket.h"
#include "net/turn/types.h"

namespace sluice::turn {

/// The same on all shards of a process, drawn at random when it starts; never written anywhere. With the same
/// secrets on several hosts a nonce of one is good on the other.
struct ServerSecrets {
  HashSeed nonce;
  std::array<uint8_t, 32> ticket{};
  HashSeed names;  ///< hashes users' names for quotas
};

/// Longer realms leave no room for a 401 of at most three times the request; see Server.
inline constexpr size_t kMaxRealm = 24;
/// Longer ones no room for password algorithms in the answer to the shortest request.
inline constexpr size_t kMaxNegotiatingRealm = 16;

struct Config {
  Limits limits;
  uint8_t shard = 0;
  std::string_view realm = "sluice";  ///< 1..kMaxRealm bytes; must outlive the server
  /// At most Limits::relay_addresses, of either family; must outlive the server. A family that is absent is
  /// refused with 440.
  std::span<const Address> relay_addresses;
  uint32_t default_lifetime_s = 600;  ///< RFC 8656 §3.2; also the shortest that is granted
  uint32_t max_lifetime_s = 3600;
  uint32_t permission_s = 300;  ///< RFC 8656 §9
  uint32_t channel_s = 600;     ///< RFC 8656 §12
  uint32_t nonce_s = 3600;
  bool mobility = true;       ///< false: 405 to who asks for it
  bool dont_fragment = true;  ///< whether the owner can send with DF; false: 420 to who asks for it
  uint32_t total_quota = 0;   ///< allocations of the process (SharedQuota) or shard, 0: none
  uint32_t user_quota = 0;    ///< allocations per user, likewise
  TokenRate allocation_rate;  ///< payload bytes of one allocation, each direction
  TokenRate user_rate;        ///< of all allocations of a user on this shard, each direction
  ice::AdmissionConfig admission{.bytes_per_second = 256 * 1024, .burst_bytes = 1024 * 1024};
  ServerSecrets secrets;
  crypto::Primitives crypto;  ///< all of them
  crypto::Random random;      ///< the shard's
  SharedQuota quota;          ///< empty: quotas are per shard
};

/// What belongs to an allocation, for consoles.
struct AllocationInfo {
  Handle handle;
  ClientKey client;
  std::array<Endpoint, 2> relays{};  ///< port 0: none
  uint32_t peers = 0;                ///< permissions and channels
  uint32_t channels = 0;             ///< of them
  bool mobile = false;
  uint32_t made_s = 0;  ///< of the monotonic clock
  uint32_t ends_s = 0;  ///< likewise; when it ends if nobody refreshes it
  Traffic traffic;
};

/// No answer to a datagram from an address that has not proven itself is longer than three times the
/// datagram: a 401 is 68 bytes and the realm (padded), the shortest request for an allocation 28. With a
/// realm of up to kMaxNegotiatingRealm bytes that fits. With a longer one the shortest requests, and whoever
/// can cut a request short on the way, get a nonce without password algorithms (RFC 5389's MD5 and SHA-1). A
/// request too short for either gets a bare 400. Reason phrases go to who has proven itself, and where the
/// answer is still no longer than the request.
class Server {
 public:
  static size_t bytes_for(const Limits& limits);
  /// `memory`: zeroed, 64-byte aligned, bytes_for(config.limits); must outlive this.
  Server(const Config& config, std::span<std::byte> memory, Micros now);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Forgets all keys. The owner gives ports back itself, or calls close_all() before.
  ~Server();

  /// New users or secrets. Allocations that live keep the keys they were made with.
  void set_credentials(const Credentials& credentials) { credentials_ = credentials; }
  void set_policy(const PeerPolicy& policy) { policy_ = policy; }
  /// What time it is for people, for time-limited credentials; now and then. Without it none is accepted.
  void set_unix_time(Micros now, int64_t unix_s) { unix_offset_s_ = unix_s - now.us / 1'000'000; }

  /// A request (binding, or one of TURN's) from a client whose allocation the flow table says is `allocation`
  /// (kNoAllocation: none). A reply is written to `out`, at least kMaxReply bytes.
  /// Drops: stun_unexpected_response (not a request), stun_bad_fingerprint, rate_limited.
  Result on_request(const ClientKey& client, uint32_t allocation, const stun::View& request, Micros now,
                    const PortSource& ports, MutBytes out);

  /// A Send indication (RFC 8656 §11). ToPeer::offset counts in view.datagram(). Drops: stun_unsupported,
  /// stun_malformed, turn_no_allocation, turn_no_permission, turn_peer_denied, turn_over_rate.
  ToPeer on_indication(const ClientKey& client, uint32_t allocation, const stun::View& view, Micros now);

  /// A ChannelData message, `message` being the whole datagram (RFC 8656 §12.6). Drops: turn_malformed,
  /// turn_no_allocation, turn_no_permission, turn_over_rate.
  ToPeer from_client(const ClientKey& client, uint32_t allocation, Bytes message, Micros now);

  /// A datagram that came to a relay endpoint. Precondition: kMaxPrepend bytes before and kMaxAppend behind
  /// `payload` may be written. Drops: turn_no_allocation, turn_no_permission, turn_peer_denied,
  /// turn_over_rate, oversize.
  ToClient from_peer(const Endpoint& relay, const Endpoint& peer, MutBytes payload, Micros now);

  /// For batches: prefetch all, then work. A client packet's allocation is known; of a peer packet prefetch
  /// the map first, then the allocation.
  void prefetch(uint32_t allocation) const { allocations_.prefetch(allocation); }
  void prefetch_relay(const Endpoint& relay) const { relays_.prefetch(relay); }
  void prefetch_owner(const Endpoint& relay) const { allocations_.prefetch(relays_.find(relay)); }

  /// Whose relay endpoint this is; kNoAllocation if nobody's on this shard.
  uint32_t owner_of(const Endpoint& relay) const { return relays_.find(relay); }

  /// Which shard keeps what a request refers to with a MOBILITY-TICKET or RESERVATION-TOKEN; nullopt if it
  /// has neither. Not authenticated: the shard named checks it, and may not exist.
  static std::optional<uint8_t> shard_of(const stun::View& request);

  /// Earliest time at which expire() has something to do; kNever if nothing lives.
  Micros next_deadline() const { return timers_.next_deadline(); }
  /// Ends what has expired and gives its ports back; returns how many allocations went, written to `out`. If
  /// `out` is filled, call again.
  size_t expire(Micros now, const PortSource& ports, std::span<Closed> out);

  /// Ends an allocation. False if there is none.
  bool close(uint32_t allocation, const PortSource& ports);
  /// Its client's stream has ended. A mobile one waits for a client that comes with its ticket by another
  /// stream, until the lifetime that was granted is over: the client may refresh from elsewhere for that long
  /// (RFC 8016 §3.2), and quotas and `max_lifetime_s` bound what waits so. Others end.
  void leave(uint32_t allocation, const PortSource& ports);
  /// While set, allocations that there are go on and no new one is made (508).
  void set_draining(bool on) { draining_ = on; }
  /// Shutting down: gives every port back.
  void close_all(const PortSource& ports);

  const Counters& counters() const { return counters_; }
  const Limits& limits() const { return config_.limits; }
  /// nullopt if there is no such allocation.
  std::optional<AllocationInfo> info(uint32_t allocation, Micros now);
  /// Allocations and bytes of a user on this shard; zero if it has none. Of a time-limited username the part
  /// behind the colon is the user. Bytes are added when an allocation is refreshed or ends.
  Usage usage_of(std::string_view user) const;

 private:
  struct Request;  ///< of request.h: what the handlers of one request share

  // server.cpp
  Endpoint relay_of(const Allocation& a, Family family) const;
  bool count_in(uint64_t user_hash);
  void retire(uint32_t allocation, const PortSource& ports);
  void drop_relay(Allocation& a, Family family, const PortSource& ports);
  void flush(Allocation& a);
  // request.cpp
  Login login(const Request& rq);
  Result binding(Request& rq);
  Result dispatch(Request& rq);
  Result refuse(Request& rq, uint16_t code, std::span<const uint16_t> unknown = {});
  Result challenge(Request& rq, uint16_t code);
  Result answer(Request& rq, stun::Builder& reply, uint32_t allocation = kNoAllocation);
  Result answer_stranger(Request& rq, stun::Builder& reply);
  Allocation* ticket_holder(const Request& rq);
  // allocate.cpp
  Result allocate(Request& rq);
  Result allocated(Request& rq, uint32_t index);
  struct AllocateWish;
  uint16_t read_wish(const Request& rq, AllocateWish& wish) const;
  uint16_t take_relays(const Request& rq, const AllocateWish& wish, uint32_t index);
  uint16_t take_relay(Family family, PortWish wish, uint32_t index, const PortSource& ports);
  void reserve_next(const Request& rq, uint32_t index);
  // refresh.cpp
  Result refresh(Request& rq);
  Result deleted(Request& rq);
  uint16_t follow_ticket(Request& rq);
  Ticket ticket_of(uint32_t index) const;
  uint32_t lifetime_for(const stun::View& view) const;
  // permissions.cpp
  Result create_permission(Request& rq);
  Result channel_bind(Request& rq);
  uint16_t check_peer(const Allocation& a, const Endpoint& peer, bool with_port) const;
  void permit(Allocation& a, const Address& peer, const Request& rq);
  // relay.cpp
  Drop charge(Allocation& a, size_t bytes, bool up, Micros now);
  ToPeer to_peer(Allocation& a, const Endpoint& peer, size_t offset, size_t len, Micros now);

  Config config_;
  Nonces nonces_;
  Credentials credentials_;
  PeerPolicy policy_;
  Allocations allocations_;
  Peers peers_;
  RelayMap relays_;
  Reservations reservations_;
  Accounts accounts_;
  TimerWheel timers_;
  ice::Admission admission_;
  std::optional<int64_t> unix_offset_s_;
  bool draining_ = false;
  uint64_t indication_ = 0;
  Counters counters_;
};

}  // namespace sluice::turn
