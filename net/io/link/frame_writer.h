// Writes UDP datagrams as Ethernet frames by AF_PACKET: headers built here, one system call per batch and
// interface, past the kernel's UDP/IP stack and its queueing disciplines.
//
// Of the ways to hand frames over, measured on veth with 172-byte payloads (bench/link_bench): sendmmsg() on
// a bound packet socket costs 0.48 of what sendmmsg() on a UDP socket does; a ring (PACKET_TX_RING) 0.54,
// since the device copies out of it; an io_uring 0.54; naming the interface in each message 2 % more. The
// checksum is cheaper summed here than described to the kernel (PACKET_VNET_HDR); where that header is
// needed anyway, for runs that the kernel segments, the kernel sums.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/io/backend.h"
#include "net/io/link/path.h"
#include "net/io/xdp/queue.h"

namespace sluice::io::link {

struct FrameOptions {
  bool gso = true;  ///< runs of equal sizes from one endpoint to another travel as one frame until the device
  uint32_t sndbuf_bytes = 4u << 20;  ///< asked for
  /// Where one is of a frame's interface, and a batch there has no run, it is sent by that instead of a
  /// packet socket. Each is this thread's alone and must outlive the writer.
  std::span<const std::unique_ptr<XdpQueue>> queues{};
};

/// What became of the datagrams that were queued.
struct Flushed {
  uint32_t packets = 0;   ///< left
  uint64_t bytes = 0;     ///< payload that left
  uint32_t calls = 0;     ///< system calls
  uint32_t segments = 0;  ///< of `packets`, those that left inside a segmented frame
  uint32_t full = 0;      ///< lost: the device's or the socket's queue was full
};

/// One thread's transmit side of one network namespace: that of the thread that calls open(). Needs
/// CAP_NET_RAW at open() only. No allocation after open().
class FrameWriter {
 public:
  static constexpr uint32_t kCapacity = 256;  ///< datagrams between two flushes
  static constexpr uint32_t kInterfaces = 4;  ///< between two flushes

  static std::expected<FrameWriter, IoError> open(const FrameOptions& options = {});
  FrameWriter(FrameWriter&&) noexcept;
  FrameWriter& operator=(FrameWriter&&) noexcept;
  ~FrameWriter();

  /// Whether a datagram of `payload_bytes` to an address of that family fits into `path`.
  static constexpr bool fits(const Path& path, bool ipv4, size_t payload_bytes) {
    return wire::ip_udp_header(ipv4) + payload_bytes <= path.mtu;
  }

  /// Bytes in front of a payload that a frame's headers take at most.
  static constexpr size_t kRoom = 80;

  /// Queues a datagram. `local` and `remote` are of one family, both specified; the caller has asked fits().
  /// `payload` is read by flush(). With `has_room` the kRoom bytes in front of it may be written to, which
  /// saves the kernel a piece to gather. `tag` names the datagram in refused(). False: kCapacity datagrams
  /// are queued, or this would be one interface too many, or the interface is gone.
  bool push(const Path& path, const Endpoint& local, const Endpoint& remote, Bytes payload, uint32_t tag = 0,
            bool has_room = false);
  uint32_t queued() const;

  /// Hands all queued datagrams to the kernel, in order per interface and by one call for each (more if the
  /// kernel takes only a part), without waiting, and empties the queue.
  Flushed flush();
  /// The tags of those that the last flush() could not send, because the interface is down, gone or would not
  /// take the frame. Valid until the next push().
  std::span<const uint32_t> refused() const;

 private:
  struct Impl;
  explicit FrameWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io::link
