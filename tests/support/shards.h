// Shards without threads and clients without a network: what tests of the roles step by hand. A session's
// handshake is skipped by handing its shard the message that the worker would send.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/relay/control.h"
#include "engine/shard/shard.h"
#include "net/ice/shard_keys.h"
#include "net/srtp/srtp.h"
#include "net/stun/message.h"

namespace sluice::test {

inline constexpr Endpoint kServer{Address::v4(192, 0, 2, 1), 3478};

struct Datagram {
  Endpoint remote;
  std::vector<uint8_t> bytes;
  Endpoint local = kServer;
  uint32_t ifindex = 0;  ///< Packet::ifindex: may be a stream's
};

/// Receives what was placed, keeps what is sent; allocates in send() only, and not even there if it is told
/// to keep nothing.
class alignas(64) MemoryBackend final : public io::Backend {
 public:
  explicit MemoryBackend(PacketPool& pool) : pool_(pool) {}

  Micros receive(RxBatch& rx, Micros, DropCounters&) override;
  void send(TxBatch& tx, DropCounters&) override;
  void wake() override { ++wakes; }
  uint32_t slots_held() const override { return 0; }
  std::expected<io::RelayAbility, io::IoError> grant_relay(const io::RelayGrant&) override {
    return io::RelayAbility{.max_open = UINT32_MAX, .steered = true, .prebuilt_tx = false, .text = ""};
  }
  bool claim_block(uint16_t) override { return true; }
  bool open_port(const Endpoint&) override { return ++open_ports, true; }
  void close_port(const Endpoint&) override { --open_ports; }
  const io::IoCounters& counters() const override { return counters_; }
  const char* name() const override { return "memory"; }

  /// Forgets what has been received.
  void tidy();

  std::deque<Datagram> waiting;
  std::vector<Datagram> sent;
  uint64_t sent_count = 0;
  uint64_t wakes = 0;
  int open_ports = 0;
  /// Called once while the shard sleeps.
  std::function<void()> asleep;
  bool keeps = true;
  Micros now = seconds(1);

 private:
  PacketPool& pool_;
  size_t received_ = 0;
  io::IoCounters counters_;
};

/// One direction of SRTP at a client.
template <class Direction>
struct Keyed {
  Direction state;
  alignas(64) std::array<std::byte, srtp::kMaxContextBytes> context;
};

struct Client {
  engine::SessionSpec spec;
  Endpoint at;
  uint32_t stream = 0;  ///< by which it sends: a StreamId's ifindex; 0: by UDP
  std::unique_ptr<Keyed<srtp::Outbound>> out = std::make_unique<Keyed<srtp::Outbound>>();
  std::unique_ptr<Keyed<srtp::Inbound>> in = std::make_unique<Keyed<srtp::Inbound>>();

  engine::SessionKey key() const { return spec.key; }
};

inline constexpr uint8_t kOpus = 1, kVp8 = 2, kOpusPt = 111, kVp8Pt = 96;

struct ShardsOptions {
  engine::LinkSizes sizes{};
  srtp::Kind kind = srtp::Kind::openssl;
  engine::relay::RelayConfig relay{};  ///< with `on` they relay too, with the keys of keys()
  engine::relay::TurnConfig
      turn{};  ///< with `on` they serve TURN at kServer, from the relay ports of `relay`
  engine::relay::TrunkConfig trunk{};
  engine::relay::ServerId node{0, 1};
  uint64_t seed = 7;
};

class Shards {
 public:
  Shards(uint32_t n, const ShardsOptions& options);
  explicit Shards(uint32_t n, engine::LinkSizes sizes = {}, srtp::Kind kind = srtp::Kind::openssl,
                  const engine::relay::RelayConfig& relay = {}, const engine::relay::TurnConfig& turn = {})
      : Shards(n, ShardsOptions{.sizes = sizes, .kind = kind, .relay = relay, .turn = turn}) {}

  /// Known to the directory, to no shard yet. Audio and video, in the directions of the role.
  Client offer(engine::Role role, uint32_t room = 0);
  /// A check of the client's, as received by `shard`; `role`: what it says it is.
  void check(const Client& c, uint32_t shard, stun::Attr role = stun::Attr::ice_controlling);
  /// Checked and with keys at `shard`.
  Client connect(engine::Role role, uint32_t shard, uint32_t room = 0);
  /// A checked session of `shard` gets its keys with the next step.
  void hand_keys(Client& c, uint32_t shard);
  /// Keys for a client whose check `shard` has seen.
  void finish(Client& c, uint32_t shard);
  /// What the control thread says of a room.
  void tell_room(uint32_t room, engine::SessionKey publisher, uint32_t publisher_shard, uint64_t players);
  void tell(uint32_t shard, const engine::Command& c) { (*links_.commands[shard])->try_push(c); }

  /// The client's RTP, as received by `shard`.
  void say(Client& c, uint32_t shard, uint64_t seq, uint8_t pt = kOpusPt, std::string_view payload = "voice");
  void send_rtcp(Client& c, uint32_t shard, Bytes compound);
  /// Any plaintext under the client's keys; false, and nothing sent, if SRTP refuses it. `header`: bytes of
  /// the packet that stay in the clear; of RTCP 8.
  bool protect(Client& c, uint32_t shard, Bytes packet, size_t header, bool rtcp);
  void place(uint32_t shard, const Endpoint& from, Bytes bytes, const Endpoint& to = kServer,
             uint32_t stream = 0);
  /// What the streams worker would say of a stream that has ended.
  void end_stream(uint32_t shard, const Endpoint& from, uint32_t stream);
  /// RTP payloads that reached the client since the last call, from all shards; other datagrams are taken
  /// too.
  std::vector<std::string> heard(Client& c);

  /// What step() does with a shard, instead of calling run_once() here.
  void set_run(std::function<void(engine::Shard&)> run) { run_ = std::move(run); }
  /// Every shard once.
  void step(int times = 1);
  void advance(Micros by);
  engine::Shard& shard(uint32_t i) { return *shards_[i]; }
  uint32_t count() const { return static_cast<uint32_t>(shards_.size()); }
  engine::Core& core(uint32_t i) { return shards_[i]->core(); }
  MemoryBackend& backend(uint32_t i) { return *backends_[i]; }
  engine::Directory& directory() { return directory_; }
  const ice::Keys& keys() const { return keys_.keys(); }
  engine::relay::Control& relay() { return *relay_; }
  engine::TurnShared& turn() { return *turn_; }
  std::vector<engine::Notice> notices(uint32_t shard);
  /// Streams that shards want closed, since the last call.
  std::vector<uint32_t> closed_streams() { return std::exchange(closed_streams_, {}); }
  /// What the shard has said to the handshake worker, which there is none.
  void discard_handshakes(uint32_t shard);

 private:
  void take_streams(uint32_t shard);
  void push_stream(uint32_t shard, slow::FromStream::Type type, const Datagram& d);

  engine::Directory directory_{kSessions};
  engine::ShardLinks links_;
  crypto::StreamRandom random_;
  engine::relay::ServerId node_;
  ice::ShardKeys keys_;
  std::unique_ptr<srtp::Cipher> cipher_;
  std::unique_ptr<engine::relay::Control> relay_;
  std::unique_ptr<engine::TurnShared> turn_;
  std::unique_ptr<engine::TrunkRoutes> trunk_routes_;
  std::vector<std::unique_ptr<engine::Shard>> shards_;
  std::vector<MemoryBackend*> backends_;
  std::map<uint32_t, Endpoint> streams_;  ///< who is at the other end
  std::vector<uint32_t> closed_streams_;
  uint32_t next_ = 0;
  std::function<void(engine::Shard&)> run_ = [](engine::Shard& s) { s.run_once(); };

  static constexpr uint32_t kSessions = 64;
};

}  // namespace sluice::test
