// A NAT of any of RFC 4787's kinds, with any number of clients behind it. Pure: time and chance are handed
// in.
#pragma once

#include <optional>
#include <vector>

#include "net/base/endpoint.h"
#include "tests/sim/rng.h"

namespace sluice::sim {

/// RFC 4787 §4.1 (mapping) and §5 (filtering).
enum class Behaviour : uint8_t { endpoint_independent, address_dependent, address_and_port_dependent };

struct NatOptions {
  Behaviour mapping = Behaviour::endpoint_independent;
  Behaviour filtering = Behaviour::address_and_port_dependent;
  /// RFC 4787 §4.2.1: a client's own port, where no other client has had it; else one by lot. Were it given
  /// to another soon after, as after rebind(), that one would hear the first one's call.
  bool preserves_ports = false;
  /// RFC 4787 §6: clients behind it reach each other at their outside endpoints, and are seen there.
  bool hairpins = true;
  /// RFC 4787 §4.3, REQ-6: what comes in keeps a mapping alive too.
  bool inbound_refreshes = false;
  /// RFC 4787 §4.3 wants at least two minutes; many do less.
  Micros lifetime = seconds(60);
};

class Nat {
 public:
  /// `outside`: a public address of its own.
  Nat(const NatOptions& options, const Address& outside, Rng rng);

  /// The source that a datagram from `inside` to `to` has outside.
  Endpoint out(const Endpoint& inside, const Endpoint& to, Micros now);
  /// Who inside is sent a datagram from `from` to `outside`; nullopt: nobody.
  std::optional<Endpoint> in(const Endpoint& outside, const Endpoint& from, Micros now);
  /// Whose mapping it is, whatever the filter says.
  std::optional<Endpoint> owner(const Endpoint& outside, Micros now) const;

  /// Forgets every mapping, and with an address has that one from now on.
  void rebind(std::optional<Address> outside = std::nullopt);
  const Address& outside() const { return outside_; }
  /// The client's newest mapping.
  std::optional<Endpoint> newest(const Endpoint& inside) const;
  size_t mappings() const { return mappings_.size(); }

 private:
  struct Mapping {
    Endpoint inside;
    Endpoint outside;
    Endpoint key;  ///< part of the destination that it is for
    Micros used;
    std::vector<Endpoint> talked_to;  ///< parts of destinations that the filter lets in
  };
  bool alive(const Mapping& m, Micros now) const { return now - m.used <= options_.lifetime; }
  bool is_mapped(uint16_t port) const;
  uint16_t choose_port(const Endpoint& inside);

  NatOptions options_;
  Address outside_;
  Rng rng_;
  std::vector<Mapping> mappings_;
  std::vector<uint16_t> used_ports_;
  std::vector<Endpoint> preserved_;  ///< inside endpoints whose port is theirs outside too
};

}  // namespace sluice::sim
