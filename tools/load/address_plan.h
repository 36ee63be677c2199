// Many source addresses out of one /20, so that each session is a client of its own without a socket of its
// own. Works where every address of the net is local (127.0.0.0/8) or where frames are written (AF_PACKET).
#pragma once

#include <cstdint>
#include <optional>

#include "net/base/endpoint.h"

namespace sluice::load {

/// Sources of one thread: neighbours are in different /24, as clients of a real service are.
struct AddressPlan {
  static constexpr uint32_t kNets = 15, kHosts = 250;
  static constexpr uint32_t kAddresses = kNets * kHosts;
  static constexpr uint32_t kMask = 0xFFFFF000;

  uint32_t base = 0;  ///< host order, a multiple of 4096; its first /24 is left to servers

  static constexpr AddressPlan of(uint32_t net, uint32_t worker) { return {net + (worker << 12)}; }

  /// Of client `n`, modulo kAddresses.
  constexpr Address address(uint32_t n) const {
    const uint32_t k = n % kAddresses;
    return Address::v4(base + ((k % kNets + 1) << 8) + k / kNets + 1);
  }
  /// The k of address(k), if it is one of them.
  constexpr std::optional<uint32_t> index(const Address& a) const {
    const uint32_t v = a.v4_host_order();
    const uint32_t net = ((v >> 8) & 15) - 1;
    const uint32_t host = (v & 255) - 1;
    if (!a.is_v4() || (v & kMask) != base || net >= kNets || host >= kHosts) return std::nullopt;
    return host * kNets + net;
  }
};

/// The networks of RFC 2544 §C.2.2, which no host is in by accident, and a part of loopback's.
inline constexpr uint32_t kClientNet = 0xC6120000;    // 198.18.0.0/16
inline constexpr uint32_t kServerNet = 0xC6130000;    // 198.19.0.0/16
inline constexpr uint32_t kLoopbackNet = 0x7F400000;  // 127.64.0.0/16

}  // namespace sluice::load
