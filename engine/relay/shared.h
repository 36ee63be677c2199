// What all shards of a relay read and the control thread writes; made at start.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/relay/config.h"
#include "engine/relay/ports.h"
#include "engine/relay/replay_filter.h"
#include "engine/relay/route_table.h"
#include "engine/relay/zero_pages.h"
#include "engine/shard/seqlock.h"
#include "net/crypto/primitives.h"

namespace sluice::engine::relay {

/// One server's figures on one shard.
struct ServerCounters {
  uint32_t flows = 0, unconfirmed = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;

  void add(const ServerCounters& o) {
    flows += o.flows, unconfirmed += o.unconfirmed;
    up_packets += o.up_packets, up_bytes += o.up_bytes;
    down_packets += o.down_packets, down_bytes += o.down_bytes;
  }
};

/// How a server's trunk does, as one shard sees it.
struct TrunkHealth {
  bool trunk = false;
  bool up = false;
  bool draining = false;
  uint32_t claims = 0;                  ///< the name that it gives itself, if that is not its own; else 0
  uint32_t rtt_us = 0;                  ///< 0: not measured
  uint64_t lost_up = 0, lost_down = 0;  ///< datagrams
};

struct ServerFigures {
  ServerCounters n;
  TrunkHealth trunk;
};

/// Looked at per first packet, never per media packet.
struct Shared {
  static constexpr size_t kIds = size_t{ServerId::kMaxRegion + 1} * (ServerId::kMaxNode + 1);
  static constexpr ServerIndex kNoServer = UINT16_MAX;

  Shared(const RelayConfig& config, uint32_t shards, const crypto::Random& random);

  static constexpr size_t slot_of(ServerId id) {
    return size_t{id.region} * (ServerId::kMaxNode + 1) + id.node;
  }
  /// kNoServer if nobody has the name.
  ServerIndex server_of(ServerId id) const {
    return static_cast<ServerIndex>(by_id[slot_of(id)].load(std::memory_order_acquire) - 1);
  }
  /// Control thread: kNoServer takes the name away.
  void set_server(ServerId id, ServerIndex server) {
    by_id[slot_of(id)].store(static_cast<ServerIndex>(server + 1), std::memory_order_release);
  }

  ZeroPages<std::atomic<ServerIndex>> by_id;  ///< 1 + index; 0: nobody
  RouteTable routes;
  ReplayFilter replays;
  PortPool ports;
  std::vector<Address> addresses;
  /// [shard][server]; written by the shard.
  std::vector<std::unique_ptr<SeqLocked<ServerFigures>[]>> counters;
};

}  // namespace sluice::engine::relay
