// Values of Packet::ifindex that name no interface of the host but a way of the engine's own. Pure.
#pragma once

#include <cstdint>

namespace sluice {

/// Packet::ifindex of what came by, and is to go by, a TCP or TLS stream: this mark and, below, the stream's
/// name (engine/slow/stream_messages.h). `remote` and `local` are then the TCP endpoints. The kernel counts
/// its interfaces from 1 and never gets there.
inline constexpr uint32_t kStreamInterface = 0x4000'0000;
/// The stream carries TURN (RFC 8656 §2.1), else datagrams framed by RFC 4571.
inline constexpr uint32_t kTurnStream = 0x2000'0000;

constexpr bool is_stream(uint32_t ifindex) { return ifindex >> 30 == 1; }
constexpr bool is_turn_stream(uint32_t ifindex) { return ifindex >> 29 == 3; }
/// What of it tells two flows between the same endpoints apart.
constexpr uint32_t stream_of(uint32_t ifindex) { return is_stream(ifindex) ? ifindex : 0; }

}  // namespace sluice
