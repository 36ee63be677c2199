// What stands between a client and the Internet: nothing, or a NAT, its own or its neighbourhood's.
#pragma once

#include <memory>
#include <optional>

#include "tests/sim/nat.h"

namespace sluice::sim {

struct EdgeOptions {
  bool nat = true;
  NatOptions kind;
};

class Edge {
 public:
  /// `inside`: the client; `outside`: a public address of this edge's own.
  Edge(const EdgeOptions& options, const Endpoint& inside, const Address& outside, Rng rng);
  /// Behind a NAT that others use too; what becomes of it happens to all.
  Edge(std::shared_ptr<Nat> nat, const Endpoint& inside) : nat_(std::move(nat)), inside_(inside) {}

  /// The source that a datagram to `to` has outside.
  Endpoint out(const Endpoint& to, Micros now) { return nat_ ? nat_->out(inside_, to, now) : inside_; }
  /// Whether a datagram from `from` to `outside` reaches the client.
  bool in(const Endpoint& outside, const Endpoint& from, Micros now);
  /// Whether `outside` is or was the client's, as far as anybody knows.
  bool owns(const Endpoint& outside, Micros now) const;

  /// Forgets every mapping: what comes next has another port, or, with an address, another address too.
  void rebind(std::optional<Address> outside = std::nullopt);
  /// The newest mapping; `inside` without a NAT.
  Endpoint current() const { return nat_ ? nat_->newest(inside_).value_or(inside_) : inside_; }

 private:
  std::shared_ptr<Nat> nat_;
  Endpoint inside_;
};

}  // namespace sluice::sim
