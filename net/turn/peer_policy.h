// Which peers a client may be relayed to. Pure; the lists are handed in and must outlive the policy.
//
// A relay sits inside somebody's network, so what it may reach is a question of security: without this every
// client could speak to the cloud's metadata service, to the host's own loopback and to its neighbours.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/base/endpoint.h"

namespace sluice::turn {

/// An IPv4 prefix is a prefix of ::ffff:0:0/96: `bits` counts from the front of the 128, so 10.0.0.0/8 is
/// 104.
struct Cidr {
  Address address;
  uint8_t bits = 128;

  bool contains(const Address& a) const;
};
/// "10.0.0.0/8", "2001:db8::/32", or an address alone. Bits beyond the prefix are ignored.
std::optional<Cidr> parse_cidr(std::string_view text);

/// Ports, inclusive, of one address that are open although the address is denied: the process's own media
/// endpoint, and the relay ports (two clients of one relay may speak to each other).
struct PeerException {
  Address address;
  uint16_t port_lo = 0;
  uint16_t port_hi = 0;

  bool contains(const Endpoint& e) const {
    return e.addr == address && e.port >= port_lo && e.port <= port_hi;
  }
};

enum class PeerVerdict : uint8_t {
  denied,
  ports_only,  ///< denied but for the ports of exceptions: check endpoint_allowed() per packet
  allowed,
};

/// Denied by default: "this network" 0/8, loopback, link-local, private (RFC 1918), shared (100.64/10), IETF
/// (192.0.0.0/24), benchmarking (198.18/15), multicast, reserved (240/4) and broadcast; ::, ::1, unique local
/// fc00::/7, link-local, site-local, discard-only and multicast; and the host's own addresses. An address
/// that carries an IPv4 address inside (mapped, compatible, 64:ff9b::/96, the local 64:ff9b:1::/48 as a
/// whole, 6to4, Teredo, ISATAP) is denied if that is.
struct PeerPolicy {
  std::span<const Cidr> allow;                ///< overrides every denial but multicast and unspecified
  std::span<const Address> host;              ///< every address of this host
  std::span<const PeerException> exceptions;  ///< overrides every denial

  /// For CreatePermission, which names no port.
  PeerVerdict verdict(const Address& peer) const;
  bool endpoint_allowed(const Endpoint& peer) const;

 private:
  bool address_allowed(const Address& peer) const;
};

}  // namespace sluice::turn
