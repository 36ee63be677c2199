// How the generator's packets travel: by sockets or by frames. One per thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "tools/load/schedule.h"

namespace sluice::load {

Nanos now_ns();  ///< CLOCK_MONOTONIC

/// One of our own endpoints: the client of session n, its partner (same address, neighbouring port: the
/// client's with the lowest bit flipped), or far side n.
struct Local {
  enum Kind : uint32_t { client = 0, partner = 1, server = 2 };
  uint32_t v = 0;

  static constexpr Local of(Kind k, uint32_t index) { return {uint32_t{k} << 30 | index}; }
  constexpr Kind kind() const { return static_cast<Kind>(v >> 30); }
  constexpr uint32_t index() const { return v & ((1U << 30) - 1); }
};

inline constexpr size_t kBatch = 64;
inline constexpr size_t kHeadroom = 128;  ///< in front of a payload, for what a protocol puts there
inline constexpr size_t kMaxPayload = 1400;

struct RxPacket {
  Local local;
  Endpoint remote;
  MutBytes data;
  Nanos at = 0;
  Bytes media = {};    ///< set by a Protocol: an RTP packet as write_rtp() makes them; empty: it was no media
  uint16_t relay = 0;  ///< what a trunk carried: the relay's shard that it came from, as its far side counts
};

struct TxPacket {
  Local local;
  Endpoint remote;
  uint8_t* data = nullptr;  ///< kHeadroom bytes in front of it are writable, and kMaxPayload from it on
  uint16_t len = 0;
  uint32_t session = 0;
};

struct WireCounters {
  uint64_t tx_packets = 0, rx_packets = 0;
  uint64_t tx_refused = 0;  ///< the kernel would not send them
  uint64_t rx_dropped = 0;  ///< arrived, but there was no room in our own buffer
  bool operator==(const WireCounters&) const = default;
};

class Wire {
 public:
  virtual ~Wire() = default;
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  virtual Endpoint endpoint(Local local) const = 0;
  /// What is there, at most kBatch packets; valid until the next call.
  virtual std::span<RxPacket> receive() = 0;
  virtual void send(std::span<TxPacket> packets) = 0;
  /// Until something arrives, at most until `until`.
  virtual void wait(Nanos until) = 0;
  virtual WireCounters counters() = 0;
  virtual Nanos now() const { return now_ns(); }
  /// "2 sockets, 1 000 source addresses"
  virtual std::string describe() const = 0;
};

/// Collects packets for a Wire; a packet may be given up by not committing it.
class TxQueue {
 public:
  /// What happens to packets before they leave; returns how many do, from the front.
  using Seal = size_t (*)(void* self, std::span<TxPacket> packets);

  explicit TxQueue(Wire& wire, void* self = nullptr, Seal seal = nullptr)
      : wire_(wire), self_(self), seal_(seal), memory_(kBatch * kSlot, 0xA5) {}

  /// The next packet with `data` at its memory. The memory keeps what was written there 64 packets ago.
  TxPacket& open(Local local, const Endpoint& remote) {
    if (n_ == kBatch) flush();
    TxPacket& p = packets_[n_];
    p = {local, remote, memory_.data() + n_ * kSlot + kHeadroom, 0, 0};
    return p;
  }
  void commit() { ++n_; }
  void flush() {
    if (n_ == 0) return;
    const std::span all(packets_.data(), n_);
    const size_t left = seal_ != nullptr ? seal_(self_, all) : n_;
    if (left > 0) wire_.send(all.first(left));
    n_ = 0;
  }
  void set_seal(void* self, Seal seal) {
    self_ = self;
    seal_ = seal;
  }

 private:
  static constexpr size_t kSlot = kHeadroom + kMaxPayload + 136;  // a multiple of 64, and room for tags

  Wire& wire_;
  void* self_;
  Seal seal_;
  std::vector<uint8_t> memory_;
  std::array<TxPacket, kBatch> packets_;
  size_t n_ = 0;
};

}  // namespace sluice::load
