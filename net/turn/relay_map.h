// Relay endpoint -> allocation, by direct index. Pure.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/turn/types.h"

namespace sluice::turn {

/// One cell per relay address and port. Owner thread only.
class RelayMap {
 public:
  static constexpr size_t bytes_for(const Limits& l) {
    return size_t{l.relay_addresses} * ports(l) * sizeof(uint32_t);
  }

  RelayMap() = default;
  /// `memory` zeroed.
  RelayMap(std::span<std::byte> memory, const Limits& l, std::span<const Address> addresses)
      : cells_(reinterpret_cast<uint32_t*>(memory.data())),
        addresses_(addresses),
        lo_(l.port_lo),
        ports_(ports(l)) {
    assert(memory.size() >= bytes_for(l) && addresses.size() <= l.relay_addresses);
  }

  /// kNoAllocation if nobody's.
  uint32_t find(const Endpoint& relay) const {
    const uint32_t* c = cell(relay);
    return c == nullptr ? kNoAllocation : *c - 1;
  }
  void prefetch(const Endpoint& relay) const {
    if (const uint32_t* c = cell(relay)) __builtin_prefetch(c);
  }
  /// False if the endpoint is outside the map or taken.
  bool set(const Endpoint& relay, uint32_t allocation) {
    uint32_t* c = cell(relay);
    if (c == nullptr || *c != 0) return false;
    *c = allocation + 1;
    return true;
  }
  void clear(const Endpoint& relay) {
    if (uint32_t* c = cell(relay)) *c = 0;
  }

 private:
  static constexpr uint32_t ports(const Limits& l) {
    return l.port_hi < l.port_lo ? 0 : uint32_t{l.port_hi} - l.port_lo + 1;
  }
  uint32_t* cell(const Endpoint& e) const {
    const uint32_t port = uint32_t{e.port} - lo_;
    if (port >= ports_) return nullptr;
    for (size_t i = 0; i < addresses_.size(); ++i)
      if (addresses_[i] == e.addr) return cells_ + i * ports_ + port;
    return nullptr;
  }

  uint32_t* cells_ = nullptr;  ///< allocation + 1
  std::span<const Address> addresses_;
  uint32_t lo_ = 0;
  uint32_t ports_ = 0;
};
static_assert(kNoAllocation == uint32_t{0} - 1);

}  // namespace sluice::turn
