// Accelerated receive: datagrams that are ours leave the kernel before its UDP/IP stack, by a BPF program at
// the interfaces (XDP) and AF_XDP sockets. A shortcut beside the sockets, which stay open: what the program
// does not know or cannot place (fragments, options, other shards' flows) arrives there.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/base/endpoint.h"
#include "net/io/backend.h"
#include "net/io/relay_ports.h"
#include "net/io/xdp/queue.h"

namespace sluice::io {

class Steering;

struct XdpOptions {
  uint32_t shards = 1;
  /// What the process listens on; an unspecified address stands for all that the host has now.
  std::span<const Endpoint> listens;
  /// Open ports of it arrive too, if it is steered. May be null; must outlive this.
  RelayPorts* ports = nullptr;
  /// Clients that belong to another shard than their queue's. May be null; must outlive this.
  Steering* steering = nullptr;
};

/// One per process, for the network namespace of the thread that makes it: one program at each interface that
/// has one of our addresses, loopback left out. Made before the backends and outlives them.
class XdpReceive {
 public:
  static constexpr uint32_t kMaxQueues = 64;  ///< of an interface; what comes by others goes by the sockets
  static constexpr uint32_t kMaxEndpoints = 1024;

  /// Control thread, at start; may allocate. The error says what is missing: capabilities, an interface, or
  /// that another program's XDP is there already.
  static std::expected<std::unique_ptr<XdpReceive>, IoError> attach(const XdpOptions& options);
  /// The programs go, and everything arrives by the sockets again.
  ~XdpReceive();
  XdpReceive(const XdpReceive&) = delete;
  XdpReceive& operator=(const XdpReceive&) = delete;

  /// The queues of a shard: q % shards == shard, of every interface. To be used by its thread only.
  std::span<const std::unique_ptr<XdpQueue>> queues(uint32_t shard) const;
  /// For the log: where it is on, how, and what it bypasses.
  std::string describe() const;

 private:
  struct Impl;
  explicit XdpReceive(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io
