#include "net/io/uring/uring.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>

namespace sluice::io {
namespace {

// What the kernel writes before the payload: its header, as much of the source address as we read (not the
// scope id), and the control messages. Together they fill the headroom.
constexpr size_t kNameBytes = offsetof(sockaddr_in6, sin6_scope_id);
constexpr size_t kNameAt = sizeof(io_uring_recvmsg_out);
constexpr size_t kControlAt = kNameAt + kNameBytes;
static_assert(kControlAt + kRxControlBytes == kHeadroom);
static_assert(kControlAt % alignof(cmsghdr) == 0);

constexpr unsigned kRxRequests = 256;  // a receive and a poll for each of kMaxListens sockets, and the waker
static_assert(kRxRequests > 2 * kMaxListens);

enum class Op : uint8_t { receive, poll, wake };
constexpr uint64_t tag(Op op, size_t socket = 0) { return uint64_t{static_cast<uint8_t>(op)} << 32 | socket; }

}  // namespace

std::expected<void, IoError> uring_available() {
  alignas(64) std::byte memory[PacketPool::bytes_for(1)];
  PacketPool pool({memory, sizeof memory}, 1);
  BufferRing buffers(pool, 2);
  Ring ring;
  if (auto ok = ring.make(8, 16, BackendOptions{}.uring_task_run); !ok) return ok;
  return buffers.attach(ring);
}

std::expected<std::unique_ptr<Backend>, IoError> UringBackend::make(std::span<const ShardSocket> sockets,
                                                                    PacketPool& pool,
                                                                    const BackendOptions& options) {
  const uint32_t buffers =
      std::bit_floor(std::clamp(options.uring_buffers, 2u, std::min(pool.capacity() / 2, 32'768u)));
  std::unique_ptr<UringBackend> b(new UringBackend(sockets, pool, options, buffers));
  if (auto ok = b->set_up(options, buffers); !ok) return std::unexpected(ok.error());
  return b;
}

UringBackend::UringBackend(std::span<const ShardSocket> sockets, PacketPool& pool,
                           const BackendOptions& options, uint32_t buffers)
    : pool_(pool),
      buffers_(pool, buffers),
      waker_(0),
      plan_(sockets, pool, options.gso),
      ring_sends_(options.uring_ring_sends) {
  for (const ShardSocket& s : sockets) sockets_.push_back({.rx = {.socket = s}});
  shape_.msg_namelen = kNameBytes;
  shape_.msg_controllen = kRxControlBytes;
}

std::expected<void, IoError> UringBackend::set_up(const BackendOptions& options, uint32_t buffers) {
  // Room for every buffer, so that the completion queue never overflows, unless a test wants that.
  const uint32_t cq =
      options.uring_cq_entries ? options.uring_cq_entries : 2 * std::max(buffers, kRxRequests);
  if (auto ok = rx_ring_.make(kRxRequests, cq, options.uring_task_run); !ok) return ok;
  if (auto ok = tx_ring_.make(kTxBurst, 2 * kTxBurst, options.uring_task_run); !ok) return ok;
  if (!waker_.ok())
    return std::unexpected(IoError{fmt::format("no eventfd for a shard: {}", std::strerror(errno)),
                                   "raise the limit of open files (ulimit -n)"});
  std::vector<int> files;
  for (const Socket& s : sockets_) files.push_back(s.rx.socket.fd);
  if (auto ok = tx_ring_.register_files(files); !ok) return ok;
  files.push_back(waker_.fd());
  if (auto ok = rx_ring_.register_files(files); !ok) return ok;
  return buffers_.attach(rx_ring_);
}

UringBackend::~UringBackend() {
  // If the owner has ended, the kernel has already let go of what it had in progress.
  if (started_ && owner_ == std::this_thread::get_id()) rx_ring_.cancel_all();
}

/// The rings belong to the thread that enables them.
void UringBackend::start() {
  started_ = rx_ring_.enable() && tx_ring_.enable();
  owner_ = std::this_thread::get_id();
}

Micros UringBackend::receive(RxBatch& rx, Micros deadline, DropCounters& drops) {
  if (!started_) start();
  const size_t had = rx.size();
  bool any = arm(drops);
  if (!rx.full()) {
    any |= reap(rx, drops);
    if (!any && deadline > kPoll && waker_.may_sleep()) {
      sleep(deadline);
      reap(rx, drops);
    }
  }
  const Micros now = monotonic_now();
  for (size_t i = had; i < rx.size(); ++i) rx[i].rx_time = now;
  return now;
}

/// Requests what is not in progress. True if datagrams had to be dropped for want of a slot.
bool UringBackend::arm(DropCounters& drops) {
  buffers_.replenish();
  const bool starved = buffers_.held() == 0;
  bool dropped = false;
  for (size_t i = 0; i < sockets_.size(); ++i) {
    Socket& s = sockets_[i];
    if (s.receiving) continue;
    if (!starved) {
      request_receive(i);
      continue;
    }
    dropped |= drain_to_nowhere(s.rx.socket.fd, counters_, drops) > 0;
    if (!s.polling) request_poll(i);
  }
  if (!listening_for_wake_) request_wake();
  return dropped;
}

void UringBackend::request_receive(size_t socket) {
  io_uring_sqe* sqe = ::io_uring_get_sqe(rx_ring_.get());
  if (!sqe) return;  // the queue holds every request there can be, unless the kernel takes none
  ::io_uring_prep_recvmsg_multishot(sqe, static_cast<int>(socket), &shape_, 0);
  sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  sqe->buf_group = BufferRing::kGroup;
  ::io_uring_sqe_set_data64(sqe, tag(Op::receive, socket));
  sockets_[socket].receiving = true;
}

void UringBackend::request_poll(size_t socket) {
  io_uring_sqe* sqe = ::io_uring_get_sqe(rx_ring_.get());
  if (!sqe) return;
  ::io_uring_prep_poll_add(sqe, static_cast<int>(socket), POLLIN);
  sqe->flags |= IOSQE_FIXED_FILE;
  ::io_uring_sqe_set_data64(sqe, tag(Op::poll, socket));
  sockets_[socket].polling = true;
}

void UringBackend::request_wake() {
  io_uring_sqe* sqe = ::io_uring_get_sqe(rx_ring_.get());
  if (!sqe) return;
  ::io_uring_prep_read(sqe, static_cast<int>(sockets_.size()), &woken_, sizeof woken_, 0);
  sqe->flags |= IOSQE_FIXED_FILE;
  ::io_uring_sqe_set_data64(sqe, tag(Op::wake));
  listening_for_wake_ = true;
}

/// Takes completions until `rx` is full or none is left. True if there were any.
bool UringBackend::reap(RxBatch& rx, DropCounters& drops) {
  constexpr int kRounds = 4;  // each enters the kernel at most once
  io_uring* ring = rx_ring_.get();
  bool any = false;
  for (int round = 0; round < kRounds; ++round) {
    unsigned head = 0;
    unsigned n = 0;
    io_uring_cqe* c = nullptr;
    io_uring_for_each_cqe(ring, head, c) {
      if (rx.full()) break;
      ++n;
      completed(*c, rx, drops);
    }
    ::io_uring_cq_advance(ring, n);
    counters_.rx_calls += n > 0;
    any |= n > 0;
    if (rx.full() || (::io_uring_sq_ready(ring) == 0 && !rx_ring_.wants_entry())) break;
    ::io_uring_submit_and_get_events(ring);
  }
  return any;
}

void UringBackend::completed(const io_uring_cqe& c, RxBatch& rx, DropCounters& drops) {
  const auto op = static_cast<Op>(c.user_data >> 32);
  const auto i = static_cast<size_t>(c.user_data & UINT32_MAX);
  if (op == Op::wake)
    listening_for_wake_ = false;
  else if (op == Op::poll)
    sockets_[i].polling = false;
  else
    received(sockets_[i], c, rx, drops);
}

void UringBackend::received(Socket& s, const io_uring_cqe& c, RxBatch& rx, DropCounters& drops) {
  if (!(c.flags & IORING_CQE_F_MORE)) {
    s.receiving = false;
    ++(c.res == -ENOBUFS ? counters_.rx_no_buffers : counters_.rx_rearmed);
  }
  if (!(c.flags & IORING_CQE_F_BUFFER)) return;
  const SlotIndex slot = buffers_.take(static_cast<uint16_t>(c.flags >> IORING_CQE_BUFFER_SHIFT));
  io_uring_recvmsg_out out{};
  if (c.res >= static_cast<int>(kHeadroom)) std::memcpy(&out, pool_.slot_bytes(slot), sizeof out);
  if (c.res < static_cast<int>(kHeadroom) || (out.flags & MSG_TRUNC)) {
    if (c.res >= 0) drops.add(Drop::oversize);
    pool_.drop(slot);
    return;
  }
  const uint8_t* at = pool_.slot_bytes(slot);
  Packet& p = rx.push();
  p.slot = slot;
  p.offset = kHeadroom;
  p.len = static_cast<uint16_t>(static_cast<size_t>(c.res) - kHeadroom);
  s.rx.describe(at + kNameAt, {at + kControlAt, std::min<size_t>(out.controllen, kRxControlBytes)}, p,
                counters_);
  ++counters_.rx_packets;
  counters_.rx_bytes += p.len;
}

/// Until a completion is there or `deadline` has passed. waker_.may_sleep() was true.
void UringBackend::sleep(Micros deadline) {
  const bool forever = deadline == kNever;
  __kernel_timespec timeout{};
  if (!forever) {
    const Micros left = deadline - monotonic_now();
    if (left <= Micros{}) return waker_.awake();
    timeout = {.tv_sec = left.us / 1'000'000, .tv_nsec = left.us % 1'000'000 * 1000};
  }
  ++counters_.sleeps;
  io_uring_cqe* first = nullptr;
  ::io_uring_submit_and_wait_timeout(rx_ring_.get(), &first, 1, forever ? nullptr : &timeout, nullptr);
  waker_.awake();
}

void UringBackend::send(TxBatch& tx, DropCounters& drops) {
  if (tx.empty()) return;
  if (!started_) start();
  plan_.build(tx, drops);
  const size_t submitted = ring_sends_ ? submit(tx, drops) : 0;
  plan_.send_from(tx, submitted, counters_, drops);
  for (const Packet& p : tx) pool_.drop(p.slot);
  tx.clear();
}

/// Returns how many messages the ring has taken. All of them are done with: MSG_DONTWAIT has each complete in
/// the call that submits it, in order, so waiting for them costs nothing.
size_t UringBackend::submit(const TxBatch& tx, DropCounters& drops) {
  io_uring* ring = tx_ring_.get();
  const size_t n = plan_.size();
  for (size_t i = 0; i < n; ++i) {
    io_uring_sqe* sqe = ::io_uring_get_sqe(ring);
    assert(sqe);
    ::io_uring_prep_sendmsg(sqe, plan_.message(i).socket, &plan_.headers()[i].msg_hdr, MSG_DONTWAIT);
    sqe->flags |= IOSQE_FIXED_FILE;
    ::io_uring_sqe_set_data64(sqe, i);
  }
  for (size_t done = 0; done < n;) {
    const int r = ::io_uring_submit_and_wait(ring, static_cast<unsigned>(n - done));
    ++counters_.tx_calls;
    unsigned head = 0;
    unsigned got = 0;
    io_uring_cqe* c = nullptr;
    io_uring_for_each_cqe(ring, head, c) {
      ++got;
      if (c->res >= 0)
        plan_.sent(c->user_data, counters_);
      else
        plan_.refused(tx, c->user_data, -c->res, counters_, drops);
    }
    ::io_uring_cq_advance(ring, got);
    done += got;
    if (r < 0 && r != -EINTR && got == 0) {
      // No memory for requests. What is queued cannot be taken back, so the ring is not entered again.
      ring_sends_ = false;
      return n - ::io_uring_sq_ready(ring);
    }
  }
  return n;
}

}  // namespace sluice::io
