// Which protocol a UDP payload belongs to, by its first byte (RFC 7983 §7, updated by RFC 9443 §3) and,
// between RTP and RTCP, by the second (RFC 5761 §4). Pure.
#pragma once

#include <cstdint>

#include "net/base/bytes.h"

namespace sluice::wire {

enum class PacketClass : uint8_t { runt, stun, zrtp, dtls, turn_channel, quic, rtp, rtcp, unknown };

constexpr PacketClass classify(Bytes b) {
  if (b.size() < 4) return PacketClass::runt;
  const uint8_t first = b[0];
  if (first <= 3) return PacketClass::stun;
  if (first >= 128 && first <= 191) {
    // RFC 5761 §4: RTCP packet types 192..223 collide with no dynamic RTP payload type.
    return b[1] >= 192 && b[1] <= 223 ? PacketClass::rtcp : PacketClass::rtp;
  }
  if (first >= 20 && first <= 63) return PacketClass::dtls;
  if (first >= 64 && first <= 79) return PacketClass::turn_channel;
  if (first >= 16 && first <= 19) return PacketClass::zrtp;
  // RFC 9443 §3: 80..127 and 192..255.
  if (first >= 80) return PacketClass::quic;
  return PacketClass::unknown;
}

}  // namespace sluice::wire
