// Shards that serve TURN, and clients of theirs, stepped by hand.
#pragma once

#include <doctest/doctest.h>

#include "tests/support/turn_client.h"

namespace sluice::test::turn_rig {

inline constexpr Endpoint kAlice{Address::v4(198, 51, 100, 10), 4000};
inline constexpr Endpoint kBob{Address::v4(198, 51, 100, 11), 4001};
inline constexpr Endpoint kPeer{Address::v4(198, 51, 100, 20), 5000};
inline constexpr uint16_t kChannel = 0x4001;

inline engine::relay::RelayConfig ports() {
  engine::relay::RelayConfig c;
  c.addresses = {kRelayAddress};
  c.ports = {50'048, 50'559};
  return c;
}

inline engine::relay::TurnConfig config() {
  engine::relay::TurnConfig c;
  c.on = true;
  c.users = {{"alice", "wonderland"}, {"bob", "wonderland"}};
  c.max_allocations = 64;
  return c;
}

struct Rig {
  Shards s;
  explicit Rig(uint32_t shards = 1, const engine::relay::TurnConfig& turn = config(),
               const engine::relay::RelayConfig& relay = ports(), engine::LinkSizes sizes = {})
      : s(shards, sizes, srtp::Kind::openssl, relay, turn) {}

  uint64_t dropped(Drop d) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s.count(); ++i) n += s.core(i).drops[d];
    return n;
  }
  uint32_t allocations() {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s.count(); ++i) n += s.core(i).turn.server->counters().allocations;
    return n;
  }
  /// What left for `to`, oldest first; the rest stays.
  std::vector<Datagram> sent_to(const Endpoint& to) {
    std::vector<Datagram> out;
    for (uint32_t i = 0; i < s.count(); ++i)
      std::erase_if(s.backend(i).sent, [&](const Datagram& d) {
        if (d.remote != to) return false;
        out.push_back(d);
        return true;
      });
    return out;
  }
  /// A client with an allocation and a channel to `peer`.
  TurnClient client(const Endpoint& at, uint32_t shard, const Endpoint& peer = kPeer,
                    std::string user = "alice") {
    TurnClient c(s, at, shard, std::move(user));
    REQUIRE(c.allocate().code() == 0);
    REQUIRE(c.bind(kChannel, peer).code() == 0);
    return c;
  }
  /// The datagram that the session's client would send next, taken back from where it was placed.
  std::vector<uint8_t> taken_back(uint32_t shard) {
    auto bytes = s.backend(shard).waiting.back().bytes;
    s.backend(shard).waiting.pop_back();
    return bytes;
  }
};

inline uint32_t turn_stream(uint32_t index) { return slow::StreamId(index, 1, true).ifindex(); }

}  // namespace sluice::test::turn_rig
