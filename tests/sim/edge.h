// What stands between a client and the Internet: nothing, or a NAT of one of RFC 4787's kinds.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "net/base/endpoint.h"
#include "tests/sim/rng.h"

namespace sluice::sim {

/// RFC 4787 §4.1 (mapping) and §5 (filtering).
enum class Behaviour : uint8_t { endpoint_independent, address_dependent, address_and_port_dependent };

struct EdgeOptions {
  bool nat = true;
  Behaviour mapping = Behaviour::endpoint_independent;
  Behaviour filtering = Behaviour::address_and_port_dependent;
  /// RFC 4787 §4.3 wants at least two minutes; many do less.
  Micros lifetime = seconds(60);
};

class Edge {
 public:
  /// `inside`: the client; `outside`: a public address of this edge's own.
  Edge(const EdgeOptions& options, const Endpoint& inside, const Address& outside, Rng rng);

  /// The source that a datagram to `to` has outside.
  Endpoint out(const Endpoint& to, Micros now);
  /// Whether a datagram from `from` to `outside` reaches the client.
  bool in(const Endpoint& outside, const Endpoint& from, Micros now);

  /// Forgets every mapping: what comes next has another port, or, with an address, another address too.
  void rebind(std::optional<Address> outside = std::nullopt);
  /// Everything that was ever the edge's.
  const std::vector<Address>& addresses() const { return addresses_; }
  /// The newest mapping; `inside` without a NAT.
  Endpoint current() const;

 private:
  struct Mapping {
    Endpoint outside;
    Endpoint key;
    Micros last_out;
    std::vector<Endpoint> talked_to;
  };
  static Endpoint part(Behaviour b, const Endpoint& e);

  EdgeOptions options_;
  Endpoint inside_;
  Address outside_;
  Rng rng_;
  std::vector<Address> addresses_;
  std::vector<Mapping> mappings_;
  std::vector<uint16_t> used_ports_;
};

}  // namespace sluice::sim
