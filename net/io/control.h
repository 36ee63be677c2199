// Control messages of a received datagram: its real destination, ECN and the socket's drop count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/endpoint.h"

namespace sluice::io {

/// Room for SO_RXQ_OVFL (24), IPV6_PKTINFO (40) and IPV6_TCLASS (24), each with its padding; the IPv4 ones
/// are smaller. On steered sockets: SO_RXQ_OVFL and IPV6_ORIGDSTADDR (48).
inline constexpr size_t kRxControlBytes = 88;

struct RxControl {
  Address local;  ///< unspecified: the kernel did not say
  uint32_t ifindex = 0;
  uint32_t dropped = 0;  ///< datagrams the socket has lost since it was opened; wraps
  uint8_t ecn = 0;
  uint16_t local_port = 0;  ///< 0: the socket's own
  bool has_local = false;
  bool has_dropped = false;
};

/// The kernel wrote `control`; unknown messages are passed over.
RxControl parse_control(std::span<const uint8_t> control);

}  // namespace sluice::io
