// Shards with connected sessions and no network: what a benchmark of whole hops steps. Handshakes are
// skipped by handing the shard the message that the handshake worker would send.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/shard/shard.h"
#include "net/crypto/hmac.h"
#include "net/ice/shard_keys.h"
#include "net/srtp/srtp.h"
#include "net/stun/builder.h"

namespace sluice::bench {

/// Hands over what was placed before and forgets what is sent: the shard's own cost is all that is left.
class alignas(64) NullBackend final : public io::Backend {
 public:
  explicit NullBackend(PacketPool& pool) : pool_(pool) {}

  bool place(const Endpoint& from, const Endpoint& to, Bytes payload) {
    const SlotIndex slot = waiting_.full() ? kNoSlot : pool_.take();
    if (slot == kNoSlot) return false;
    std::memcpy(pool_.slot_bytes(slot) + kHeadroom, payload.data(), payload.size());
    Packet p;
    p.slot = slot;
    p.offset = kHeadroom;
    p.len = static_cast<uint16_t>(payload.size());
    p.remote = from;
    p.local = to;
    waiting_.push(p);
    return true;
  }
  void set_now(Micros now) { now_ = now; }

  Micros receive(RxBatch& rx, Micros, DropCounters&) override {
    for (const Packet& p : waiting_) rx.push(p);
    counters_.rx_packets += waiting_.size();
    waiting_.clear();
    return now_;
  }
  void send(TxBatch& tx, DropCounters&) override {
    counters_.tx_packets += tx.size();
    for (const Packet& p : tx) pool_.drop(p.slot);
    tx.clear();
  }
  void wake() override {}
  uint32_t slots_held() const override { return static_cast<uint32_t>(waiting_.size()); }
  std::expected<io::RelayAbility, io::IoError> grant_relay(const io::RelayGrant&) override {
    return io::RelayAbility{.max_open = UINT32_MAX, .steered = true, .prebuilt_tx = false, .text = ""};
  }
  bool claim_block(uint16_t) override { return true; }
  bool open_port(const Endpoint&) override { return true; }
  void close_port(const Endpoint&) override {}
  const io::IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "null"; }

 private:
  PacketPool& pool_;
  RxBatch waiting_;
  Micros now_ = seconds(1);
  io::IoCounters counters_;
};

/// A client that the shard believes in.
struct Client {
  engine::SessionKey key;
  Endpoint at;
  uint32_t shard = 0;  ///< its owner
  std::unique_ptr<srtp::Outbound> out = std::make_unique<srtp::Outbound>();
  std::unique_ptr<std::byte[], void (*)(std::byte*)> context{nullptr, nullptr};
  uint16_t seq = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
};

using FixedUfrag = engine::FixedText<24>;

/// What a rig's shards stand on, where it is not the usual: NullBackend and the cipher as it is.
struct RigParts {
  std::function<std::unique_ptr<srtp::Cipher>(std::unique_ptr<srtp::Cipher>)> cipher;
  std::function<std::unique_ptr<io::Backend>(PacketPool&)> backend;
  /// How a datagram of a client reaches the backend; to be given with one.
  std::function<bool(const Endpoint& from, Bytes)> deliver;
  Endpoint server{Address::v4(192, 0, 2, 1), 3478};
  Address clients = Address::v4(10, 0, 0, 0);  ///< the first of them
  Micros now = seconds(1);
};

class ShardRig {
 public:
  /// `sessions`, `rooms`: of all shards; a session may have any owner.
  ShardRig(uint32_t sessions, uint32_t rooms, srtp::Kind kind, uint32_t shards = 1, RigParts parts = {});

  /// A connected session of `role` in room `room`.
  Client connect(engine::Role role, uint32_t room, uint32_t shard = 0);
  /// Tells the shards that `publisher` publishes into `room`, and which of them have players.
  void publish(uint32_t room, const Client& publisher, uint64_t shards_with_players = 1);
  /// Places one SRTP packet of `payload` bytes, 20 ms after the client's last; false when the batch is full.
  bool say(Client& c, size_t payload);

  /// Each shard once.
  void step() {
    for (const auto& s : shards_) s->run_once();
  }
  /// Virtual time goes on; consent is renewed often enough (RFC 7675).
  void advance(Micros by);
  const io::IoCounters& io(uint32_t shard = 0) const { return backends_[shard]->counters(); }
  /// The bytes that say() would place.
  Bytes packet(Client& c, size_t payload, MutBytes buffer);
  engine::Shard& shard(uint32_t i = 0) { return *shards_[i]; }
  srtp::Cipher& cipher() { return *cipher_; }

 private:
  struct Checked {
    FixedUfrag ufrag;
    Endpoint at;
    uint32_t shard;
  };
  void check(const Checked& c);
  bool place(uint32_t shard, const Endpoint& from, Bytes payload);
  void hand_keys(const engine::SessionSpec& spec, uint32_t shard);
  void open_client(Client& c);

  engine::ShardLimits limits_;
  engine::Directory directory_;
  engine::ShardLinks links_;
  crypto::StreamRandom random_{uint64_t{1}};
  ice::ShardKeys keys_;
  std::vector<std::unique_ptr<engine::Shard>> shards_;
  RigParts parts_;
  std::vector<io::Backend*> backends_;
  std::vector<NullBackend*> null_;  ///< the same, unless parts_ has another backend
  std::unique_ptr<srtp::Cipher> cipher_;
  dtls::SrtpKeys srtp_keys_;
  Micros now_;
  std::vector<Checked> checked_;
  Micros renewed_;
  uint32_t next_ = 0;
};

}  // namespace sluice::bench
