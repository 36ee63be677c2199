// Writes UDP datagrams as Ethernet frames by AF_PACKET: headers built here, one system call per batch and
// interface, past the kernel's UDP/IP stack and its queueing disciplines.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/io/backend.h"
#include "net/io/link/path.h"

namespace sluice::io::link {

/// Who computes the UDP checksum. Zero ("none", RFC 768) is not among them: NAT64 and some middleboxes drop
/// it.
enum class Checksum : uint8_t {
  software,  ///< here, over every byte
  offload,   ///< left to the device (or to nobody, where the frame never leaves the machine)
};

struct FrameOptions {
  bool gso = true;  ///< runs of equal sizes from one endpoint to another travel as one frame until the device
  Checksum checksum = Checksum::offload;
  uint32_t sndbuf_bytes = 4u << 20;  ///< asked for
};

/// What became of the datagrams that were queued.
struct Flushed {
  uint32_t packets = 0;   ///< left
  uint64_t bytes = 0;     ///< payload that left
  uint32_t calls = 0;     ///< system calls
  uint32_t segments = 0;  ///< of `packets`, those that left inside a segmented frame
  uint32_t full = 0;      ///< lost: the device's or the socket's queue was full
  uint32_t refused = 0;   ///< not sent: the interface is down or gone, or would not take the frame
};

/// One thread's transmit side of one network namespace: that of the thread that calls open(). Needs
/// CAP_NET_RAW at open() only. No allocation after open().
class FrameWriter {
 public:
  static constexpr uint32_t kCapacity = 256;  ///< datagrams between two flushes

  static std::expected<FrameWriter, IoError> open(const FrameOptions& options = {});
  FrameWriter(FrameWriter&&) noexcept;
  FrameWriter& operator=(FrameWriter&&) noexcept;
  ~FrameWriter();

  /// Whether a datagram of `payload_bytes` to an address of that family fits into `path`.
  static bool fits(const Path& path, bool ipv4, size_t payload_bytes);

  /// Queues a datagram. `local` and `remote` are of one family, both specified; the caller has asked fits().
  /// `payload` is read by flush(). `tag` names the datagram in refused(). False: the queue is full.
  bool push(const Path& path, const Endpoint& local, const Endpoint& remote, Bytes payload, uint32_t tag = 0);
  uint32_t queued() const;

  /// Hands all queued datagrams to the kernel in order, one call per run of datagrams that share an interface
  /// (more if the kernel takes only a part), without waiting, and empties the queue.
  Flushed flush();
  /// The tags of those that the last flush() counted as `refused`, in order; valid until the next push().
  std::span<const uint32_t> refused() const;

 private:
  struct Impl;
  explicit FrameWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::io::link
