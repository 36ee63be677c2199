// A shard's trunk: its peers, their keys, replay windows and liveness. Pure: datagrams and a time in; frames,
// datagrams, events and a deadline out. One thread.
//
// How two sides come to trust each other. A relay's shard R draws a random epoch for each server that is
// added, and sends hellos under a key derived from the trunk key and that epoch. The kernel's hash gives them
// to one shard S of the server, which draws an epoch of its own for this association and answers with a
// welcome; keys of all else are derived from both epochs, both ids and both shards. A welcome must echo a
// hello that is under way, and a relay's epoch is used with one epoch of the server at most. Hence, without a
// clock or a store:
//   - a nonce never repeats: a restart of either side, or an association made again, has other keys;
//   - what was captured before is worth nothing afterwards, nor to another shard or server: an old epoch
//   cannot
//     come back, because its keys need the other side's new epoch too. Within an association the replay
//     window decides;
//   - two relays that were given the same id disturb each other in nothing but their names;
//   - a captured hello gets at most one welcome of its own length to where it came from, and no frames ever:
//     those go only to an address from which data came under the keys of both.
// It costs one round trip when a process starts; until then, and while a server is down, nothing can be sent
// to it. Hellos go on as the measure of liveness and round-trip time, and repair everything: a server that
// restarted, or a kernel that now hashes to another shard, answers with a new epoch; the relay takes that as
// the sign to draw a new one too, and is up again a round trip later.
//
// Several shards. `--trunk ADDR:PORT` is a SO_REUSEPORT group with a socket per shard of the server. One
// relay shard's socket (address and port fixed) lands at one server shard for as long as the group lives, so
// the replay window for relay shard R is kept on S alone, unshared. S hands frames of sessions that shard T
// owns to T as packets. T answers the relay itself from its own socket of the group, as an `adopted` peer
// made from S's Route: keys contain T's shard, and R keeps one window per shard of the server, made when T's
// first authentic datagram arrives. Keep Routes where all shards can read them (a seqlock per (S, peer)), and
// where one has changed, remove() what was adopted for it and adopt() the new one.
#pragma once

#include <algorithm>
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
  /// are lost or it is dead, and that is known within 70 ms. Longer than the interval.
  Micros hello_interval = millis(20);
  Micros down_after = millis(70);
  /// While a server is down.
  Micros hello_interval_down = millis(100);
  /// A relay that sent nothing for so long is forgotten.
  Micros forget_after = seconds(10);
};

enum class Change : uint8_t {
  none,
  up,         ///< frames may be sent; a server after `down`: the same life as before
  down,       ///< server: no answers any more
  restarted,  ///< server: another life or shard answers, its sessions may be gone; down until `up`
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
  /// that is given a key of its own can be shut out without the others. `id` 0..15. Setting it again is
  /// removing the old one first.
  void set_key(uint8_t id, const Key& key);
  /// Removes every peer under it, servers too.
  void remove_key(uint8_t id);
  /// Told to every peer by the next hello or welcome.
  void set_draining(bool on) { draining_ = on; }

  /// Relay: sends hellos to `remote` from the next poll() on. Empty when there is no room or no such key.
  std::optional<PeerIndex> add_server(uint32_t id, const Endpoint& remote, uint8_t key_id, Micros now);
  /// Server shard T: answers by way of another shard's association. The same Route gives the same index.
  /// Empty when there is no room or no such key. All Trunks of a process are made together, since this one's
  /// sequences are kept no longer than it.
  std::optional<PeerIndex> adopt(const Route& route);
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
  using Result = std::expected<Received, Drop>;
  Result on_hello(const Header& h, Bytes datagram, const Endpoint& from, const Endpoint& local, Micros now);
  Result on_welcome(const Header& h, Bytes datagram, Micros now);
  Result on_frames_up(const Header& h, Bytes datagram, const Endpoint& from, const Endpoint& local,
                      Micros now);
  Result on_frames_down(const Header& h, Bytes datagram, Micros now);

  PeerIndex free_peer();
  PeerIndex find_relay(const Header& hello, const Status& status) const;
  PeerIndex welcome_relay(const Header& hello);
  bool add_rx(Peer& p, uint8_t shard, const SubKey& sub);
  void release_rx(Peer& p);
  void begin_epoch(PeerIndex peer);
  Change learn(Peer& p, const Status& s);
  PeerIndex server_of(const Header& h) const;
  bool establish(PeerIndex peer, const Association& a, const SubKey& down);
  Change answered(Peer& p, const Status& s, Micros now);

  bool has_key(uint8_t id) const { return (keys_present_ >> id & 1) != 0; }
  SubKey sub_key(uint8_t key_id, Purpose purpose, const Association& a) const;
  uint64_t draw_epoch(PeerIndex peer) const;
  static constexpr uint32_t kScratch = 0;
  uint32_t tx_place(PeerIndex peer) const { return 1U + peer; }
  uint32_t rx_place(size_t rx) const { return static_cast<uint32_t>(1 + peers_.size() + rx); }
  bool authentic(uint32_t place, const std::array<uint8_t, 4>& salt, const Header& h, Bytes datagram) const;
  bool authentic(const SubKey& sub, const Header& h, Bytes datagram) const;
  /// trunk_replayed, trunk_auth or none, and then the sequence is marked.
  Drop accept(const Peer& p, const Header& h, Bytes datagram);
  size_t write_control(const Peer& p, uint64_t echo, const Seal& seal, MutBytes out) const;
  size_t write_hello(PeerIndex peer, MutBytes out, Micros now);
  std::optional<Due> due(PeerIndex peer, Micros now, MutBytes out);
  void wake_at(Micros t) { deadline_ = std::min(deadline_, t); }

  Config config_;
  std::span<Peer> peers_;
  std::span<Rx> rx_;
  crypto::Primitives crypto_;
  crypto::Gmac gmac_;
  crypto::Random random_;
  std::array<Key, kMaxKeyIds> keys_{};
  uint16_t keys_present_ = 0;
  bool draining_ = false;
  size_t next_free_ = 0;           ///< the index that waited longest, since names of peers outlive them
  size_t cursor_ = 0;              ///< where poll() goes on
  uint64_t adopted_sequence_ = 0;  ///< no adopted peer that was removed has used it or a later one
  Micros deadline_ = kNever;       ///< or earlier, never later
};

}  // namespace sluice::trunk
