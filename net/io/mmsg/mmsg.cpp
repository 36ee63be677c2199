#include "net/io/mmsg/mmsg.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>
#include <unistd.h>

namespace sluice::io {

std::expected<std::unique_ptr<Backend>, IoError> MmsgBackend::make(std::span<const ShardSocket> sockets,
                                                                   PacketPool& pool,
                                                                   const BackendOptions& options) {
  std::unique_ptr<MmsgBackend> b(new MmsgBackend(sockets, pool, options));
  if (!b->waker_.ok())
    return std::unexpected(IoError{std::string("no eventfd for a shard: ") + std::strerror(errno),
                                   "raise the limit of open files (ulimit -n)"});
  if (auto ok = make_link(options, pool, b->link_); !ok) return std::unexpected(ok.error());
  return b;
}

MmsgBackend::MmsgBackend(std::span<const ShardSocket> sockets, PacketPool& pool,
                         const BackendOptions& options)
    : pool_(pool),
      waker_(EFD_NONBLOCK),
      plan_(sockets, pool, options.gso),
      relay_ports_(options.relay_ports),
      shard_(options.shard) {
  polls_.push_back({.fd = waker_.fd(), .events = POLLIN, .revents = 0});
  if (options.xdp) queues_ = options.xdp->queues(shard_);
  for (const auto& q : queues_) polls_.push_back({.fd = q->fd(), .events = POLLIN, .revents = 0});
  for (const ShardSocket& s : sockets) add_socket(s);
  for (size_t i = 0; i < kRxBurst; ++i) {
    headers_[i] = {};
    headers_[i].msg_hdr.msg_iov = &iov_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = control_[i].b.data();
  }
  arm();
}

void MmsgBackend::add_socket(const ShardSocket& s) {
  sockets_.push_back({.socket = s});
  polls_.push_back({.fd = s.fd, .events = POLLIN, .revents = 0});
}

MmsgBackend::~MmsgBackend() {
  while (armed_ > 0) pool_.drop(slots_[--armed_]);
}

void MmsgBackend::point_at(size_t i, SlotIndex slot) {
  slots_[i] = slot;
  iov_[i] = {.iov_base = pool_.slot_bytes(slot) + kHeadroom, .iov_len = kMaxDatagram};
  headers_[i].msg_hdr.msg_namelen = sizeof(SocketAddress);
  headers_[i].msg_hdr.msg_controllen = kRxControlBytes;
}

void MmsgBackend::arm() {
  while (armed_ < kRxBurst) {
    const SlotIndex slot = pool_.take();
    if (slot == kNoSlot) return;
    point_at(armed_++, slot);
  }
}

/// The slots of headers [0, used) are gone: new ones, or the armed ones from the end.
void MmsgBackend::rearm(uint32_t used) {
  for (uint32_t i = used; i-- > 0;) {
    SlotIndex slot = pool_.take();
    if (slot == kNoSlot) slot = slots_[--armed_];
    if (i < armed_) point_at(i, slot);
  }
}

Micros MmsgBackend::receive(RxBatch& rx, Micros deadline, DropCounters& drops) {
  const size_t had = rx.size();
  if (!rx.full() && !read_frames(rx, drops) && !poll_sockets(rx, drops) && deadline > kPoll &&
      waker_.may_sleep()) {
    sleep(deadline);
    if (!read_frames(rx, drops)) poll_sockets(rx, drops);
  }
  const Micros now = monotonic_now();
  for (size_t i = had; i < rx.size(); ++i) rx[i].rx_time = now;
  return now;
}

/// A relay port may have been closed while a frame for it waited.
void MmsgBackend::drop_closed(RxBatch& rx, size_t from, DropCounters& drops) {
  size_t kept = from;
  for (size_t i = from; i < rx.size(); ++i) {
    const Endpoint& to = rx[i].local;
    if (ports_.space().index(to) == PortSpace::kNone || ports_.index(to) != ShardPorts::kNone) {
      if (kept != i) rx[kept] = rx[i];
      ++kept;
      continue;
    }
    drops.add(Drop::port_closed);
    pool_.drop(rx[i].slot);
    --counters_.rx_packets;
    counters_.rx_bytes -= rx[i].len;
  }
  rx.truncate(kept);
}

/// True: there were some, and the sockets, where little arrives then, need no look this time.
bool MmsgBackend::read_frames(RxBatch& rx, DropCounters& drops) {
  constexpr uint32_t kMostWithoutSockets = 8;
  constexpr uint32_t kReadsPerLook = 4096;  // at what was lost, which is a system call
  if (queues_.empty()) return false;
  const size_t had = rx.size();
  bool any = false;
  for (const auto& q : queues_)
    if (!rx.full()) any |= q->receive(rx, pool_, counters_, drops);
  if (ports_.granted()) drop_closed(rx, had, drops);
  if (++reads_ % kReadsPerLook == 0)
    for (const auto& q : queues_) counters_.kernel_drops += q->take_lost();
  frames_only_ = any ? frames_only_ + 1 : 0;
  if (frames_only_ <= kMostWithoutSockets) return any;
  frames_only_ = 0;
  if (!rx.full()) poll_sockets(rx, drops);
  return true;
}

/// One round over the sockets; true if anything was there, even if it had to be dropped.
bool MmsgBackend::poll_sockets(RxBatch& rx, DropCounters& drops) {
  const size_t turns = sockets_.size() + (epoll_ ? 1 : 0);
  bool any = false;
  for (size_t k = 0; k < turns && !rx.full(); ++k) {
    const size_t turn = next_;
    next_ = next_ + 1 == turns ? 0 : next_ + 1;
    any |=
        turn < sockets_.size() ? read_socket(sockets_[turn], kRxBurst, rx, drops) > 0 : read_ports(rx, drops);
  }
  return any;
}

/// A look at every port that has something, as far as the batch goes.
bool MmsgBackend::read_ports(RxBatch& rx, DropCounters& drops) {
  // A port of voice has one datagram waiting. One that still had some when it was looked at gets a burst, and
  // tells then, with control messages, what it has lost.
  constexpr unsigned kBusyBurst = 8;
  std::array<epoll_event, kRxBurst> ready;
  const int n = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(rx.room()), 0);
  ++round_;
  for (int i = 0; i < n && !rx.full(); ++i) {
    PortSocket& port = ports_[ready[static_cast<size_t>(i)].data.u32];
    const bool busy = port.mark + 1 == round_;
    port.mark = round_;
    RxSocket s{.socket = {.fd = port.fd, .bound = ports_.space().at(ready[static_cast<size_t>(i)].data.u32)},
               .dropped = port.dropped};
    read_socket(s, busy ? kBusyBurst : 1, rx, drops);
    port.dropped = s.dropped;
  }
  return n > 0;
}

unsigned MmsgBackend::read_socket(RxSocket& s, unsigned burst, RxBatch& rx, DropCounters& drops) {
  arm();
  if (armed_ == 0) return drain_to_nowhere(s.socket.fd, counters_, drops);
  const auto want = static_cast<unsigned>(std::min<size_t>({armed_, rx.room(), burst}));
  const int n = burst == 1 ? read_plain(s.socket.fd)
                           : ::recvmmsg(s.socket.fd, headers_.data(), want, MSG_DONTWAIT, nullptr);
  ++counters_.rx_calls;
  // Besides EAGAIN only an ICMP error that belongs to something sent earlier; nothing to read either way.
  if (n <= 0) return 0;
  const auto got = static_cast<uint32_t>(n);
  for (uint32_t i = 0; i < got; ++i) deliver(i, s, rx, drops);
  rearm(got);
  return got;
}

/// recvfrom() for one datagram: cheaper, since the kernel need not fetch a header and a vector. As
/// recvmmsg(), but for control messages.
int MmsgBackend::read_plain(int fd) {
  msghdr& h = headers_[0].msg_hdr;
  const auto n = ::recvfrom(fd, iov_[0].iov_base, iov_[0].iov_len, MSG_DONTWAIT | MSG_TRUNC, &names_[0].sa,
                            &h.msg_namelen);
  if (n < 0) return -1;
  headers_[0].msg_len = static_cast<unsigned>(n);
  h.msg_controllen = 0;
  h.msg_flags = static_cast<size_t>(n) > iov_[0].iov_len ? MSG_TRUNC : 0;
  return 1;
}

void MmsgBackend::deliver(uint32_t header, RxSocket& s, RxBatch& rx, DropCounters& drops) {
  const msghdr& h = headers_[header].msg_hdr;
  Packet p;
  p.slot = slots_[header];
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(headers_[header].msg_len);
  s.describe(reinterpret_cast<const uint8_t*>(&names_[header]), {control_[header].b.data(), h.msg_controllen},
             p, counters_);
  const bool too_long = h.msg_flags & MSG_TRUNC;
  if (too_long || (s.socket.use == SocketUse::steered && ports_.index(p.local) == ShardPorts::kNone)) {
    drops.add(too_long ? Drop::oversize : Drop::port_closed);
    pool_.drop(p.slot);
    return;
  }
  rx.push(p);
  ++counters_.rx_packets;
  counters_.rx_bytes += p.len;
}

/// Until a socket or the waker is readable or `deadline` has passed. waker_.may_sleep() was true.
void MmsgBackend::sleep(Micros deadline) {
  timespec timeout{};
  const bool forever = deadline == kNever;
  if (!forever) {
    const Micros left = deadline - monotonic_now();
    if (left <= Micros{}) return waker_.awake();
    timeout = to_timespec(left);
  }
  ++counters_.sleeps;
  const int n = ::ppoll(polls_.data(), polls_.size(), forever ? nullptr : &timeout, nullptr);
  waker_.awake();
  if (n > 0 && (polls_.front().revents & POLLIN)) {
    uint64_t count;
    [[maybe_unused]] const auto got = ::read(waker_.fd(), &count, sizeof count);
  }
}

void MmsgBackend::send(TxBatch& tx, DropCounters& drops) {
  if (link_) link_->send(tx, counters_, drops);
  if (tx.empty()) return;
  plan_.build(tx, drops);
  plan_.send_from(tx, 0, counters_, drops);
  for (const Packet& p : tx) pool_.drop(p.slot);
  tx.clear();
}

std::expected<RelayAbility, IoError> MmsgBackend::grant_relay(const RelayGrant& grant) {
  if (auto ok = ports_.grant(grant, relay_ports_, shard_, link_ != nullptr); !ok)
    return std::unexpected(ok.error());
  plan_.grant(ports_);
  if (SteeredPorts* steered = ports_.steered()) {
    for (const ShardSocket& s : steered->receivers(ports_.shard())) add_socket(s);
    return ports_.ability(UINT32_MAX, "steered to one socket per shard");
  }
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_)
    return std::unexpected(IoError{std::string("no epoll for a shard: ") + std::strerror(errno),
                                   "raise the limit of open files (ulimit -n)"});
  polls_.push_back({.fd = epoll_.get(), .events = POLLIN, .revents = 0});
  return ports_.ability_of_sockets();
}

bool MmsgBackend::open_port(const Endpoint& local) {
  const uint32_t i = ports_.openable(local);
  if (i == ShardPorts::kNone) return false;
  if (ports_.steered()) return ports_.open_steered(i);
  Fd fd = bind_relay_socket(local);
  // Level-triggered: a port is read once a round, whatever is left there.
  epoll_event e{.events = EPOLLIN, .data = {.u32 = i}};
  if (!fd || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &e) != 0) return false;
  ports_[i] = {.fd = fd.release()};
  ports_.count_opened();
  return true;
}

/// Closing a socket takes it off the epoll set, since nobody else holds it.
void MmsgBackend::close_port(const Endpoint& local) {
  const uint32_t i = ports_.index(local);
  if (i == ShardPorts::kNone) return;
  if (ports_.steered()) return ports_.close_steered(i);
  ::close(ports_[i].fd);
  ports_[i] = {};
  ports_.count_closed();
}

}  // namespace sluice::io
