// A shard's trunk: its peers, their keys, replay windows and liveness. Pure: datagrams and a time in; frames,
// datagrams, events and a deadline out. One thread.
//
// How two sides come to trust each other. A relay's shard R draws a random 64-bit epoch for each server that
// is added, and sends hellos under a key derived from the trunk key and that epoch. The kernel's hash gives
// them to one shard S of the server, which draws an epoch of its own for this association and answers with a
// welcome; keys of all else are derived from both epochs, both ids and both shards. A welcome must echo a
// hello that is under way. Hence, without any clock or store:
//   - a nonce never repeats: a restart of either side, or an association made again, has other keys;
//   - what was captured before is worth nothing afterwards, to any other shard or server, or after the
//     receiver forgot the association: an old epoch cannot come back, because its keys need the other side's
//     new epoch too. Within an association the replay window decides;
//   - two relays that were given the same id disturb each other in nothing but their names;
//   - a captured hello gets a welcome of the same length to where it came from, and no frames ever: those go
//     only to an address from which data came under the keys of both.
// It costs one round trip when a process starts; until then, and while a server is down, there is no tx key.
// Hellos go on as the measure of liveness and round-trip time, and repair everything: a server that
// restarted, or a kernel that now hashes to another shard, answers with a new epoch, and the relay follows.
//
// Several shards. `--trunk ADDR:PORT` is a SO_REUSEPORT group with a socket per shard of the server. One
// relay shard's socket (address and port fixed) lands at one server shard for as long as the group lives, so
// the replay window for relay shard R is kept on S alone, unshared. S hands frames of sessions that shard T
// owns to T as packets. T answers the relay itself from its own socket of the group, as an `adopted` peer
// made from S's Route: keys contain T's shard, and R keeps one window per shard of the server, made when T's
// first authentic datagram arrives. Keep Routes where all shards read them (a seqlock per (S, peer)); a Route
// with another epoch replaces the adopted one by adopt().
#pragma once

#include <expected>
#include <optional>
#include <span>

#include "net/trunk/peer.h"
#include "net/trunk/reader.h"
#include "net/trunk/writer.h"

namespace sluice::trunk {

struct Config {
  uint32_t id = 0;      ///< this process, as its peers call it: region << 14 | node
  uint8_t shard = 0;    ///< this shard
  uint8_t shards = 1;   ///< of this process, 1..kMaxPeerShards
  bool direct = false;  ///< relay: permits direct answers; server: can give them
  uint16_t max_datagram = kDefaultMaxDatagram;
  uint16_t max_single = kDefaultMaxSingle;
  /// A server is down when no hello of the last `down_after` was answered: with 20 and 70 ms three in a row
  /// are lost or it is dead, and that is known within 70 ms.
  Micros hello_interval = millis(20);
  Micros down_after = millis(70);
  /// While a server is down.
  Micros hello_interval_down = millis(100);
  /// A relay that sent nothing for so long is forgotten.
  Micros forget_after = seconds(10);
};

enum class Change : uint8_t {
  none,
  up,         ///< frames may be sent
  down,       ///< server: no answers any more
  restarted,  ///< server: up, but it is another life or shard; its sessions may be gone
  status,     ///< draining, direct or the number of shards changed
  moved,      ///< relay: its address changed
  forgotten,  ///< relay: silent for too long; the index is free again
};

class Trunk {
 public:
  /// What a shard needs for `peers` peers and `rx` (peer, shard of the peer) pairs to receive from. Indices
  /// run below 2^16.
  struct Memory {
    std::span<Peer> peers;
    std::span<Rx> rx;
  };
  /// Places that the GMAC must have.
  static constexpr uint32_t gmac_places(size_t peers, size_t rx) {
    return static_cast<uint32_t>(1 + peers + rx);
  }

  /// All of it outlives this object. `random` gives epochs.
  Trunk(const Config& config, Memory memory, const crypto::Primitives& crypto, crypto::Gmac gmac,
        crypto::Random random);
  ~Trunk();
  Trunk(const Trunk&) = delete;
  Trunk& operator=(const Trunk&) = delete;

  /// Keys under several ids may be installed; which one is used is the relay's choice, per server. A relay
  /// that is given a key of its own can be shut out without the others. `id` 0..15.
  void set_key(uint8_t id, const Key& key);
  /// Ends every association under it.
  void remove_key(uint8_t id);
  /// Told to every peer by the next hello or welcome.
  void set_draining(bool on) { draining_ = on; }

  /// Relay: sends hellos to `remote` from the next poll() on. Empty when there is no room or no such key.
  std::optional<PeerIndex> add_server(uint32_t id, const Endpoint& remote, uint8_t key_id, Micros now);
  /// Server shard T: answers by way of another shard's association. The same Route gives the same index, a
  /// newer one of the same relay shard replaces what it knew. Empty when there is no room or no such key.
  std::optional<PeerIndex> adopt(const Route& route, Micros now);
  /// Server shard S: of a relay whose address is proven.
  std::optional<Route> route(PeerIndex peer) const;
  void remove(PeerIndex peer);

  struct Received {
    PeerIndex peer = kNoPeer;
    Type type = Type::hello;
    Change change = Change::none;
    Bytes body;  ///< data: for Reader; else empty. A hello is to be answered by write_welcome()
  };
  /// `from` and `local`: the datagram's source and destination. Reasons for nothing: trunk_malformed,
  /// trunk_auth, trunk_replayed, trunk_stale (for an association that this shard has not; a hello will repair
  /// it), trunk_full.
  std::expected<Received, Drop> receive(Bytes datagram, const Endpoint& from, const Endpoint& local,
                                        Micros now);
  /// The answer to the hello just received, into at least kControlBytes; returns its length. Send it to where
  /// the hello came from.
  size_t write_welcome(PeerIndex peer, MutBytes out);

  struct Due {
    PeerIndex peer = kNoPeer;
    Change change = Change::none;
    size_t hello = 0;  ///< bytes of a hello in `out`, to be sent to the peer's `remote`; 0: none
  };
  /// One thing whose time has come; call until it is empty. `out`: at least kControlBytes.
  std::optional<Due> poll(Micros now, MutBytes out);
  /// When poll() next has something; kNever: not before something is received or added.
  Micros deadline() const { return deadline_; }

  /// Whether frames may be sent to it.
  bool can_send(PeerIndex peer) const;
  /// A writer with the limits that hold for this peer.
  Writer writer(PeerIndex peer) const;
  /// Completes the writer's datagram; returns its length. Precondition: can_send(peer), writer.open().
  size_t seal(PeerIndex peer, Writer& writer, Writer::More more);

  const Peer& operator[](PeerIndex peer) const { return peers_[peer]; }
  size_t capacity() const { return peers_.size(); }
  Figures figures(PeerIndex peer) const;

 private:
  std::expected<Received, Drop> on_hello(const Header& h, Bytes datagram, const Endpoint& from,
                                         const Endpoint& local, Micros now);
  std::expected<Received, Drop> on_welcome(const Header& h, Bytes datagram, Micros now);
  std::expected<Received, Drop> on_data(const Header& h, Bytes datagram, const Endpoint& from,
                                        const Endpoint& local, Micros now);

  Config config_;
  std::span<Peer> peers_;
  std::span<Rx> rx_;
  crypto::Primitives crypto_;
  crypto::Gmac gmac_;
  crypto::Random random_;
  std::array<Key, kMaxKeyIds> keys_{};
  uint16_t keys_present_ = 0;
  bool draining_ = false;
  Micros deadline_ = kNever;
};

}  // namespace sluice::trunk
