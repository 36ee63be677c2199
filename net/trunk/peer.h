// One trunk peer as a shard sees it. Pure; trunk.h keeps and drives them.
#pragma once

#include <array>
#include <cstdint>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/trunk/keys.h"
#include "net/trunk/window.h"
#include "net/trunk/wire.h"

namespace sluice::trunk {

using PeerIndex = uint16_t;
inline constexpr PeerIndex kNoPeer = UINT16_MAX;

enum class Role : uint8_t {
  none,
  server,   ///< configured here: gets hellos, and frames of clients
  relay,    ///< made itself known by a hello
  adopted,  ///< a relay that another shard of this process speaks with; only sent to
};

enum class State : uint8_t { down, up };

/// What a shard that another one hands packets to needs in order to answer the relay itself.
struct Route {
  Association association{};  ///< server_shard: of whoever exported it
  Endpoint remote{};          ///< the relay's trunk socket
  Endpoint local{};           ///< the socket that it sends to
  uint16_t max_datagram = 0;
  uint8_t key_id = 0;
};

/// Hellos under way, so that a welcome proves that the other side is alive now, and how far away it is.
class HelloLog {
 public:
  static constexpr uint64_t kKept = 32;

  void sent(uint64_t sequence, Micros now) { at_[sequence % kKept] = {.sequence = sequence, .at = now}; }
  /// When the hello was sent; kNever if it is not under way: never sent, answered already, or too long ago.
  Micros sent_at(uint64_t sequence) const;
  void answered(uint64_t sequence);

 private:
  struct Entry {
    uint64_t sequence = UINT64_MAX;
    Micros at;
  };
  std::array<Entry, kKept> at_{};
};

struct Figures {
  Micros rtt{0};             ///< smoothed, RFC 6298 §2; 0: not measured
  uint64_t received = 0;     ///< data datagrams that arrived here
  uint64_t lost = 0;         ///< of those that were sent to here
  uint64_t remote_lost = 0;  ///< of what was sent from here, as the peer last told
};

struct Peer {
  Role role = Role::none;
  State state = State::down;
  uint8_t key_id = 0;
  bool hello_seen = false;
  uint16_t max_datagram = kDefaultMaxSingle;  ///< the longest that may be sent to it
  std::array<uint8_t, 4> tx_salt{};
  uint64_t tx_sequence = 0;    ///< the next; never smaller than one used, whatever happens to the keys
  Micros next_hello = kNever;  ///< server
  Micros silent_at = kNever;   ///< when it will have been silent for too long
  /// `remote` of a relay is where data came from; before `up`, where its hello did, and nothing is sent
  /// there.
  Endpoint remote{};
  Endpoint local{};             ///< of this side's socket; server: not known
  Association association{};    ///< server_epoch 0: a server that has not answered yet
  Status status{};              ///< as the peer last told
  uint32_t named = 0;           ///< server: the id that it claims, if that is not the configured one; else 0
  uint64_t hello_sequence = 0;  ///< server: the next to send; relay: the newest received
  Micros rtt{0};
  HelloLog hellos{};
  /// 1 + index of the receiving state for each shard of the peer; 0: none.
  std::array<uint16_t, kMaxPeerShards> rx{};

  Micros deadline() const { return next_hello < silent_at ? next_hello : silent_at; }
};

/// What is received from one shard of a peer.
struct Rx {
  Window window;
  std::array<uint8_t, 4> salt{};
  bool used = false;
};

}  // namespace sluice::trunk
