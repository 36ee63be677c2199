#include "tests/sim/edge.h"

namespace sluice::sim {

Edge::Edge(const EdgeOptions& options, const Endpoint& inside, const Address& outside, Rng rng)
    : inside_(inside) {
  if (options.nat) {
    nat_ = std::make_shared<Nat>(options.kind, outside, rng);
  } else {
    inside_.addr = outside;
  }
}

bool Edge::in(const Endpoint& outside, const Endpoint& from, Micros now) {
  return nat_ ? nat_->in(outside, from, now) == inside_ : outside == inside_;
}

bool Edge::owns(const Endpoint& outside, Micros now) const {
  return nat_ ? nat_->owner(outside, now) == inside_ : outside == inside_;
}

void Edge::rebind(std::optional<Address> outside) {
  if (nat_) return nat_->rebind(outside);
  if (outside) inside_.addr = *outside;
}

}  // namespace sluice::sim
