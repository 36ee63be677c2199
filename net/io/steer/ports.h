// Delivers open relay ports to one socket per shard and family inside the kernel (BPF of type SK_LOOKUP), and
// has raw sockets that send from them. Opening a port is one store to shared memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>

#include "net/io/backend.h"
#include "net/io/port_space.h"
#include "net/io/socket.h"

namespace sluice::io {

/// One per process, for the network namespace of the thread that makes it. Made before the backends and
/// outlives them.
class SteeredPorts {
 public:
  static constexpr uint32_t kShardsMax = 255;

  /// `rcvbuf_bytes`: asked for per receiving socket. The error says in one line why not (built without clang,
  /// no CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, old kernel). Control thread; may allocate.
  static std::expected<SteeredPorts, IoError> attach(const PortSpace& space, uint32_t shards,
                                                     uint32_t rcvbuf_bytes);

  SteeredPorts(SteeredPorts&&) noexcept;
  SteeredPorts& operator=(SteeredPorts&&) noexcept;
  /// Detaches; the ports are closed ports again.
  ~SteeredPorts();

  /// One per granted family: what a shard receives from, use == SocketUse::steered.
  std::span<const ShardSocket> receivers(uint32_t shard) const;
  /// One per granted family: what a shard sends by, use == SocketUse::raw.
  std::span<const ShardSocket> senders(uint32_t shard) const;
  /// Granted by the kernel for every receiver (the smallest of them), in its own accounting.
  uint32_t rcvbuf_granted() const;
  /// For other programs: by block of ports, who has them open. Lives as long as this; -1: not built in.
  int owners_map() const;

  // Any thread; each port is one shard's business. `index` as PortSpace numbers it.

  void open(uint32_t shard, uint32_t index) {
    owner(index).store(static_cast<uint8_t>(shard + 1), std::memory_order_relaxed);
  }
  void close(uint32_t index) { owner(index).store(0, std::memory_order_relaxed); }
  bool is_open(uint32_t shard, uint32_t index) const {
    return owner(index).load(std::memory_order_relaxed) == shard + 1;
  }

 private:
  struct Impl;
  explicit SteeredPorts(std::unique_ptr<Impl> impl);
  /// The BPF program reads it at any time; a byte is whole or not there yet.
  std::atomic_ref<uint8_t> owner(uint32_t index) const { return std::atomic_ref(owners_[index]); }

  std::unique_ptr<Impl> impl_;
  uint8_t* owners_ = nullptr;  // of impl_
};

}  // namespace sluice::io
