// How frames to one destination leave: interface, addresses of both ends of the link, limits.
#pragma once

#include <cstdint>

#include "net/wire/headers.h"

namespace sluice::io::link {

using wire::MacAddress;

/// A route with the neighbour it leads to. Ethernet without a VLAN tag of our own.
struct Path {
  uint32_t ifindex = 0;
  MacAddress source{};
  MacAddress destination{};
  uint16_t mtu = 0;       ///< longest IP packet, header included
  uint8_t hop_limit = 0;  ///< TTL of IPv4

  bool operator==(const Path&) const = default;
};

/// What frames bypass, for the log of whoever turns them on.
inline constexpr const char* kBypassWarning =
    "prebuilt frames pass by this host's output filter, NAT, IPsec policies and traffic control "
    "(iptables/nft OUTPUT and POSTROUTING, xfrm, tc)";

}  // namespace sluice::io::link
