// TURN as the engine has it: what all shards read, and what one shard owns. The protocol is net/turn; packets
// are moved by engine/role/turn.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/relay/config.h"
#include "engine/relay/ports.h"
#include "engine/shard/seqlock.h"
#include "engine/spec.h"
#include "net/base/flat_table.h"
#include "net/base/packet.h"
#include "net/crypto/primitives.h"
#include "net/turn/server.h"

namespace sluice::engine {

/// What a shard's part of TURN is sized by.
struct TurnLimits {
  bool on = false;
  bool moves = false;  ///< there are other shards that a client may arrive at
  turn::Limits server;

  /// Entries of the flow table: clients, and those whose allocation another shard has.
  uint32_t flows() const { return on ? server.allocations * (moves ? 2 : 1) : 0; }
  size_t bytes() const { return on ? turn::Server::bytes_for(server) : 0; }
  uint32_t reports() const { return on ? server.allocations : 0; }
};

/// Made at start, only read afterwards but for the quota's counts.
struct TurnShared {
  struct Environment {
    uint32_t shards = 1;
    std::span<const Address> relay_addresses;  ///< copied
    io::PortRange relay_ports;
    std::span<const Endpoint>
        here;  ///< public endpoints of this process, which clients may speak to as peers
  };

  /// The error says which user cannot be one.
  static std::expected<std::unique_ptr<TurnShared>, std::string> make(const relay::TurnConfig& config,
                                                                      const Environment& environment,
                                                                      const crypto::Random& random);
  ~TurnShared();
  TurnShared(const TurnShared&) = delete;
  TurnShared& operator=(const TurnShared&) = delete;

  TurnLimits limits() const;
  /// Refers to this.
  turn::Config config(uint8_t shard, const crypto::Random& random);
  turn::Credentials credentials() const;
  turn::PeerPolicy policy() const { return {.allow = allow, .host = host, .exceptions = exceptions}; }
  bool is_here(const Endpoint& e) const {
    for (const Endpoint& h : here)
      if (h.port == e.port && h.addr == e.addr) return true;
    return false;
  }

  uint32_t shards;
  relay::TurnConfig settings;  ///< without its passwords
  turn::ServerSecrets secrets;
  std::vector<turn::User> users;
  std::vector<turn::Cidr> allow;
  std::vector<Address> host;
  std::vector<turn::PeerException> exceptions;
  std::vector<Endpoint> here;
  std::vector<Address> relay_addresses;
  io::PortRange relay_ports;
  /// Where shards borrow ports from if the process is no relay, which has a pool of its own.
  relay::PortPool pool;

 private:
  TurnShared(const relay::TurnConfig& config, const Environment& environment, const crypto::Random& random);

  std::vector<turn::SharedQuota::Cell> cells_;
};

/// What a shard publishes about an allocation.
struct TurnReport {
  turn::AllocationInfo info;  ///< handle.gen 0: there is none
  FixedText<64> user;         ///< cut to fit
};

/// One shard's. Owner thread only, but for what it publishes.
struct TurnState {
  bool on() const { return server.has_value(); }

  TurnShared* shared = nullptr;
  std::optional<turn::Server> server;
  uint64_t without_port = 0;  ///< allocations refused since no relay port was left
  /// What came out of relay endpoints for public ones: received by this process without a network between.
  RxBatch inside;
  uint32_t elsewhere = 0;  ///< flows whose allocation another shard has
  uint32_t sweep_at = 0;   ///< bucket of the flow table
  Micros sweep_due = kNever;
  std::span<SeqLocked<TurnReport>> reports;  ///< by allocation
  std::atomic<uint32_t> reports_end{0};      ///< none was ever made at this index or above
  uint32_t report_at = 0;                    ///< that is due next
};

/// Adds one shard's figures to those of others.
void add(turn::Counters& sum, const turn::Counters& shard);

/// A TURN client's place in the flow table. The same addresses may be a session's or a relayed client's as
/// well (browsers send both from one socket), so TURN's are filed under what is no address of anybody: the
/// public one with its first bit flipped. Of a stream client the stream alone counts.
inline FlowKey turn_key(const turn::ClientKey& c) {
  FlowKey key{c.remote, c.local};
  key.local.addr.b[0] ^= 0x80;
  if (!c.is_stream()) return key;
  key.remote = {};
  for (size_t i = 0; i < 4; ++i) key.remote.addr.b[12 + i] = static_cast<uint8_t>(c.ifindex >> (24 - 8 * i));
  return key;
}

}  // namespace sluice::engine
