// The Internet checksum (RFC 1071). Pure.
#pragma once

#include <cstdint>
#include <cstring>

#include "net/base/bytes.h"

namespace sluice::wire {

/// Adds `b` to a running sum, in the machine's own byte order: RFC 1071 §2(B): the folded sum then has its
/// bytes where the packet has them. An odd last byte is padded, so only the last part of a sum may be odd.
/// Up to 2^32 bytes.
inline uint64_t add_to_sum(uint64_t sum, Bytes b) {
  uint64_t low = 0;
  uint64_t high = 0;
  const uint8_t* p = b.data();
  size_t left = b.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t v;
    std::memcpy(&v, p, sizeof v);
    low += v & UINT32_MAX;
    high += v >> 32;
  }
  if (left > 0) {
    uint64_t v = 0;
    std::memcpy(&v, p, left);
    low += v & UINT32_MAX;
    high += v >> 32;
  }
  return sum + low + high;
}

/// The one's complement of the sum, to be copied into a header as it is.
constexpr uint16_t finish_sum(uint64_t sum) {
  sum = (sum & UINT32_MAX) + (sum >> 32);
  sum = (sum & UINT32_MAX) + (sum >> 32);
  sum = (sum & UINT16_MAX) + (sum >> 16);
  sum = (sum & UINT16_MAX) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/// 0 over bytes that contain their own, right checksum.
inline uint16_t checksum(Bytes b) { return finish_sum(add_to_sum(0, b)); }

}  // namespace sluice::wire
