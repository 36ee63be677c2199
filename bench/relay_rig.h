// A relay's shard without a network: flows really made by checks and answers, packets handed over in batches.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bench/shard_rig.h"
#include "engine/relay/control.h"

namespace sluice::bench {

struct RelayRigOptions {
  uint32_t flows = 0;
  uint32_t servers = 64;
  uint32_t routes = 0;  ///< installed ones, which no packet of the rig matches
};

class RelayRig {
 public:
  static constexpr size_t kBatch = 64;

  explicit RelayRig(const RelayRigOptions& options);

  /// Of client `i`; few in a /24.
  static Endpoint client(uint32_t i) {
    return {Address::v4(0x0A000000 + i * 8), static_cast<uint16_t>(1024 + i % 60'000)};
  }
  static constexpr Endpoint kPublic{Address::v4(192, 0, 2, 1), 3478};

  /// A browser's first check for a server of this relay, of client `i`; or with a ufrag that nobody minted.
  std::vector<uint8_t> check(uint32_t i, bool forged = false);
  /// Places a packet; at most kBatch between two steps.
  void place(const Endpoint& from, const Endpoint& to, Bytes packet) { backend_->place(from, to, packet); }
  void step() { shard_->run_once(); }
  /// Makes the flow of client `i` and has the server answer; the relay endpoint that the server sees.
  Endpoint connect(uint32_t i);
  /// Ends all flows.
  void end_all();
  Endpoint server_of(uint32_t i) const;

  engine::Core& core() { return shard_->core(); }
  uint64_t sent() const { return backend_->counters().tx_packets; }

 private:
  crypto::StreamRandom random_{uint64_t{1}};
  ice::ShardKeys keys_;
  engine::Directory directory_{1};
  engine::ShardLinks links_;
  RelayRigOptions options_;
  std::unique_ptr<engine::relay::Control> control_;
  std::unique_ptr<engine::Shard> shard_;
  NullBackend* backend_ = nullptr;
};

}  // namespace sluice::bench
