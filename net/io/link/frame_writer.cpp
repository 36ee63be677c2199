#include "net/io/link/frame_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "net/io/socket.h"
#include "net/io/tx_plan.h"

namespace sluice::io::link {
namespace {

// struct virtio_net_hdr of <linux/virtio_net.h>, which is not C++, in the machine's byte order.
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
static_assert(sizeof(VnetHeader) == 10);
constexpr uint8_t kNeedsCsum = 1;
constexpr uint8_t kGsoUdp = 5;  // VIRTIO_NET_HDR_GSO_UDP_L4

/// The frame's headers with the virtio header in front, which only segmenting sockets are given.
struct alignas(16) Headers {
  static constexpr size_t kFrame = 16;
  static_assert(kFrame >= sizeof(VnetHeader));
  std::array<uint8_t, 80> b;
};
static_assert(Headers::kFrame + wire::kFrameHeaderMax <= sizeof(Headers));
static_assert(sizeof(VnetHeader) + wire::kFrameHeaderMax <= FrameWriter::kRoom);

/// One frame, or a run that the kernel makes frames of.
struct Message {
  uint16_t interface = 0;
  uint16_t count = 0;
  uint16_t iov = 0;  ///< the headers', then one per datagram
  bool has_room = false;
  uint16_t tag = 0;  ///< index of the first datagram's
  uint32_t bytes = 0;
};

struct Interface {
  uint32_t ifindex = 0;
  bool used = false;     ///< since the last flush
  bool runs = false;     ///< one of its messages is a run
  bool segments = true;  ///< no run was ever refused
  Fd plain;
  Fd segmenting;
  XdpQueue* queue = nullptr;
};

IoError open_error(int error) {
  if (error == EPERM || error == EACCES)
    return {"no permission for packet sockets, so there is no transmit with prebuilt headers",
            "give the program CAP_NET_RAW: setcap cap_net_raw+ep, or AmbientCapabilities=CAP_NET_RAW in its "
            "unit"};
  return {fmt::format("no packet socket: {}", std::strerror(error)), ""};
}

/// Protocol 0: it sends and never receives.
Fd packet_socket(bool segmenting, uint32_t sndbuf) {
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  const auto bytes = static_cast<int>(sndbuf);
  if (!fd || ::setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) != 0 ||
      (segmenting && ::setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) != 0))
    return {};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return fd;
}

bool bind_to(const Fd& fd, uint32_t ifindex) {
  sockaddr_ll a{};
  a.sll_family = AF_PACKET;
  a.sll_ifindex = static_cast<int>(ifindex);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
}

bool is_gone(int error) { return error == ENETDOWN || error == ENXIO || error == ENODEV; }

}  // namespace

struct FrameWriter::Impl {
  std::array<Interface, kInterfaces> interfaces;
  bool gso = true;
  std::span<const std::unique_ptr<XdpQueue>> queues;

  uint32_t datagrams = 0;
  uint32_t messages = 0;
  uint32_t iovs = 0;
  uint32_t refusals = 0;
  // Of the last message, which may still grow.
  Path path;
  Endpoint local;
  Endpoint remote;

  std::array<Message, kCapacity> message;
  std::array<Headers, kCapacity> headers;
  std::array<iovec, size_t{2} * kCapacity> iov;
  std::array<uint32_t, kCapacity> tags;
  std::array<uint32_t, kCapacity> refused;
  // While one interface is flushed.
  std::array<mmsghdr, kCapacity> header;
  std::array<uint16_t, kCapacity> order;

  Bytes payload(const Message& m) const {
    const iovec& v = iov[m.iov + 1u];
    return {static_cast<const uint8_t*>(v.iov_base), v.iov_len};
  }
  bool joins(const Path& to, const Endpoint& from, const Endpoint& dest, size_t bytes) const;
  int interface_for(uint32_t ifindex);
  void finish(Message& m, Headers& h);
  void flush(size_t interface, Flushed& f);
  bool flush_by_queue(Interface& i, uint32_t n, Flushed& f);
  uint32_t gather(size_t interface);
  void refuse(uint32_t from, uint32_t to);
};

std::expected<FrameWriter, IoError> FrameWriter::open(const FrameOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->gso = options.gso;
  impl->queues = options.queues;
  for (Interface& i : impl->interfaces) {
    i.plain = packet_socket(false, options.sndbuf_bytes);
    if (i.plain) i.segmenting = packet_socket(true, options.sndbuf_bytes);
    if (!i.plain || !i.segmenting) return std::unexpected(open_error(errno));
  }
  return FrameWriter(std::move(impl));
}

FrameWriter::FrameWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameWriter::FrameWriter(FrameWriter&&) noexcept = default;
FrameWriter& FrameWriter::operator=(FrameWriter&&) noexcept = default;
FrameWriter::~FrameWriter() = default;

uint32_t FrameWriter::queued() const { return impl_->datagrams; }
std::span<const uint32_t> FrameWriter::refused() const { return {impl_->refused.data(), impl_->refusals}; }

/// Only the last datagram of a run may be shorter, and one of no bytes does not exist.
bool FrameWriter::Impl::joins(const Path& to, const Endpoint& from, const Endpoint& dest,
                              size_t bytes) const {
  if (!gso || messages == 0 || bytes == 0) return false;
  const Message& m = message[messages - 1];
  return m.count < kGsoSegmentsOld && bytes <= payload(m).size() &&
         iov[iovs - 1].iov_len == payload(m).size() && m.bytes + bytes <= kGsoBytes &&
         interfaces[m.interface].segments && dest == remote && from == local && to == path;
}

/// -1: all are used by other interfaces, or it is gone.
int FrameWriter::Impl::interface_for(uint32_t ifindex) {
  int spare = -1;
  for (size_t k = 0; k < interfaces.size(); ++k) {
    if (interfaces[k].ifindex == ifindex) return static_cast<int>(k);
    if (!interfaces[k].used && (spare < 0 || interfaces[k].ifindex == 0)) spare = static_cast<int>(k);
  }
  if (spare < 0) return -1;
  Interface& i = interfaces[static_cast<size_t>(spare)];
  const bool bound = bind_to(i.plain, ifindex) && bind_to(i.segmenting, ifindex);
  i.ifindex = bound ? ifindex : 0;
  i.segments = true;
  const auto queue = std::ranges::find(queues, ifindex, [](const auto& q) { return q->ifindex(); });
  i.queue = queue == queues.end() ? nullptr : queue->get();
  return bound ? spare : -1;
}

bool FrameWriter::push(const Path& path, const Endpoint& local, const Endpoint& remote, Bytes payload,
                       uint32_t tag, bool has_room) {
  Impl& w = *impl_;
  if (w.datagrams == kCapacity) return false;
  if (w.joins(path, local, remote, payload.size())) {
    Message& m = w.message[w.messages - 1];
    ++m.count;
    m.bytes += static_cast<uint32_t>(payload.size());
    w.interfaces[m.interface].runs = true;
  } else {
    const int interface = w.interface_for(path.ifindex);
    if (interface < 0) return false;
    if (w.messages > 0) w.finish(w.message[w.messages - 1], w.headers[w.messages - 1]);
    w.message[w.messages++] = {.interface = static_cast<uint16_t>(interface),
                               .count = 1,
                               .iov = static_cast<uint16_t>(w.iovs++),
                               .has_room = has_room,
                               .tag = static_cast<uint16_t>(w.datagrams),
                               .bytes = static_cast<uint32_t>(payload.size())};
    w.interfaces[static_cast<size_t>(interface)].used = true;
    w.path = path;
    w.local = local;
    w.remote = remote;
  }
  w.iov[w.iovs++] = {.iov_base = const_cast<uint8_t*>(payload.data()), .iov_len = payload.size()};
  w.tags[w.datagrams++] = tag;
  return true;
}

/// Writes the headers of the last message, which then grows no more: in front of a single payload that has
/// room there, else apart from what they head. The virtio header goes before the frame's in either case.
void FrameWriter::Impl::finish(Message& m, Headers& h) {
  const bool ipv4 = remote.is_v4();
  const size_t size = wire::kEthernetHeader + wire::ip_udp_header(ipv4);
  const Bytes first = payload(m);
  m.has_room = m.has_room && m.count == 1;
  uint8_t* frame = m.has_room ? const_cast<uint8_t*>(first.data()) - size : h.b.data() + Headers::kFrame;
  wire::write_ethernet(frame, path.destination, path.source, ipv4);
  uint8_t* ip = frame + wire::kEthernetHeader;
  const wire::IpFields fields{.hop_limit = path.hop_limit};
  VnetHeader vnet{};
  if (m.count == 1) {
    wire::write_ip_udp(ip, local, remote, first, fields);
  } else {
    wire::write_ip_udp_unsummed(ip, local, remote, m.bytes, fields);
    vnet = {.flags = kNeedsCsum,
            .gso_type = kGsoUdp,
            .hdr_len = static_cast<uint16_t>(size),
            .gso_size = static_cast<uint16_t>(first.size()),
            .csum_start = static_cast<uint16_t>(size - wire::kUdpHeader),
            .csum_offset = 6};
  }
  std::memcpy(frame - sizeof vnet, &vnet, sizeof vnet);
  iov[m.iov] = {.iov_base = frame, .iov_len = size + (m.has_room ? first.size() : 0)};
}

Flushed FrameWriter::flush() {
  Impl& w = *impl_;
  Flushed f;
  w.refusals = 0;
  if (w.messages > 0) w.finish(w.message[w.messages - 1], w.headers[w.messages - 1]);
  for (size_t k = 0; k < kInterfaces; ++k)
    if (w.interfaces[k].used) w.flush(k, f);
  w.datagrams = w.messages = w.iovs = 0;
  return f;
}

/// The kernel's headers for the interface's messages. Returns how many.
uint32_t FrameWriter::Impl::gather(size_t interface) {
  const bool vnet = interfaces[interface].runs;
  uint32_t n = 0;
  for (uint32_t k = 0; k < messages; ++k) {
    const Message& m = message[k];
    if (m.interface != interface) continue;
    if (vnet) {
      iov[m.iov].iov_base = static_cast<uint8_t*>(iov[m.iov].iov_base) - sizeof(VnetHeader);
      iov[m.iov].iov_len += sizeof(VnetHeader);
    }
    header[n] = {};
    header[n].msg_hdr.msg_iov = &iov[m.iov];
    header[n].msg_hdr.msg_iovlen = m.has_room ? 1 : m.count + size_t{1};
    order[n++] = static_cast<uint16_t>(k);
  }
  return n;
}

/// A batch with a run goes by the segmenting socket as a whole, so that order is kept.
void FrameWriter::Impl::flush(size_t interface, Flushed& f) {
  Interface& i = interfaces[interface];
  const uint32_t n = gather(interface);
  if (flush_by_queue(i, n, f)) return;
  const int fd = i.runs ? i.segmenting.get() : i.plain.get();
  bool retried = false;
  for (uint32_t at = 0; at < n;) {
    const int r = ::sendmmsg(fd, &header[at], n - at, MSG_DONTWAIT);
    ++f.calls;
    if (r > 0) {
      for (const uint32_t end = at + static_cast<uint32_t>(r); at < end; ++at) {
        const Message& m = message[order[at]];
        f.packets += m.count;
        f.bytes += m.bytes;
        if (m.count > 1) f.segments += m.count;
      }
    } else if (is_full(errno)) {
      if (std::exchange(retried, true))  // the rest of the batch would find it as full
        for (; at < n; ++at) f.full += message[order[at]].count;
    } else if (is_gone(errno)) {
      refuse(at, n);
      at = n;
      i.ifindex = 0;
    } else {
      if (message[order[at]].count > 1) i.segments = false;
      refuse(at, at + 1);
      ++at;
    }
  }
  i.used = i.runs = false;
}

/// False: not a batch for it. What is too long for its buffers would not have fitted the path.
bool FrameWriter::Impl::flush_by_queue(Interface& i, uint32_t n, Flushed& f) {
  if (i.queue == nullptr || i.runs || i.queue->send_room() < n) return false;
  for (uint32_t at = 0; at < n; ++at) {
    const Message& m = message[order[at]];
    if (!i.queue->put({header[at].msg_hdr.msg_iov, header[at].msg_hdr.msg_iovlen})) {
      refuse(at, at + 1);
      continue;
    }
    ++f.packets;
    f.bytes += m.bytes;
  }
  f.calls += i.queue->send();
  i.used = false;
  return true;
}

void FrameWriter::Impl::refuse(uint32_t from, uint32_t to) {
  for (; from < to; ++from) {
    const Message& m = message[order[from]];
    for (uint32_t k = 0; k < m.count; ++k) refused[refusals++] = tags[m.tag + k];
  }
}

}  // namespace sluice::io::link
