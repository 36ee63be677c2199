#include "engine/relay/shared.h"

namespace sluice::engine::relay {
namespace {

/// Some minutes of checks at 100 000 calls per second and process; 2 MiB.
constexpr unsigned kLog2Transactions = 18;

HashSeed seed_of(const crypto::Random& random) {
  const uint64_t k0 = random.u64();
  return {k0, random.u64()};
}

RouteTable make_routes(uint32_t capacity, const crypto::Random& random) {
  const HashSeed low = seed_of(random);
  return RouteTable(capacity, low, seed_of(random));
}

}  // namespace

Shared::Shared(const RelayConfig& config, uint32_t shards, const crypto::Random& random)
    : by_id(kIds),
      routes(make_routes(config.max_routes, random)),
      replays(seed_of(random), kLog2Transactions),
      ports(config.ports, random.u32()),
      addresses(config.addresses) {
  for (uint32_t s = 0; s < shards; ++s)
    counters.push_back(std::make_unique<SeqLocked<ServerFigures>[]>(config.max_servers));
}

}  // namespace sluice::engine::relay
