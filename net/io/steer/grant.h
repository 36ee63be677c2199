// Relay ports as the BPF programs are told of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "net/io/port_space.h"

namespace sluice::io {

/// As struct grant of grant.bpf.h.
struct Grant {
  uint32_t addresses = 0;
  uint32_t lo = 1;
  uint32_t hi = 0;
  uint32_t blocks = 0;
  std::array<Address, kMaxRelayAddresses> address{};
};
static_assert(sizeof(Grant) == 16 + 16 * kMaxRelayAddresses);

inline Grant grant_of(const PortSpace& space) {
  Grant g{.addresses = static_cast<uint32_t>(space.addresses().size()),
          .lo = space.at(0).port,
          .hi = space.ports().hi,
          .blocks = space.blocks()};
  std::ranges::copy(space.addresses(), g.address.begin());
  return g;
}

}  // namespace sluice::io
