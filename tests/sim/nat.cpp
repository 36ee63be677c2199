#include "tests/sim/nat.h"

#include <algorithm>

namespace sluice::sim {
namespace {

/// Of an endpoint, what a rule of this kind looks at.
Endpoint part(Behaviour b, const Endpoint& e) {
  if (b == Behaviour::endpoint_independent) return {};
  if (b == Behaviour::address_dependent) return {e.addr, 0};
  return e;
}

}  // namespace

Nat::Nat(const NatOptions& options, const Address& outside, Rng rng)
    : options_(options), outside_(outside), rng_(rng) {}

bool Nat::is_mapped(uint16_t port) const {
  return std::ranges::any_of(mappings_, [&](const Mapping& m) { return m.outside.port == port; });
}

uint16_t Nat::choose_port(const Endpoint& inside) {
  if (options_.preserves_ports && !is_mapped(inside.port)) {
    const auto first = std::ranges::find(preserved_, inside.port, &Endpoint::port);
    if (first != preserved_.end() && *first == inside) return inside.port;
    if (first == preserved_.end()) return preserved_.push_back(inside), inside.port;
  }
  // A drawn port is never given out twice, so that whatever is said to an old one is seen to be.
  uint16_t port = 0;
  do port = static_cast<uint16_t>(rng_.between(1024, 65535));
  while (std::ranges::find(used_ports_, port) != used_ports_.end() || is_mapped(port));
  used_ports_.push_back(port);
  return port;
}

Endpoint Nat::out(const Endpoint& inside, const Endpoint& to, Micros now) {
  std::erase_if(mappings_, [&](const Mapping& m) { return !alive(m, now); });
  const Endpoint key = part(options_.mapping, to);
  auto it =
      std::ranges::find_if(mappings_, [&](const Mapping& m) { return m.inside == inside && m.key == key; });
  if (it == mappings_.end()) {
    const Endpoint outside{outside_, choose_port(inside)};
    it = mappings_.insert(mappings_.end(), {inside, outside, key, now, {}});
  }
  it->used = now;
  const Endpoint peer = part(options_.filtering, to);
  if (std::ranges::find(it->talked_to, peer) == it->talked_to.end()) it->talked_to.push_back(peer);
  return it->outside;
}

std::optional<Endpoint> Nat::in(const Endpoint& outside, const Endpoint& from, Micros now) {
  if (from.addr == outside_ && !options_.hairpins) return std::nullopt;
  const auto it = std::ranges::find(mappings_, outside, &Mapping::outside);
  if (it == mappings_.end() || !alive(*it, now)) return std::nullopt;
  const bool open = options_.filtering == Behaviour::endpoint_independent ||
                    std::ranges::find(it->talked_to, part(options_.filtering, from)) != it->talked_to.end();
  if (!open) return std::nullopt;
  if (options_.inbound_refreshes) it->used = now;
  return it->inside;
}

std::optional<Endpoint> Nat::owner(const Endpoint& outside, Micros now) const {
  const auto it = std::ranges::find(mappings_, outside, &Mapping::outside);
  if (it == mappings_.end() || !alive(*it, now)) return std::nullopt;
  return it->inside;
}

void Nat::rebind(std::optional<Address> outside) {
  mappings_.clear();
  if (outside) outside_ = *outside;
}

std::optional<Endpoint> Nat::newest(const Endpoint& inside) const {
  const auto it = std::ranges::find(mappings_.rbegin(), mappings_.rend(), inside, &Mapping::inside);
  if (it == mappings_.rend()) return std::nullopt;
  return it->outside;
}

}  // namespace sluice::sim
