// Turns a TxBatch into kernel messages: socket, destination, source, and segmentation (UDP_SEGMENT) for runs
// of equal size to one destination; for steered relay ports the headers too. Shared by mmsg and uring. No
// allocation after construction and grant().
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "net/base/drop.h"
#include "net/base/packet.h"
#include "net/base/pool.h"
#include "net/io/address.h"
#include "net/io/backend.h"
#include "net/io/shard_ports.h"
#include "net/io/socket.h"
#include "net/wire/headers.h"

namespace sluice::io {

/// The kernel's limits of one segmented send: UDP_MAX_SEGMENTS (64 before Linux 6.9) and the IP length.
inline constexpr uint32_t kGsoSegments = 128;
inline constexpr uint32_t kGsoSegmentsOld = 64;
inline constexpr uint32_t kGsoBytes = 65'000;

/// Whether a send failed because the socket's buffer, or the device's queue, is full.
constexpr bool is_full(int error) { return error == EAGAIN || error == ENOBUFS; }

inline constexpr uint32_t kFirstPort = 256;
static_assert(kFirstPort > kMaxListens);

/// One sendmsg(): packets [first, first + count) of the batch.
struct TxMessage {
  uint32_t socket = 0;  ///< below kFirstPort: one of TxPlan's own; else kFirstPort + a relay port's index
  uint16_t first = 0;
  uint16_t count = 0;
  uint32_t bytes = 0;
};

class TxPlan {
 public:
  TxPlan(std::span<const ShardSocket> sockets, const PacketPool& pool, bool gso);

  /// From now on packets may leave from `ports`, which must outlive this; steered ones leave by sockets that
  /// are appended to sockets().
  void grant(const ShardPorts& ports);

  std::span<const ShardSocket> sockets() const { return sockets_; }

  /// Plans the whole batch; packets without a socket are counted in `drops` and not planned. The results are
  /// valid until the next call and as long as the slots are.
  void build(const TxBatch& tx, DropCounters& drops);

  size_t size() const { return n_; }
  const TxMessage& message(size_t i) const { return messages_[i]; }
  /// One per message, in order.
  std::span<mmsghdr> headers() { return {headers_.data(), n_}; }

  /// Sends messages [first, size()) by sendmmsg().
  void send_from(const TxBatch& tx, size_t first, IoCounters& counters, DropCounters& drops);

  // For a caller that hands headers() to the kernel itself:

  /// Whether message `i` is one run of bytes with a destination and nothing else.
  bool is_plain(size_t i) const {
    return headers_[i].msg_hdr.msg_iovlen == 1 && headers_[i].msg_hdr.msg_controllen == 0;
  }
  /// Message `i` has left.
  void sent(size_t i, IoCounters& counters) const;
  /// The kernel refused message `i` with `error`: counts it in `drops`, or, where that may have been for its
  /// segmentation or an earlier datagram's ICMP error, sends its packets one by one, and learns for later
  /// batches.
  void refused(const TxBatch& tx, size_t i, int error, IoCounters& counters, DropCounters& drops);

 private:
  struct alignas(8) Control {
    std::array<uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))> b;
  };

  static constexpr uint32_t kNoSocket = UINT32_MAX;

  static int send_plain(int fd, const msghdr& h);
  void send_run(const TxBatch& tx, size_t from, size_t to, IoCounters& counters, DropCounters& drops);
  uint32_t socket_for(const Packet& p) const;
  uint32_t port_for(const Packet& p) const;
  ShardSocket socket_at(uint32_t socket, const Packet& p) const;
  bool may_segment(uint32_t socket) const { return socket < kFirstPort && !gso_off_[socket]; }
  bool joins(const TxBatch& tx, const TxMessage& m, const Packet& p) const;
  void finish(const TxBatch& tx, size_t i);
  void address(const Packet& p, const ShardSocket& s, size_t i);
  void prepend_headers(const Packet& p, size_t i);
  bool send_fragmented(const Packet& p) const;
  size_t split(const TxBatch& tx, size_t i);
  static size_t source_control(const Packet& p, const ShardSocket& s, uint8_t* at);

  size_t listens_;  // of sockets_, those at the front
  std::vector<ShardSocket> sockets_;
  std::vector<uint8_t> gso_off_;  // per socket
  const ShardPorts* ports_ = nullptr;
  uint32_t raw_[2] = {kNoSocket, kNoSocket};  // IPv4's and IPv6's
  const PacketPool& pool_;
  uint32_t max_segments_;
  size_t n_ = 0;
  std::array<TxMessage, kTxBurst> messages_;
  std::array<mmsghdr, kTxBurst> headers_;
  std::array<iovec, kTxBurst> iov_;  // index == packet's index in the batch
  std::array<SocketAddress, kTxBurst> names_;
  std::array<Control, kTxBurst> control_;
  std::array<mmsghdr, kGsoSegments> split_;
  // A slot may be in the batch twice, so headers do not go into its headroom.
  struct Raw {
    std::array<iovec, 2> iov;
    std::array<uint8_t, wire::kIpUdpMax> headers;
  };
  std::array<Raw, kTxBurst> raw_parts_;
};

}  // namespace sluice::io
