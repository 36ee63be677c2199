#include "net/io/mmsg/mmsg.h"

#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace sluice::io {

std::expected<std::unique_ptr<Backend>, IoError> MmsgBackend::make(std::span<const ShardSocket> sockets,
                                                                   PacketPool& pool,
                                                                   const BackendOptions& options) {
  std::unique_ptr<MmsgBackend> b(new MmsgBackend(sockets, pool, options));
  if (!b->waker_.ok())
    return std::unexpected(IoError{std::string("no eventfd for a shard: ") + std::strerror(errno),
                                   "raise the limit of open files (ulimit -n)"});
  return b;
}

MmsgBackend::MmsgBackend(std::span<const ShardSocket> sockets, PacketPool& pool,
                         const BackendOptions& options)
    : pool_(pool), waker_(EFD_NONBLOCK), plan_(sockets, pool, options.gso) {
  for (const ShardSocket& s : sockets) {
    sockets_.push_back({.socket = s});
    polls_.push_back({.fd = s.fd, .events = POLLIN, .revents = 0});
  }
  polls_.push_back({.fd = waker_.fd(), .events = POLLIN, .revents = 0});
  for (size_t i = 0; i < kRxBurst; ++i) {
    headers_[i] = {};
    headers_[i].msg_hdr.msg_iov = &iov_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &names_[i];
    headers_[i].msg_hdr.msg_control = control_[i].b.data();
  }
  arm();
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
  if (!rx.full() && !poll_sockets(rx, drops) && deadline > kPoll && waker_.may_sleep()) {
    sleep(deadline);
    poll_sockets(rx, drops);
  }
  const Micros now = monotonic_now();
  for (size_t i = had; i < rx.size(); ++i) rx[i].rx_time = now;
  return now;
}

/// One round over the sockets; true if anything was there, even if it had to be dropped.
bool MmsgBackend::poll_sockets(RxBatch& rx, DropCounters& drops) {
  bool any = false;
  for (size_t k = 0; k < sockets_.size() && !rx.full(); ++k) {
    RxSocket& s = sockets_[next_];
    next_ = next_ + 1 == sockets_.size() ? 0 : next_ + 1;
    any |= read_socket(s, rx, drops);
  }
  return any;
}

bool MmsgBackend::read_socket(RxSocket& s, RxBatch& rx, DropCounters& drops) {
  arm();
  if (armed_ == 0) return drain_to_nowhere(s.socket.fd, counters_, drops) > 0;
  const auto want = static_cast<unsigned>(std::min<size_t>(armed_, rx.room()));
  const int n = ::recvmmsg(s.socket.fd, headers_.data(), want, MSG_DONTWAIT, nullptr);
  ++counters_.rx_calls;
  // Besides EAGAIN only an ICMP error that belongs to something sent earlier; nothing to read either way.
  if (n <= 0) return false;
  const auto got = static_cast<uint32_t>(n);
  for (uint32_t i = 0; i < got; ++i) {
    const msghdr& h = headers_[i].msg_hdr;
    if (h.msg_flags & MSG_TRUNC) {
      drops.add(Drop::oversize);
      pool_.drop(slots_[i]);
      continue;
    }
    Packet& p = rx.push();
    p.slot = slots_[i];
    p.offset = kHeadroom;
    p.len = static_cast<uint16_t>(headers_[i].msg_len);
    s.describe(reinterpret_cast<const uint8_t*>(&names_[i]), {control_[i].b.data(), h.msg_controllen}, p,
               counters_);
    ++counters_.rx_packets;
    counters_.rx_bytes += p.len;
  }
  rearm(got);
  return true;
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
  if (n > 0 && (polls_.back().revents & POLLIN)) {
    uint64_t count;
    [[maybe_unused]] const auto got = ::read(waker_.fd(), &count, sizeof count);
  }
}

void MmsgBackend::send(TxBatch& tx, DropCounters& drops) {
  if (tx.empty()) return;
  plan_.build(tx, drops);
  plan_.send_from(tx, 0, counters_, drops);
  for (const Packet& p : tx) pool_.drop(p.slot);
  tx.clear();
}

}  // namespace sluice::io
