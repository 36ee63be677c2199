#include "net/io/xdp/queue.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include "net/base/prefetch.h"
#include "net/wire/headers.h"

namespace sluice::io {
namespace {

/// Buffers for received frames, then those for frames to send.
constexpr size_t kAreaBytes = 2 * size_t{XdpQueue::kFrames} * XdpQueue::kFrameBytes;
/// Of Linux 6.17: frames sent in one system call. Older ones send 32.
constexpr int kMaxTxBudget = 9;
constexpr int kSendBufferBytes = 4 << 20;

/// Pages that the kernel writes frames to.
class Area {
 public:
  Area() = default;
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;
  ~Area() {
    if (at_ != nullptr) ::munmap(at_, kAreaBytes);
  }
  bool map() {
    void* at = ::mmap(nullptr, kAreaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return false;
    ::madvise(at, kAreaBytes, MADV_HUGEPAGE);
    at_ = static_cast<uint8_t*>(at);
    return true;
  }
  uint8_t* get() const { return at_; }

 private:
  uint8_t* at_ = nullptr;
};

struct CloseUmem {
  void operator()(xsk_umem* u) const { ::xsk_umem__delete(u); }
};
struct CloseSocket {
  void operator()(xsk_socket* s) const { ::xsk_socket__delete(s); }
};

IoError queue_error(int error, std::string_view what) {
  if (error == EPERM || error == EACCES)
    return {fmt::format("{} is not permitted", what), "grant CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF"};
  if (error == ENOBUFS || error == ENOMEM)
    return {fmt::format("{} may lock no more memory", what), "raise ulimit -l or grant CAP_IPC_LOCK"};
  if (error == EBUSY) return {fmt::format("{} is another program's", what), "see: ss --xdp -a"};
  return {fmt::format("{} fails: {}", what, std::strerror(error)), ""};
}

}  // namespace

struct XdpQueue::Impl {
  Area area;
  xsk_ring_prod fill{};
  xsk_ring_cons rx{};
  xsk_ring_prod tx{};
  xsk_ring_cons completed{};
  std::unique_ptr<xsk_umem, CloseUmem> umem;
  std::unique_ptr<xsk_socket, CloseSocket> socket;  // last, so first to go
  uint32_t ifindex = 0;
  bool zero_copy = false;
  uint64_t lost = 0;
  uint32_t unsent = 0;          // put() and not yet handed over
  std::vector<uint64_t> spare;  // addresses of buffers to send from

  int fd() const { return ::xsk_socket__fd(socket.get()); }
  std::expected<void, IoError> open(const std::string& interface, uint32_t queue);
  void reclaim();
  bool take(Bytes frame, Packet& p, PacketPool& pool, DropCounters& drops) const;
  void give_back(uint32_t at, uint32_t n);
};

std::expected<void, IoError> XdpQueue::Impl::open(const std::string& interface, uint32_t queue) {
  if (!area.map()) return std::unexpected(queue_error(errno, "memory for frames"));
  const xsk_umem_config memory{
      .fill_size = kFrames, .comp_size = kFrames, .frame_size = kFrameBytes, .frame_headroom = 0, .flags = 0};
  xsk_umem* made_umem = nullptr;
  if (const int r = ::xsk_umem__create(&made_umem, area.get(), kAreaBytes, &fill, &completed, &memory);
      r != 0)
    return std::unexpected(queue_error(-r, "registering memory for frames"));
  umem.reset(made_umem);
  xsk_socket_config config{};
  config.rx_size = kFrames;
  config.tx_size = kFrames;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags = XDP_USE_NEED_WAKEUP;
  xsk_socket* made = nullptr;
  if (const int r = ::xsk_socket__create(&made, interface.c_str(), queue, umem.get(), &rx, &tx, &config);
      r != 0)
    return std::unexpected(queue_error(-r, "an AF_XDP socket"));
  socket.reset(made);
  const uint32_t budget = kFrames;
  ::setsockopt(fd(), SOL_XDP, kMaxTxBudget, &budget, sizeof budget);
  ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof kSendBufferBytes);
  xdp_options options{};
  socklen_t length = sizeof options;
  zero_copy = ::getsockopt(fd(), SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
              (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  uint32_t at = 0;
  ::xsk_ring_prod__reserve(&fill, kFrames, &at);
  for (uint32_t i = 0; i < kFrames; ++i)
    *::xsk_ring_prod__fill_addr(&fill, at + i) = uint64_t{i} * kFrameBytes;
  ::xsk_ring_prod__submit(&fill, kFrames);
  spare.reserve(kFrames);
  for (uint64_t i = kFrames; i < 2 * uint64_t{kFrames}; ++i) spare.push_back(i * kFrameBytes);
  return {};
}

/// False: counted as dropped.
bool XdpQueue::Impl::take(Bytes frame, Packet& p, PacketPool& pool, DropCounters& drops) const {
  const auto refuse = [&](Drop why) {
    drops.add(why);
    return false;
  };
  const auto datagram =
      frame.size() < wire::kEthernetHeader
          ? std::nullopt
          : wire::read_ip_udp(frame.subspan(wire::kEthernetHeader), wire::Unsummed::accepted);
  if (!datagram) return refuse(Drop::bad_checksum);
  if (datagram->payload.size() > kMaxDatagram) return refuse(Drop::oversize);
  p.slot = pool.take();
  if (p.slot == kNoSlot) return refuse(Drop::pool_empty);
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(datagram->payload.size());
  p.remote = datagram->from;
  p.local = datagram->to;
  p.ifindex = ifindex;
  p.ecn = datagram->traffic_class & 3;
  std::ranges::copy(datagram->payload, pool.slot_bytes(p.slot) + kHeadroom);
  return true;
}

/// The buffers of `n` frames that have been read, from `at` on in the receive ring.
void XdpQueue::Impl::give_back(uint32_t at, uint32_t n) {
  uint32_t to = 0;
  // There is room: the ring has a place for each buffer.
  ::xsk_ring_prod__reserve(&fill, n, &to);
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t address = ::xsk_ring_cons__rx_desc(&rx, at + i)->addr;
    *::xsk_ring_prod__fill_addr(&fill, to + i) = address - address % kFrameBytes;
  }
  ::xsk_ring_prod__submit(&fill, n);
  ::xsk_ring_cons__release(&rx, n);
  if (::xsk_ring_prod__needs_wakeup(&fill)) [[unlikely]]
    ::recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

XdpQueue::XdpQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpQueue::~XdpQueue() = default;

std::expected<std::unique_ptr<XdpQueue>, IoError> XdpQueue::open(const std::string& interface,
                                                                 uint32_t ifindex, uint32_t queue) {
  auto impl = std::make_unique<Impl>();
  impl->ifindex = ifindex;
  if (auto ok = impl->open(interface, queue); !ok) return std::unexpected(ok.error());
  return std::unique_ptr<XdpQueue>(new XdpQueue(std::move(impl)));
}

int XdpQueue::fd() const { return impl_->fd(); }
uint32_t XdpQueue::ifindex() const { return impl_->ifindex; }
bool XdpQueue::zero_copy() const { return impl_->zero_copy; }

bool XdpQueue::receive(RxBatch& rx, PacketPool& pool, IoCounters& counters, DropCounters& drops) {
  constexpr uint32_t kAhead = 4;
  uint32_t at = 0;
  const uint32_t n = ::xsk_ring_cons__peek(&impl_->rx, static_cast<uint32_t>(rx.room()), &at);
  if (n == 0) return false;
  const auto frame = [&](uint32_t i) {
    const xdp_desc* d = ::xsk_ring_cons__rx_desc(&impl_->rx, at + i);
    return Bytes{impl_->area.get() + d->addr, d->len};
  };
  for (uint32_t i = 0; i < std::min(n, kAhead); ++i) prefetch(frame(i).data());
  for (uint32_t i = 0; i < n; ++i) {
    if (i + kAhead < n) prefetch(frame(i + kAhead).data());
    Packet p;
    if (!impl_->take(frame(i), p, pool, drops)) continue;
    rx.push(p);
    ++counters.rx_packets;
    counters.rx_bytes += p.len;
  }
  ++counters.rx_calls;
  impl_->give_back(at, n);
  return true;
}

/// Buffers of frames that have left.
void XdpQueue::Impl::reclaim() {
  uint32_t at = 0;
  const uint32_t n = ::xsk_ring_cons__peek(&completed, kFrames, &at);
  for (uint32_t i = 0; i < n; ++i) spare.push_back(*::xsk_ring_cons__comp_addr(&completed, at + i));
  ::xsk_ring_cons__release(&completed, n);
}

uint32_t XdpQueue::send_room() {
  impl_->reclaim();
  const auto buffers = static_cast<uint32_t>(impl_->spare.size());
  return std::min(buffers, ::xsk_prod_nb_free(&impl_->tx, buffers));
}

bool XdpQueue::put(std::span<const iovec> parts) {
  Impl& q = *impl_;
  uint8_t* const begin = q.area.get() + q.spare.back();
  size_t length = 0;
  for (const iovec& part : parts) {
    if (part.iov_len > kFrameBytes - length) return false;
    std::copy_n(static_cast<const uint8_t*>(part.iov_base), part.iov_len, begin + length);
    length += part.iov_len;
  }
  uint32_t at = 0;
  ::xsk_ring_prod__reserve(&q.tx, 1, &at);
  *::xsk_ring_prod__tx_desc(&q.tx, at) = {
      .addr = q.spare.back(), .len = static_cast<uint32_t>(length), .options = 0};
  q.spare.pop_back();
  ++q.unsent;
  return true;
}

uint32_t XdpQueue::send() {
  constexpr uint32_t kMostCalls = 16;
  Impl& q = *impl_;
  ::xsk_ring_prod__submit(&q.tx, std::exchange(q.unsent, 0));
  uint32_t calls = 0;
  while (::xsk_ring_prod__needs_wakeup(&q.tx) && calls < kMostCalls) {
    ++calls;
    const bool more = ::sendto(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno == EAGAIN;
    if (!more || ::xsk_prod_nb_free(&q.tx, kFrames) == kFrames) break;
  }
  return calls;
}

void XdpQueue::prepare_wait() {
  Impl& q = *impl_;
  if (::xsk_ring_prod__needs_wakeup(&q.fill)) ::recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  if (::xsk_prod_nb_free(&q.tx, kFrames) != kFrames) send();
}

uint64_t XdpQueue::take_lost() {
  xdp_statistics s{};
  socklen_t length = sizeof s;
  if (::getsockopt(fd(), SOL_XDP, XDP_STATISTICS, &s, &length) != 0) return 0;
  const uint64_t now = s.rx_dropped + s.rx_ring_full + s.rx_fill_ring_empty_descs;
  return now - std::exchange(impl_->lost, now);
}

}  // namespace sluice::io
