// The relay endpoints of a grant, numbered: what tables over them are indexed by.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>

#include "net/base/endpoint.h"
#include "net/io/backend.h"

namespace sluice::io {

inline constexpr uint32_t kMaxRelayAddresses = 16;

/// Every port of the blocks that the range touches, on each address in turn; a block's ports are neighbours.
class PortSpace {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// An empty one, which contains nothing.
  PortSpace() = default;
  /// The error says what is wrong with `grant`: 1..kMaxRelayAddresses different unicast addresses, ports
  /// from 1.
  static std::expected<PortSpace, IoError> of(const RelayGrant& grant);

  bool operator==(const PortSpace&) const = default;

  uint32_t size() const { return addresses_ * blocks_ * kPortBlock; }
  /// kNone: not in the grant.
  uint32_t index(const Endpoint& e) const {
    if (e.port < ports_.lo || e.port > ports_.hi) return kNone;
    for (uint32_t i = 0; i < addresses_; ++i)
      if (address_[i] == e.addr) return i * blocks_ * kPortBlock + (e.port - first_);
    return kNone;
  }
  Endpoint at(uint32_t index) const {
    const uint32_t ports = blocks_ * kPortBlock;
    return {address_[index / ports], static_cast<uint16_t>(first_ + index % ports)};
  }

  std::span<const Address> addresses() const { return {address_.data(), addresses_}; }
  PortRange ports() const { return ports_; }
  /// Of each address.
  uint32_t blocks() const { return blocks_; }
  /// Of the block that begins at `first`; kNone: no such block, or none of its ports is granted.
  uint32_t block(uint16_t first) const {
    const bool ours = first % kPortBlock == 0 && first >= first_ && first <= ports_.hi;
    return ours && addresses_ > 0 ? (first - first_) / uint32_t{kPortBlock} : kNone;
  }
  /// Of the block in which the endpoint with `index` is, the same on every address.
  uint32_t block_of(uint32_t index) const { return index / kPortBlock % blocks_; }

 private:
  std::array<Address, kMaxRelayAddresses> address_{};
  uint32_t addresses_ = 0;
  uint32_t blocks_ = 0;
  PortRange ports_{.lo = 1, .hi = 0};
  uint16_t first_ = 0;  // ports_.lo, rounded down to a block
};

}  // namespace sluice::io
