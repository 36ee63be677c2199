// One queue of one interface without the kernel's UDP/IP stack: an AF_XDP socket and the memory that its
// frames are in. Received frames are read out of it, frames to send are written into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include <sys/uio.h>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/base/pool.h"
#include "net/io/backend.h"

namespace sluice::io {

class XdpQueue {
 public:
  /// Frames that can wait to be read, and as many to be sent. Each has a buffer of kFrameBytes.
  static constexpr uint32_t kFrames = 2048;
  static constexpr uint32_t kFrameBytes = 2048;

  /// Control thread, at start; frames arrive once a program leads them here. The error says why not, in words
  /// without what the interface and the queue are.
  static std::expected<std::unique_ptr<XdpQueue>, IoError> open(const std::string& interface,
                                                                uint32_t ifindex, uint32_t queue);
  ~XdpQueue();
  XdpQueue(const XdpQueue&) = delete;
  XdpQueue& operator=(const XdpQueue&) = delete;

  int fd() const;
  uint32_t ifindex() const;
  bool zero_copy() const;

  // One thread from now on.

  /// Appends what waits to `rx`, as far as that and `pool` have room, each copied to a slot. Datagrams that
  /// cannot be had are taken all the same and counted (pool_empty, oversize, bad_checksum). False: nothing
  /// waited. No system call, but where the driver asks to be woken.
  bool receive(RxBatch& rx, PacketPool& pool, IoCounters& counters, DropCounters& drops);
  /// Frames that put() takes now. Looks at what has left meanwhile; no system call.
  uint32_t send_room();
  /// Queues the frame that `parts` make up, in order; there is room for it. False: too long.
  bool put(std::span<const iovec> parts);
  /// Hands what was put() to the device. What it has no room for now leaves at a later call. Returns the
  /// system calls that took.
  uint32_t send();

  /// Before a wait for the queue's descriptor: the driver is woken for what it asks to be woken for. No system
  /// call otherwise.
  void prepare_wait();

  /// Received frames lost since the last call because they were not read in time. A system call.
  uint64_t take_lost();

 private:
  struct Impl;
  explicit XdpQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io
