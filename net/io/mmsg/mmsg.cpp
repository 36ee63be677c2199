#include "net/io/mmsg/mmsg.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace sluice::io {

std::expected<std::unique_ptr<Backend>, IoError> MmsgBackend::make(std::span<const ShardSocket> sockets,
                                                                   PacketPool& pool,
                                                                   const BackendOptions& options) {
  std::unique_ptr<MmsgBackend> b(new MmsgBackend(sockets, pool, options));
  if (!b->ready_.ok() || !b->waker_.ok() || !b->watch())
    return std::unexpected(IoError{std::string("no epoll or eventfd for a shard: ") + std::strerror(errno),
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
  if (options.xdp) queues_ = options.xdp->queues(shard_);
  for (const ShardSocket& s : sockets) sockets_.push_back({.socket = s});
  for (size_t i = 0; i < kRxBurst; ++i) {
    headers_[i] = {};
    headers_[i].msg_hdr.msg_iov = &iov_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = control_[i].b.data();
  }
  arm();
}

/// All that there is before a relay's ports are.
bool MmsgBackend::watch() {
  bool ok = ready_.add(waker_.fd(), {ReadySet::Kind::waker, 0});
  for (const auto& q : queues_) ok &= ready_.add(q->fd(), {ReadySet::Kind::frames, 0});
  for (uint32_t i = 0; i < sockets_.size(); ++i) ok &= watch_socket(i);
  return ok;
}

bool MmsgBackend::watch_socket(uint32_t i) {
  return ready_.add(sockets_[i].socket.fd, {ReadySet::Kind::socket, i});
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
  if (!rx.full()) {
    // Of voice whose frames do not pause, a look at the sockets before every eighth batch; before each one
    // while something comes by them (trunks do).
    const uint32_t most = sockets_busy_ ? 1 : 8;
    if (frames_only_ >= most) read_ready(rx, kPoll, drops);
    const bool frames = read_frames(rx, drops);
    if (frames)
      ++frames_only_;
    else if (rx.size() == had)
      read_ready(rx, deadline, drops);
  }
  const Micros now = monotonic_now();
  for (size_t i = had; i < rx.size(); ++i) rx[i].rx_time = now;
  return now;
}

/// What is ready, after a wait for it if there is nothing.
void MmsgBackend::read_ready(RxBatch& rx, Micros deadline, DropCounters& drops) {
  frames_only_ = 0;
  const Micros now = deadline <= kPoll || deadline == kNever ? kPoll : monotonic_now();
  const bool waits = deadline > now && waker_.may_sleep();
  counters_.sleeps += waits;
  if (waits)
    for (const auto& q : queues_) q->prepare_wait();
  const auto ready = ready_.wait(now, waits ? deadline : now);
  if (waits) waker_.awake();
  ++round_;
  const size_t had = rx.size();
  read_sockets(ready, rx, drops);
  read_ports(ready, rx, drops);
  sockets_busy_ = rx.size() > had;
  const auto frames = [](const ReadySet::Member& m) { return m.kind == ReadySet::Kind::frames; };
  if (!rx.full() && std::ranges::any_of(ready, frames)) read_frames(rx, drops);
}

/// Each has its share of the room, so that a busy one starves no other; the relay ports together count as
/// one. Of more that are ready than were named, the sockets may be among the rest.
void MmsgBackend::read_sockets(std::span<const ReadySet::Member> ready, RxBatch& rx, DropCounters& drops) {
  const bool all = ready.size() == kRxBurst;
  size_t parties = 0;
  bool ports = false;
  for (const ReadySet::Member& m : ready) {
    parties += m.kind == ReadySet::Kind::socket;
    ports |= m.kind == ReadySet::Kind::port;
  }
  parties = (all ? sockets_.size() : parties) + ports;
  const auto read = [&](RxSocket& s) {
    // A burst of one has no control messages, and so no local address.
    const size_t share = std::max<size_t>(rx.room() / parties--, 2);
    if (!rx.full()) read_socket(s, static_cast<unsigned>(share), rx, drops);
  };
  if (all) {
    std::ranges::for_each(sockets_, read);
    return;
  }
  for (const ReadySet::Member& m : ready)
    if (m.kind == ReadySet::Kind::socket) read(sockets_[m.index]);
}

/// Those that are ready come in the same order each time, so each time begins where the last one ended.
void MmsgBackend::read_ports(std::span<const ReadySet::Member> ready, RxBatch& rx, DropCounters& drops) {
  const auto is_port = [](const ReadySet::Member& m) { return m.kind == ReadySet::Kind::port; };
  auto left = static_cast<size_t>(std::ranges::count_if(ready, is_port));
  if (left == 0) return;
  const auto first = ready.begin() + turn_ % ready.size();
  const auto read = [&](const ReadySet::Member& m) {
    if (rx.full()) return;
    ++turn_;
    if (!is_port(m)) return;
    read_port(m.index, static_cast<unsigned>(std::max<size_t>(rx.room() / left--, 1)), rx, drops);
  };
  std::for_each(first, ready.end(), read);
  std::for_each(ready.begin(), first, read);
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

/// True: there were some.
bool MmsgBackend::read_frames(RxBatch& rx, DropCounters& drops) {
  constexpr uint32_t kReadsPerLook = 4096;  // at what was lost, which is a system call
  if (queues_.empty()) return false;
  const size_t had = rx.size();
  bool any = false;
  ++reads_;
  // Each time another queue is the first.
  for (size_t i = 0; i < queues_.size() && !rx.full(); ++i)
    any |= queues_[(reads_ + i) % queues_.size()]->receive(rx, pool_, counters_, drops);
  if (ports_.granted()) drop_closed(rx, had, drops);
  if (reads_ % kReadsPerLook == 0)
    for (const auto& q : queues_) counters_.kernel_drops += q->take_lost();
  return any;
}

/// A port of voice has one datagram waiting. One that still had some when it was looked at gets a burst, and
/// tells then, with control messages, what it has lost.
void MmsgBackend::read_port(uint32_t i, unsigned share, RxBatch& rx, DropCounters& drops) {
  constexpr unsigned kBusyBurst = 8;
  PortSocket& port = ports_[i];
  const bool busy = port.mark + 1 == round_;
  port.mark = round_;
  RxSocket s{.socket = {.fd = port.fd, .bound = ports_.space().at(i)}, .dropped = port.dropped};
  read_socket(s, busy ? std::min(kBusyBurst, share) : 1, rx, drops);
  port.dropped = s.dropped;
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
    for (const ShardSocket& s : steered->receivers(ports_.shard())) {
      sockets_.push_back({.socket = s});
      if (!watch_socket(static_cast<uint32_t>(sockets_.size() - 1)))
        return std::unexpected(
            IoError{std::string("no epoll for steered ports: ") + std::strerror(errno), ""});
    }
    return ports_.ability(UINT32_MAX, "steered to one socket per shard");
  }
  return ports_.ability_of_sockets();
}

bool MmsgBackend::open_port(const Endpoint& local) {
  const uint32_t i = ports_.openable(local);
  if (i == ShardPorts::kNone) return false;
  if (ports_.steered()) return ports_.open_steered(i);
  Fd fd = bind_relay_socket(local);
  if (!fd || !ready_.add(fd.get(), {ReadySet::Kind::port, i})) return false;
  ports_[i] = {.fd = fd.release()};
  ports_.count_opened();
  return true;
}

/// Closing a socket takes it out of the ready set, since nobody else holds it.
void MmsgBackend::close_port(const Endpoint& local) {
  const uint32_t i = ports_.index(local);
  if (i == ShardPorts::kNone) return;
  if (ports_.steered()) return ports_.close_steered(i);
  ::close(ports_[i].fd);
  ports_[i] = {};
  ports_.count_closed();
}

}  // namespace sluice::io
