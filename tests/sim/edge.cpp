#include "tests/sim/edge.h"

#include <algorithm>

namespace sluice::sim {

Edge::Edge(const EdgeOptions& options, const Endpoint& inside, const Address& outside, Rng rng)
    : options_(options), inside_(inside), outside_(outside), rng_(rng) {
  if (!options_.nat) inside_.addr = outside;
  addresses_.push_back(outside);
}

/// Of an endpoint, what a rule of this kind looks at.
Endpoint Edge::part(Behaviour b, const Endpoint& e) {
  if (b == Behaviour::endpoint_independent) return {};
  if (b == Behaviour::address_dependent) return {e.addr, 0};
  return e;
}

Endpoint Edge::out(const Endpoint& to, Micros now) {
  if (!options_.nat) return inside_;
  std::erase_if(mappings_, [&](const Mapping& m) { return now - m.last_out > options_.lifetime; });
  const Endpoint key = part(options_.mapping, to);
  auto it = std::ranges::find(mappings_, key, &Mapping::key);
  if (it == mappings_.end()) {
    uint16_t port = 0;
    // A port is never given out twice, so that whatever is said to an old one is seen to be.
    do port = static_cast<uint16_t>(rng_.between(1024, 65535));
    while (std::ranges::find(used_ports_, port) != used_ports_.end());
    used_ports_.push_back(port);
    it = mappings_.insert(mappings_.end(), {{outside_, port}, key, now, {}});
  }
  it->last_out = now;
  const Endpoint peer = part(options_.filtering, to);
  if (std::ranges::find(it->talked_to, peer) == it->talked_to.end()) it->talked_to.push_back(peer);
  return it->outside;
}

bool Edge::in(const Endpoint& outside, const Endpoint& from, Micros now) {
  if (!options_.nat) return outside == inside_;
  const auto it = std::ranges::find(mappings_, outside, &Mapping::outside);
  if (it == mappings_.end() || now - it->last_out > options_.lifetime) return false;
  if (options_.filtering == Behaviour::endpoint_independent) return true;
  return std::ranges::find(it->talked_to, part(options_.filtering, from)) != it->talked_to.end();
}

void Edge::rebind(std::optional<Address> outside) {
  mappings_.clear();
  if (!outside) return;
  outside_ = *outside;
  if (!options_.nat) inside_.addr = *outside;
  addresses_.push_back(*outside);
}

Endpoint Edge::current() const {
  if (!options_.nat || mappings_.empty()) return inside_;
  return mappings_.back().outside;
}

}  // namespace sluice::sim
