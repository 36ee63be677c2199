#include "net/io/kernel.h"

#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/xdp/receive.h"

namespace sluice::io {

void RxSocket::describe(const uint8_t* name, std::span<const uint8_t> control, Packet& p,
                        IoCounters& counters) {
  const RxControl c = parse_control(control);
  p.remote = from_sockaddr(name);
  p.local = {.addr = c.has_local ? c.local : socket.bound.addr,
             .port = c.local_port != 0 ? c.local_port : socket.bound.port};
  p.ifindex = c.ifindex;
  p.ecn = c.ecn;
  if (c.has_dropped) {
    counters.kernel_drops += c.dropped - dropped;
    dropped = c.dropped;
  }
}

unsigned drain_to_nowhere(int fd, IoCounters& counters, DropCounters& drops) {
  std::array<mmsghdr, kDrainBurst> headers{};  // no iovec: the kernel drops what has no room
  const int n = ::recvmmsg(fd, headers.data(), kDrainBurst, MSG_DONTWAIT, nullptr);
  ++counters.rx_calls;
  if (n <= 0) return 0;
  drops.add(Drop::pool_empty, static_cast<uint64_t>(n));
  return static_cast<unsigned>(n);
}

std::expected<void, IoError> make_link(const BackendOptions& options, PacketPool& pool,
                                       std::unique_ptr<link::Transmitter>& out) {
  if (!options.link) return {};
  link::FrameOptions frames{.gso = options.gso};
  if (options.xdp) frames.queues = options.xdp->queues(options.shard);
  auto made = link::Transmitter::make(*options.link, pool, {.frames = frames});
  if (!made) return std::unexpected(made.error());
  out = std::move(*made);
  return {};
}

}  // namespace sluice::io
