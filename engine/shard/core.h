// Everything that one shard owns, and the small operations that every role needs. Roles are functions over a
// Core; the loop that calls them is engine/shard/shard.h. Owner thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/relay/state.h"
#include "engine/relay/turn.h"
#include "engine/report.h"
#include "engine/shard/arena.h"
#include "engine/shard/directory.h"
#include "engine/shard/interfaces.h"
#include "engine/shard/links.h"
#include "engine/shard/member_lists.h"
#include "engine/shard/room_local.h"
#include "engine/shard/seqlock.h"
#include "engine/shard/session.h"
#include "engine/shard/trunk_state.h"
#include "engine/slow/handshake_worker.h"
#include "net/base/flat_table.h"
#include "net/base/pool.h"
#include "net/base/timer_wheel.h"
#include "net/crypto/random.h"
#include "net/ice/admission.h"
#include "net/ice/shard_keys.h"
#include "net/io/backend.h"
#include "net/io/foreign.h"
#include "net/srtp/srtp.h"

namespace sluice::engine {

/// What a shard is sized by; the sum of its memory terms follows from it.
struct ShardLimits {
  uint32_t sessions = 0;
  uint32_t rooms = 0;
  uint32_t flows = 0;
  uint32_t pool_slots = 0;
  static constexpr uint32_t kAdmissionLines = 4096;
  relay::Limits relay{};
  size_t relay_ports_bytes = 0;  ///< relay::LocalPorts::bytes_for()
  TurnLimits turn{};
  TrunkLimits trunk{};
};

/// Protected in batches: jobs wait here until the batch is full or the role is done.
struct ProtectQueue {
  static constexpr size_t kCapacity = 64;
  size_t n = 0;
  std::array<srtp::TxJob, kCapacity> job;
  std::array<Packet, kCapacity> packet;
  std::array<uint32_t, kCapacity> session;
  /// Slots that jobs read from; dropped once nothing waits.
  size_t sources_n = 0;
  std::array<SlotIndex, kCapacity> source;
};

/// What a shard of a trunk is told besides its limits.
struct TrunkRole {
  trunk::Key key{};
  Endpoint server_at;  ///< its socket for relays; port 0: this is no server
  Endpoint relay_at;   ///< its socket for servers; port 0: this is no relay
};

/// What a relay's shard is told besides its limits.
struct RelayRole {
  bool media = true;  ///< sessions of this node are ended here
  Micros idle;
};

class Core {
 public:
  Core(ShardId id, uint32_t shards, const ShardLimits& limits, Directory& directory, ShardPorts ports,
       ice::ShardKeys keys, std::unique_ptr<srtp::Cipher> cipher, crypto::Random seed, Micros now,
       int64_t unix_offset_us);
  /// Keys and passwords of the sessions that are left go.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  static size_t bytes_for(const ShardLimits& limits);
  /// Before the first turn, if `limits` has room for a relay. `shared` outlives this.
  void start_relay(relay::Shared& shared, const RelayRole& role);
  /// The same of TURN, after start_relay() if both are.
  void start_turn(TurnShared& shared);
  /// The same of a trunk, when `node` is known.
  void start_trunk(TrunkRoutes& routes, const TrunkRole& role);
  /// The wheel's nodes that are no session's.
  uint32_t relay_timer() const { return limits.sessions; }
  uint32_t turn_timer() const { return limits.sessions + 1; }
  uint32_t trunk_timer() const { return limits.sessions + 2; }
  static constexpr uint32_t kTimers = 3;

  // Time
  NtpTime ntp_now() const { return NtpTime::from_unix_us(static_cast<uint64_t>(now.us + unix_offset_us)); }
  ice::ExpiryUnit expiry_now() const {
    return ice::expiry_unit(static_cast<uint64_t>(now.us + wall_offset_us) / 1'000'000);
  }
  /// The wall clock was set; media's clock goes on as it was, since a step in sender reports breaks lip-sync.
  void set_wall_clock(int64_t offset_us);

  // Packets
  /// For a datagram of ours: kNoSlot, and counted as unsent, when the pool is empty.
  SlotIndex take_slot();
  /// The packet ends here; `session` (or kNoSession) is charged too.
  void drop(const Packet& p, Drop why, uint32_t session = kNoSession);
  void count(Drop why, uint32_t session = kNoSession);
  /// The same for what was to be sent: it is none of the received packets.
  void drop_unsent(const Packet& p, Drop why, uint32_t session = kNoSession);
  void count_unsent(Drop why, uint32_t session = kNoSession);
  /// What has changed about the session shows up in its report, if not at once.
  void report_soon(uint32_t session);
  void release(const Packet& p) { pool.drop(p.slot); }
  /// A finished datagram; the slot is the batch's from here on, or, if its ifindex names no interface of the
  /// host, of what stands behind that.
  void transmit(const Packet& p);
  /// Likewise, whatever its ifindex says.
  void to_socket(const Packet& p);
  void flush_tx();
  /// Media of `session`, whose path is a trunk's, to the client itself, as from the relay.
  void transmit_direct(const ice::PathAddress& to, SlotIndex slot, size_t len, uint32_t session);
  /// Nothing more will be said on the stream.
  void close_stream(uint32_t ifindex);
  /// A datagram of `session` in a fresh slot to `to`, without consulting the agent's limits.
  void transmit_to(const ice::PathAddress& to, SlotIndex slot, size_t len, uint32_t session);

  /// Queues RTP (or RTCP) whose header stands at kHeadroom of `slot` for protection and sending. `payload`
  /// must stay where it is until flush_protect().
  void protect(uint32_t session, SlotIndex slot, uint16_t header_len, Bytes payload, bool rtcp = false);
  void flush_protect();
  /// Releases a packet whose payload may be waiting to be protected.
  void release_later(const Packet& p);
  /// Starts to load what deliver() touches of a player.
  void prefetch_player(uint32_t session) const;

  // Sessions
  static constexpr uint32_t kNoSession = UINT32_MAX;
  bool owns(SessionKey key) const {
    return key.index < hot.size() && key.gen != 0 && hot[key.index].gen == key.gen;
  }
  SessionKey key_of(uint32_t session) const { return {session, hot[session].gen}; }
  RxTrack& rx_track(uint32_t session, MediaKind k) {
    return rx[session * kMediaKinds + static_cast<size_t>(k)];
  }
  TxTrack& tx_track(uint32_t session, MediaKind k) {
    return tx_tracks[session * kMediaKinds + static_cast<size_t>(k)];
  }
  std::span<std::byte> context(uint32_t session, bool receiving) {
    return contexts.subspan((size_t{session} * 2 + (receiving ? 0 : 1)) * srtp::kMaxContextBytes,
                            srtp::kMaxContextBytes);
  }
  /// The session has something to do at `at` or earlier.
  void wake_at(uint32_t session, Micros at) { wheel.schedule_no_later(session, at); }

  // Talking
  void notice(const Notice& n);
  RoomLocal* room_of(uint32_t room, uint32_t gen) {
    return room < rooms.size() && gen != 0 && rooms[room].gen == gen ? &rooms[room] : nullptr;
  }
  /// Lends the packet's slot to another shard; false, and dropped, when its ring is full.
  bool lend(ShardId to, const PeerMessage& m);
  /// What is lent is wanted home at once.
  bool short_of_slots() const {
    return slots_lent > 0 && pool.free() < pool.capacity() / kLentReserve + kRxBurst;
  }
  /// Slots on their way home are worth a lender's wake-up, whatever its pool says.
  static bool many(const SpscRing<SlotIndex>& home) { return home.size_approx() >= home.capacity() / 4; }
  /// Bytes of a slot that another shard has lent; to be read only, until the slot is sent home.
  Bytes lent_payload(uint32_t lender, const Packet& p) const {
    return {peer_slots[lender] + size_t{p.slot} * kSlotBytes + p.offset, p.len};
  }

  void start_ports(std::span<const Address> addresses, relay::PortPool& pool_of_all);
  HashSeed random_seed();
  void charge(uint32_t session, Drop why);
  void protect_queued();
  void transmit_virtual(const Packet& p);
  void to_stream(const Packet& p);
  /// Part of the pool below which a lender does not wait for its slots; less than histories leave free.
  static constexpr uint32_t kLentReserve = 8;

  // Identity
  const ShardId id;
  const uint32_t shards;
  const ShardLimits limits;
  Micros now;
  int64_t unix_offset_us;          ///< at start: media's clock, and that of routes
  int64_t wall_offset_us;          ///< followed: what expires at a time of day is measured by it
  uint64_t control_bell_due = 0;   ///< notices pushed since the bell was rung
  uint64_t handshakes_pushed = 0;  ///< messages pushed since the worker was woken
  uint64_t streams_pushed = 0;     ///< messages pushed since the streams worker was woken
  uint64_t peers_to_wake = 0;      ///< bit per shard
  uint64_t lenders_to_wake = 0;    ///< bit per shard whose slots were sent home

  relay::ServerId node{0, 1};  ///< this process, in the ufrags that it mints

  // Seams
  Directory& directory;
  ShardPorts ports;
  ice::ShardKeys keys;
  std::unique_ptr<srtp::Cipher> cipher;
  crypto::StreamRandom random;
  io::Backend* backend = nullptr;
  io::ForeignSender* foreign = nullptr;    ///< where a media tier answers clients past the trunk
  std::vector<const uint8_t*> peer_slots;  ///< first byte of each shard's pool

  // Memory; the arena first, since all the rest lives in it.
  Arena arena;
  PacketPool pool;
  FlowTable flows;
  ice::Admission admission;
  TimerWheel wheel;
  MemberLists members;
  std::span<SessionHot> hot;
  std::span<srtp::Inbound> inbound;
  std::span<srtp::Outbound> outbound;
  std::span<std::byte> contexts;
  std::span<ice::LiteAgent> agents;
  std::span<RxTrack> rx;
  std::span<TxTrack> tx_tracks;
  std::span<Feedback> feedback;
  std::span<SessionCold> cold;
  std::span<EchoLine> echo;
  std::span<HandedOver> handed;
  std::span<RoomLocal> rooms;
  std::span<rtp::History::Entry> history_memory;
  std::span<SeqLocked<SessionReport>> reports;

  relay::State relay;
  TurnState turn;
  TrunkState trunk;

  // Batches and counters
  TxBatch tx;
  TxBatch direct;  ///< for `foreign`
  ProtectQueue queue;
  slow::ToHandshake handshake_message;  ///< 2 KiB that need not be on the stack
  DropCounters drops;                   ///< of packets received
  DropCounters unsent;                  ///< of datagrams that were to be sent
  uint32_t live_sessions = 0;
  uint32_t slots_in_history = 0;
  uint32_t slots_in_echo = 0;
  uint32_t slots_lent = 0;                     ///< sum of `lent_to`
  std::array<uint32_t, kMaxShards> lent_to{};  ///< index: borrower
  uint64_t handed_over = 0;
  uint64_t loops = 0;
};

}  // namespace sluice::engine
