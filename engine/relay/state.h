// What one shard knows as a relay. The hot state of a flow is in the flow table (engine/shard/flow.h); here
// is what flows share. Owner thread only.
#pragma once

#include <cstdint>
#include <span>

#include "engine/relay/config.h"
#include "engine/relay/ports.h"
#include "engine/relay/shared.h"
#include "net/base/packet.h"
#include "net/base/siphash.h"
#include "net/ice/admission.h"
#include "net/stun/message.h"

namespace sluice::engine::relay {

/// Coarse time for idle flows: 2^18 us, about a quarter of a second; wraps after 35 years.
using Tick = uint32_t;
constexpr Tick tick_of(Micros t) { return static_cast<Tick>(t.us >> 18); }

/// What a server's packets touch. One line.
struct alignas(64) ServerLine {
  Endpoint address;
  bool present = false;
  bool trunk = false;
  uint32_t cursor = 0;  ///< where the search for its next local port begins, or kNoneLeft and when it failed
  ServerCounters n;

  static constexpr uint32_t kNoneLeft = 1U << 31;
};
static_assert(sizeof(ServerLine) == 64);

/// A public endpoint that clients speak to, as return entries name it.
struct LocalLine {
  Endpoint local;
  uint32_t ifindex = 0;  ///< for link-local ones
};

struct Limits {
  uint32_t flows = 0;  ///< with a local port each, or twice as many by trunk; 0: no relay
  uint32_t servers = 0;
  static constexpr uint32_t kLocals = 1024;
  static constexpr uint32_t kAdmissionLines = 4096;
  /// Of the flows, those whose server has not answered yet.
  uint64_t entries() const { return 2 * uint64_t{flows}; }
  uint32_t unconfirmed() const { return flows / 8 < 1024 ? 1024 : flows / 8; }
};

struct State {
  bool on() const { return shared != nullptr; }

  Limits limits;
  Shared* shared = nullptr;
  bool media = true;  ///< ufrags that name this node are for sessions of this process
  Micros idle;
  HashSeed seed;  ///< of tid_hash()

  std::span<ServerLine> servers;
  uint32_t servers_n = 0;  ///< those behind were never used
  ServerCounters past;     ///< packets of servers that have gone
  std::span<LocalLine> locals;
  uint32_t locals_n = 0;
  uint32_t locals_hit = 0;  ///< the one that the last new flow used
  LocalPorts ports;
  ice::Admission admission;  ///< what addresses without a confirmed flow may send through us

  RxBatch anew;  ///< checks of the batch in hand whose flows are to end first

  uint32_t flows = 0;
  uint64_t entries = 0;  ///< theirs in the flow table
  uint32_t unconfirmed = 0;
  uint32_t sweep_at = 0;  ///< bucket of the flow table
  uint32_t evict_at = 0;  ///< of ports: where the search for an unanswered flow begins
  uint32_t next_epoch = 0;
  uint64_t created = 0, expired = 0;
  uint64_t evicted = 0;  ///< unanswered ones that made room for others

  /// What comes back by trunk needs no entry of its own.
  static constexpr uint32_t entries_of(bool trunk) { return trunk ? 1 : 2; }
  /// Never 0.
  uint32_t fresh_epoch() {
    if (++next_epoch == 0) ++next_epoch;
    return next_epoch;
  }
  /// Never 0.
  uint32_t tid_hash(const stun::TransactionId& tid) const {
    return static_cast<uint32_t>(siphash(seed, tid)) | 1;
  }
};

}  // namespace sluice::engine::relay
