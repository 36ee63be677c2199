// How the kernel gives datagrams to the sockets of a SO_REUSEPORT group: the steering map, else a hash.
#pragma once

#include <map>
#include <utility>

#include "net/base/endpoint.h"
#include "net/base/siphash.h"
#include "net/base/units.h"

namespace sluice::sim {

class Kernel {
 public:
  Kernel(HashSeed seed, size_t shards) : seed_(seed), shards_(shards) {}

  size_t shard_of(const Endpoint& remote, const Endpoint& local) const {
    if (const auto it = steered_.find({remote, local.port}); it != steered_.end()) return it->second;
    std::array<uint8_t, 36> key;
    const auto put = [&](size_t at, const Endpoint& e) {
      std::copy(e.addr.b.begin(), e.addr.b.end(), &key[at]);
      store_be<uint16_t>(&key[at + 16], e.port);
    };
    put(0, remote);
    put(18, local);
    return siphash(seed_, key) % shards_;
  }
  void steer(const Endpoint& remote, const Endpoint& local, ShardId shard) {
    steered_[{remote, local.port}] = shard.v;
  }
  /// As when the process that had the map ends.
  void forget() { steered_.clear(); }
  size_t steered() const { return steered_.size(); }

 private:
  HashSeed seed_;
  size_t shards_;
  std::map<std::pair<Endpoint, uint16_t>, size_t> steered_;
};

}  // namespace sluice::sim
