// What an engine is made of, checked and parsed; sluice_config's C strings end here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/relay/config.h"
#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/srtp/cipher.h"

namespace sluice::engine {

/// An error for people, as sluice_error carries it.
struct Failure {
  int code = 0;  ///< sluice_code
  std::string field;
  std::string message;
  std::string fix;
};

struct EngineConfig {
  uint32_t shards = 1;            ///< 1..kMaxShards
  uint32_t max_sessions = 4096;   ///< per process, 1..65536
  uint32_t max_rooms = 1024;      ///< 1..65536
  uint32_t pool_slots = 0;        ///< packet slots per shard; 0: derived from the other capacities
  uint32_t backend_slots = 8192;  ///< of them, what the backend keeps armed and in flight
  uint32_t peer_ring = 1024;      ///< messages under way from one shard to another
  uint32_t handshake_ring = 256;  ///< messages under way between a shard and the handshake worker, each way
  /// TCP and TLS connections at once; 0: there is no worker for them.
  uint32_t max_streams = 0;
  Micros echo_delay = millis(500);
  Micros setup_limit = seconds(30);
  srtp::Kind srtp = srtp::Kind::automatic;
  bool busy_poll = false;
  bool prefault = false;
  std::vector<Endpoint> candidates;      ///< for answers, preferred first
  std::vector<Endpoint> tcp_candidates;  ///< likewise, behind those (RFC 6544, passive)

  bool media = true;           ///< ends sessions itself
  relay::ServerId node{0, 1};  ///< its own name in the ufrags that it mints
  /// The first one mints; empty: made at start, which no other process then shares.
  std::vector<relay::FleetKey> keys;
  relay::RelayConfig relay;
  relay::TrunkConfig trunk;
  relay::TurnConfig turn;
};

}  // namespace sluice::engine
