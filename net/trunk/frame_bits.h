// The first two bytes of a frame, and endpoints in compact form. Private to net/trunk.
#pragma once

#include <cstring>

#include "net/trunk/wire.h"

namespace sluice::trunk {

inline constexpr uint8_t kIsFrame = 0x80;
inline constexpr uint8_t kClientV6 = 0x40;
inline constexpr uint8_t kHasLocal = 0x20;
inline constexpr uint8_t kLocalV6 = 0x10;
inline constexpr uint8_t kHasFlow = 0x08;
inline constexpr uint8_t kFirst = 0x04;
inline constexpr uint8_t kStun = 0x02;
inline constexpr uint8_t kDirect = 0x01;
inline constexpr uint8_t kEcnMask = 0x03;

inline constexpr size_t kFixedFrameBytes = 4;
inline constexpr size_t kV4Bytes = 2 + 4;
inline constexpr size_t kV6Bytes = 2 + 16;

inline uint8_t* put_endpoint(uint8_t* at, const Endpoint& e, bool v6) {
  store_be<uint16_t>(at, e.port);
  const size_t skip = v6 ? 0 : 12;
  std::memcpy(at + 2, e.addr.b.data() + skip, 16 - skip);
  return at + 2 + 16 - skip;
}

inline void read_endpoint(const uint8_t* at, Endpoint& e, bool v6) {
  e.port = load_be<uint16_t>(at);
  if (v6) {
    std::memcpy(e.addr.b.data(), at + 2, 16);
  } else {
    e.addr = Address::v4(0);
    std::memcpy(e.addr.b.data() + 12, at + 2, 4);
  }
}

}  // namespace sluice::trunk
