// What the flow table says of a (remote, local) pair: all that a packet of the flow needs, in the entry's own
// cache line.
#pragma once

#include <cstdint>

#include "engine/spec.h"
#include "net/base/endpoint.h"
#include "net/base/flat_table.h"
#include "net/base/packet.h"
#include "net/base/virtual_interface.h"

namespace sluice::engine {

enum class FlowKind : uint8_t {
  session,    ///< of a session owned here
  elsewhere,  ///< of a session that another shard owns; packets are handed over
  relay,      ///< of a client whose server stands behind this relay
  back,       ///< from a server to such a client
  turn,       ///< of a TURN client
};

/// session, elsewhere
struct SessionFlow {
  FlowKind kind = FlowKind::session;
  ShardId owner;  ///< of elsewhere
  SessionKey key;
};

/// Key: (client, public local endpoint).
struct RelayFlow {
  FlowKind kind = FlowKind::relay;
  bool confirmed = false;  ///< the server has answered a check of the client's
  bool trunk = false;      ///< else transparent, by a local port
  uint8_t relay_address = 0;
  uint16_t relay_port = 0;
  uint16_t server = 0;   ///< index
  uint32_t seen = 0;     ///< relay::Tick of the client's newest packet
  uint32_t packets = 0;  ///< from the client; wraps
  uint32_t bytes = 0;    ///< from the client; wraps
  uint32_t pending = 0;  ///< relay::tid_hash() of the check that waits for its answer; 0: none
  uint32_t epoch = 0;    ///< names the flow on the trunk
};

/// Key: (server, relay endpoint).
struct BackFlow {
  FlowKind kind = FlowKind::back;
  bool confirmed = false;
  uint16_t local = 0;  ///< index of the public endpoint that the client speaks to
  Endpoint client;
  uint16_t server = 0;
  uint32_t packets = 0;  ///< to the client; wraps
};

/// Key: turn_key() of the client.
struct TurnFlow {
  FlowKind kind = FlowKind::turn;
  bool elsewhere = false;  ///< the allocation is `owner`'s; packets are handed over
  ShardId owner;
  uint32_t allocation = 0;
  uint32_t seen = 0;  ///< of elsewhere: relay::Tick of the newest packet
};

union FlowValue {
  SessionFlow session;
  RelayFlow relay;
  BackFlow back;
  TurnFlow turn;

  constexpr FlowValue() : session{} {}

  /// Common initial member of all.
  FlowKind kind() const { return session.kind; }
  bool is(FlowKind k) const { return session.kind == k; }
};
static_assert(sizeof(FlowValue) == 28);

using FlowTable = FlatTable<FlowValue>;

/// Under which a packet's flow lies. Streams have keys of their own, since TCP and UDP may go between the same
/// numbers: in place of our address stands the stream's name, in the discard prefix (RFC 6666), where none of
/// our addresses is.
inline FlowKey flow_key(const Endpoint& remote, const Endpoint& local, uint32_t ifindex) {
  FlowKey key{remote, local};
  if (is_stream(ifindex)) [[unlikely]] {
    key.local.addr.b = {0x01};
    store_be<uint32_t>(key.local.addr.b.data() + 12, ifindex);
  }
  return key;
}
inline FlowKey flow_key(const Packet& p) { return flow_key(p.remote, p.local, p.ifindex); }

}  // namespace sluice::engine
