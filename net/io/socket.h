// Opens the UDP sockets that the kernel backends share out among shards. Control thread, at start; may
// allocate.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "net/base/endpoint.h"
#include "net/io/backend.h"

namespace sluice::io {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Fd& operator=(Fd&& o) noexcept {
    if (this != &o) reset(std::exchange(o.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// The caller's to close from now on.
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

enum class SocketUse : uint8_t {
  listen,
  steered,  ///< receives what arrives at relay ports; each datagram tells its real destination
  raw,      ///< sends datagrams with headers of our own, from any relay port
};

/// One shard's socket of one listen group, or for relay ports. Does not own `fd`.
struct ShardSocket {
  int fd = -1;
  Endpoint bound;           ///< the address as listened on (may be a wildcard) and the real port
  bool ipv6 = false;        ///< family of the socket
  bool dual_stack = false;  ///< an IPv6 wildcard that serves IPv4 too
  SocketUse use = SocketUse::listen;
};

struct SocketOptions {
  uint32_t shards = 1;               ///< 1..kMaxSocketShards sockets per listen
  uint32_t rcvbuf_bytes = 8u << 20;  ///< asked for per socket
  uint32_t sndbuf_bytes = 4u << 20;
  /// How long a port in use is tried again, all together: io_uring keeps the sockets of a process that was
  /// killed for a moment.
  uint32_t bind_patience_ms = 0;
  /// Port 0 picks none of these; default: any may be picked.
  PortRange reserved{};
  /// Whether datagrams tell their congestion mark; nothing here acts on it yet, and it costs CPU.
  bool ecn = false;
};
inline constexpr uint32_t kMaxSocketShards = 256;
inline constexpr size_t kMaxListens = 64;

/// Every socket of the process: one SO_REUSEPORT group per listen, one member per shard, bound in shard
/// order, so that index in the group == shard. Nonblocking, close-on-exec, with drop count and, where it is
/// not the bound one, destination address delivered as control messages. Movable; must outlive the backends.
class ListenSockets {
 public:
  /// `listens`: 1..kMaxListens endpoints. Port 0 picks one port that all shards share. "[::]" serves IPv4 as
  /// well unless 0.0.0.0 on the same port is listed, and falls back to 0.0.0.0 on a host without IPv6.
  /// Nothing stays open after an error.
  static std::expected<ListenSockets, IoError> open(std::span<const Endpoint> listens,
                                                    const SocketOptions& options);

  uint32_t shards() const { return shards_; }
  /// In the order of `listens`, with the port that was really bound.
  std::span<const Endpoint> bound() const { return bound_; }
  /// True if any listen serves the family on a wildcard or an address of that family.
  bool serves_ipv4() const;
  bool serves_ipv6() const;
  /// One socket per listen, in the order of `listens`.
  std::span<const ShardSocket> shard(uint32_t shard) const { return by_shard_.at(shard); }
  /// Group `listen`'s sockets in shard order; not owned.
  std::vector<int> group(size_t listen) const;

  /// Granted by the kernel for every socket (the smallest of them), in the kernel's own accounting (twice the
  /// bytes asked for is normal).
  uint32_t rcvbuf_granted() const { return rcvbuf_granted_; }
  uint32_t sndbuf_granted() const { return sndbuf_granted_; }
  /// Each is worth one log line: a clamped buffer, no IPv6, a port that was waited for.
  std::span<const std::string> notes() const { return notes_; }

 private:
  std::expected<void, IoError> bind_patiently(int fd, const ShardSocket& s);
  std::expected<Fd, IoError> first_of_group(ShardSocket& s, const SocketOptions& options);
  std::expected<Fd, IoError> next_of_group(const ShardSocket& s, bool ecn);
  std::expected<void, IoError> open_group(Endpoint e, std::span<const Endpoint> listens,
                                          const SocketOptions& options);

  std::vector<Fd> fds_;
  std::vector<Endpoint> bound_;
  std::vector<std::vector<ShardSocket>> by_shard_;
  std::vector<std::string> notes_;
  uint32_t shards_ = 0;
  uint32_t rcvbuf_granted_ = 0;
  uint32_t sndbuf_granted_ = 0;
  uint32_t patience_ms_ = 0;  ///< that is left
};

struct LocalAddress {
  Address addr;
  uint32_t ifindex = 0;
  std::string interface;
  bool loopback = false;
  bool running = true;  ///< the interface has a carrier
};

/// The host's unicast addresses on interfaces that are up, without link-local ones, IPv4 first, each once.
/// For ICE candidates use those with loopback == false, or the loopback ones if nothing else is there or a
/// listen is on one.
std::expected<std::vector<LocalAddress>, IoError> local_addresses();

}  // namespace sluice::io
