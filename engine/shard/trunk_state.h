// What one shard has of the trunk (net/trunk): peers, the datagrams that are being built for them, and what
// other shards' relays are called here. engine/role/trunk.h moves it. Owner thread only, but for TrunkRoutes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/shard/interfaces.h"
#include "engine/shard/seqlock.h"
#include "net/base/packet.h"
#include "net/crypto/gmac.h"
#include "net/trunk/trunk.h"

namespace sluice::engine {

/// What a shard is sized by.
struct TrunkLimits {
  uint32_t peers = 0;    ///< 0: no trunk
  uint32_t rx = 0;       ///< (peer, shard of the peer) pairs that are received from
  uint32_t servers = 0;  ///< of the relay (relay::Limits)
  uint32_t shards = 0;   ///< of this process
  /// Full datagrams that wait for the end of the batch, so that one peer's leave side by side.
  static constexpr uint32_t kSealed = 512;
  /// Besides one last datagram for each peer.
  uint32_t sealed() const { return kSealed + peers; }
  static constexpr uint8_t kKeyId = 0;
};

/// How each shard answers the relays that it speaks with, for the other shards to read (net/trunk/trunk.h).
class TrunkRoutes {
 public:
  TrunkRoutes(uint32_t shards, uint32_t peers)
      : peers_(peers), routes_(new SeqLocked<trunk::Route>[size_t{shards} * peers]) {}

  SeqLocked<trunk::Route>& of(uint32_t shard, trunk::PeerIndex peer) {
    return routes_[size_t{shard} * peers_ + peer];
  }

 private:
  uint32_t peers_;
  std::unique_ptr<SeqLocked<trunk::Route>[]> routes_;
};

struct TrunkState {
  static constexpr uint16_t kNone = UINT16_MAX;

  /// A peer's datagrams of this batch.
  struct Out {
    trunk::Writer writer;
    SlotIndex slot = kNoSlot;  ///< that the writer writes into; kNoSlot: it is not open
    uint16_t first = kNone;    ///< of `sealed`
    uint16_t last = kNone;
    bool active = false;
  };
  struct Sealed {
    SlotIndex slot = kNoSlot;
    uint16_t len = 0;
    uint16_t next = kNone;
  };
  /// What another shard's relay is called here.
  struct Adopted {
    uint32_t version = 0;  ///< of the route that it was made from
    uint16_t peer = 0;     ///< 1 + index; 0: none
  };

  bool on() const { return trunk.has_value(); }
  /// Whether a datagram to `e` is the trunk's.
  bool owns(const Endpoint& e) const { return is_at(server_at, e) || is_at(relay_at, e); }
  /// The trunk peer that the server is; kNoPeer.
  trunk::PeerIndex peer_of(uint32_t server) const {
    return server < of_server.size() ? static_cast<trunk::PeerIndex>(of_server[server] - 1) : trunk::kNoPeer;
  }
  /// Whether clients' packets can be sent to the server now.
  bool reaches(uint32_t server) const {
    const trunk::PeerIndex p = peer_of(server);
    return p != trunk::kNoPeer && trunk->can_send(p);
  }

  std::optional<crypto::GmacKeys> gmac;
  std::optional<trunk::Trunk> trunk;
  TrunkRoutes* routes = nullptr;
  Endpoint server_at;  ///< where relays send to; port 0: this is no server
  Endpoint relay_at;   ///< where servers answer to; port 0: this is no relay
  std::span<trunk::Peer> peers;
  std::span<trunk::Rx> rx;
  std::span<Out> out;             ///< by peer
  std::span<Sealed> sealed;       ///< of all peers' lists
  std::span<uint16_t> active;     ///< peers with something in `out`
  std::span<uint16_t> of_server;  ///< 1 + peer, by relay::ServerIndex; 0: none
  std::span<uint16_t> server_of;  ///< relay::ServerIndex by peer
  std::span<Adopted> adopted;     ///< [shard * peers + peer]
  uint32_t sealed_n = 0;
  uint32_t active_n = 0;

 private:
  static bool is_at(const Endpoint& mine, const Endpoint& e) {
    return mine.port != 0 && mine.port == e.port && (mine.addr == e.addr || mine.addr.is_unspecified());
  }
};

}  // namespace sluice::engine
