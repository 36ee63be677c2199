// The loop: one thread's worth of engine, stepped by a runner or by the simulator.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "engine/role/relay.h"
#include "engine/role/role.h"
#include "engine/role/turn.h"
#include "engine/shard/core.h"

namespace sluice::engine {

/// Bells of the threads that a shard talks to.
struct ShardBells {
  slow::Wake control;
  slow::Wake worker;
  slow::Wake streams;
  std::vector<slow::Wake> peers;    ///< index: shard
  std::vector<slow::Wake> lenders;  ///< index: shard; some of its slots came home
};

class Shard {
 public:
  Shard(ShardId id, uint32_t shards, const ShardLimits& limits, Directory& directory, ShardPorts ports,
        ice::ShardKeys keys, std::unique_ptr<srtp::Cipher> cipher, crypto::Random seed, Micros now,
        int64_t unix_offset_us);

  PacketPool& pool() { return core_.pool; }
  void set_backend(std::unique_ptr<io::Backend> backend);
  /// Before the first turn: media for clients that come by trunk leaves by it.
  void set_foreign(std::unique_ptr<io::ForeignSender> foreign);
  void set_bells(ShardBells bells) { bells_ = std::move(bells); }
  void set_busy_poll(bool on) { busy_poll_ = on; }

  /// One turn: a batch in, everything it causes, a batch out. Waits in the kernel if there is nothing to do.
  void run_once();
  /// Between turns: when run_once() has something to do although nothing arrives; io::kPoll: at once.
  Micros due() const;

  /// Any thread, after pushing to one of this shard's rings: ends its wait. A system call only while it
  /// sleeps.
  void wake();
  /// Any thread, after sending some of this shard's slots home: as wake(), if it waits for them.
  void wake_lender();
  /// Any thread: ends the wait that is under way, or the next one, though no ring has anything.
  void interrupt() { backend_->wake(); }
  slow::Wake waker() {
    return {[](void* s) { static_cast<Shard*>(s)->wake(); }, this};
  }
  slow::Wake lender_waker() {
    return {[](void* s) { static_cast<Shard*>(s)->wake_lender(); }, this};
  }

  /// Any thread.
  bool report(ShardReport& out) const { return report_.load(out); }
  bool session_report(uint32_t session, SessionReport& out) const { return core_.reports[session].load(out); }

  /// Between turns, for tests: every reference to a slot is one that somebody is known to hold.
  bool conserves_packets() const;
  Core& core() { return core_; }
  const Core& core() const { return core_; }

 private:
  /// A batch by role.
  struct Sorted {
    struct List {
      size_t n = 0;
      std::array<Routed, kRxBurst> item;
      void add(Packet& p, uint32_t session) { item[n++] = {&p, session}; }
      std::span<const Routed> view() const { return {item.data(), n}; }
    };
    /// Not initialised: most batches have none.
    struct TrunkList {
      size_t n = 0;
      std::array<const Packet*, kRxBurst> item;
      std::span<const Packet* const> view() const { return {item.data(), n}; }
    };
    struct RelayList {
      size_t n = 0;
      std::array<relay::RelayPacket, kRxBurst> item;
      void add(Packet& p, FlowValue* flow) { item[n++] = {&p, flow}; }
      std::span<const relay::RelayPacket> view() const { return {item.data(), n}; }
    };
    struct TurnList {
      size_t n = 0;
      std::array<TurnPacket, kRxBurst> item;
      void add(Packet& p, uint32_t allocation = turn::kNoAllocation) { item[n++] = {&p, allocation}; }
      std::span<const TurnPacket> view() const { return {item.data(), n}; }
    };
    List stun, dtls, media;
    RelayList up, down;
    TurnList turn_requests, turn_up, turn_down;
    TrunkList trunk;
  };
  /// What is known of a batch's packets before their flows are: a bit per packet.
  struct TurnBits {
    uint64_t clients = 0;  ///< its flow is that of turn_key()
    uint64_t peers = 0;    ///< to an endpoint that may be an allocation's
  };
  static_assert(kRxBurst <= 64);
  enum class Sleep : uint8_t { none, sound, short_of_slots };
  /// Datagrams with many packets in each.
  void take_trunk(std::span<const Packet* const> in);
  void deliver_frames(bool to_server);
  /// When to be called next.
  Micros on_own_timer(uint32_t node);
  /// `lent`: by another shard, which has had its guess at whose the packets are.
  void process(RxBatch& batch, bool lent);
  void resolve(RxBatch& batch, bool lent, Sorted& out);
  void resolve_one(Packet& p, FlowValue* flow, bool lent, Sorted& out);
  void resolve_turn(Packet& p, FlowValue* flow, bool lent, Sorted& out);
  bool to_allocation(Packet& p, Sorted& out);
  TurnBits turn_bits(RxBatch& batch) const;
  void process_inside();
  std::optional<uint32_t> owner_of(const Packet& p, const FlowValue* flow, bool lent);
  void look_again(Sorted::List& list, bool lent);
  void add_by_class(Packet& p, uint32_t session, Sorted& out);
  void publish_soon();
  void publish_now();
  void take_commands();
  void take_peers();
  void take_from_peer(ShardId from, const PeerMessage& m, Packet& p);
  void take_streams();
  void take_home();
  void fire_timers();
  void ring_bells();
  void publish();
  Micros wait_until();
  bool inbox_waits() const;
  bool home_waits() const;

  Core core_;
  std::unique_ptr<io::Backend> backend_;
  std::unique_ptr<io::ForeignSender> foreign_;
  ShardBells bells_;
  RxBatch rx_;
  RxBatch peer_rx_;
  RxBatch frames_;  ///< packets that came by trunk
  RxBatch stream_rx_;
  Micros publish_at_;
  bool busy_poll_ = false;
  bool draining_ = false;
  SeqLocked<ShardReport> report_;
  alignas(64) std::atomic<Sleep> sleep_{Sleep::none};
};

}  // namespace sluice::engine
