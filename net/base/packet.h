// A packet's metadata (one cache line) and a batch of them. Pure.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/endpoint.h"
#include "net/base/units.h"

namespace sluice {

/// Index of a fixed-size slot in a PacketPool.
using SlotIndex = uint32_t;
inline constexpr SlotIndex kNoSlot = UINT32_MAX;

/// Bytes of a slot, metadata not counted. Payloads start at kHeadroom, so the longest datagram that fits is
/// kSlotBytes - kHeadroom; what protocols append (SRTP tag and index: at most 20 bytes) goes behind the
/// payload.
inline constexpr uint32_t kSlotBytes = 2048;
inline constexpr uint32_t kHeadroom = 128;
inline constexpr uint32_t kTailroom = 64;
inline constexpr uint32_t kMaxDatagram = kSlotBytes - kHeadroom - kTailroom;

/// A UDP payload in a slot. Owned by whoever holds it: exactly one batch, ring, history or delay line.
struct alignas(64) Packet {
  SlotIndex slot = kNoSlot;
  uint16_t offset = 0;  ///< of the payload's first byte in the slot
  uint16_t len = 0;     ///< of the payload
  Endpoint remote;      ///< received: source; sent: destination
  Endpoint local;       ///< received: destination; sent: source, one that the backend has granted
  uint32_t ifindex =
      0;  ///< interface it arrived on; 0 unknown, but for link-local addresses, to answer which it is needed
  Micros rx_time;    ///< when the batch that brought it was read
  uint8_t ecn = 0;   ///< RFC 3168 codepoint, 0..3, where the sockets were asked for it
  uint8_t kind = 0;  ///< net/wire/classify.h PacketClass, filled in by the shard
  uint16_t aux = 0;  ///< free for the role that holds the packet
};
static_assert(sizeof(Packet) == 64);

/// Packets of one receive or send call. Fixed capacity, no allocation.
template <size_t N>
class BasicBatch {
 public:
  static constexpr size_t kCapacity = N;

  size_t size() const { return n_; }
  size_t room() const { return N - n_; }
  bool empty() const { return n_ == 0; }
  bool full() const { return n_ == N; }
  void clear() { n_ = 0; }
  void truncate(size_t n) {
    assert(n <= n_);
    n_ = n;
  }
  Packet& push() {
    assert(n_ < N);
    return p_[n_++] = Packet{};
  }
  void push(const Packet& p) {
    assert(n_ < N);
    p_[n_++] = p;
  }
  Packet& operator[](size_t i) { return p_[i]; }
  const Packet& operator[](size_t i) const { return p_[i]; }
  Packet* begin() { return p_; }
  Packet* end() { return p_ + n_; }
  const Packet* begin() const { return p_; }
  const Packet* end() const { return p_ + n_; }

 private:
  size_t n_ = 0;
  Packet p_[N];
};

/// Burst 64 is as good as it gets for prefetching look-ups (measured); 8 gets most of it.
inline constexpr size_t kRxBurst = 64;
inline constexpr size_t kTxBurst = 256;
using RxBatch = BasicBatch<kRxBurst>;
using TxBatch = BasicBatch<kTxBurst>;

}  // namespace sluice
