// What the two kernel backends have in common: the clock, and turning what the kernel wrote into packets.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/io/backend.h"
#include "net/io/control.h"
#include "net/io/factory.h"
#include "net/io/link/transmitter.h"
#include "net/io/socket.h"

namespace sluice::io {

/// CLOCK_MONOTONIC.
inline Micros monotonic_now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return {int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000};
}

inline timespec to_timespec(Micros d) {
  return {.tv_sec = d.us / 1'000'000, .tv_nsec = d.us % 1'000'000 * 1000};
}

/// A receiving socket and what it has told so far.
struct RxSocket {
  ShardSocket socket;
  uint32_t dropped = 0;  ///< last SO_RXQ_OVFL

  /// Fills in everything but slot, offset, len and rx_time.
  void describe(const uint8_t* name, std::span<const uint8_t> control, Packet& p, IoCounters& counters);
};

/// Takes up to kDrainBurst datagrams off a socket that no slot can be had for. Returns how many.
inline constexpr unsigned kDrainBurst = 64;
unsigned drain_to_nowhere(int fd, IoCounters& counters, DropCounters& drops);

/// What a backend of these options sends frames by; none without options.link.
std::expected<void, IoError> make_link(const BackendOptions& options, PacketPool& pool,
                                       std::unique_ptr<link::Transmitter>& out);

}  // namespace sluice::io
