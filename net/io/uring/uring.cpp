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

// Armed where thousands of relay ports have a receive each: one that finds none must be asked for anew.
constexpr uint32_t kPortBuffers = 4096;

constexpr unsigned kRxRequests = 256;  // a receive and a poll for each of kMaxListens sockets, and the waker
static_assert(kRxRequests > 2 * (kMaxListens + 4));

// Places in both rings' tables: sockets from the front, the waker last.
constexpr uint32_t kWakerFile = kFirstPortFile - 1;
static_assert(kWakerFile >= kMaxListens + 4);  // two of a trunk, and one per family for steered relay ports

using Op = RequestTag::Op;
constexpr uint64_t tag(Op op, size_t socket = 0) {
  return RequestTag{.op = op, .index = static_cast<uint32_t>(socket)}.packed();
}

/// sendto() where that is enough: cheaper, since the kernel need not fetch a header and a vector.
void prepare_send(io_uring_sqe* sqe, int file, const msghdr& h, bool plain) {
  if (!plain) return ::io_uring_prep_sendmsg(sqe, file, &h, MSG_DONTWAIT);
  ::io_uring_prep_send(sqe, file, h.msg_iov[0].iov_base, h.msg_iov[0].iov_len, MSG_DONTWAIT);
  ::io_uring_prep_send_set_addr(sqe, static_cast<const sockaddr*>(h.msg_name),
                                static_cast<uint16_t>(h.msg_namelen));
}

}  // namespace

std::expected<void, IoError> uring_available() {
  alignas(64) std::byte memory[PacketPool::bytes_for(1)];
  PacketPool pool({memory, sizeof memory}, 1);
  BufferRing buffers(pool, 2, 2);
  Ring ring;
  if (auto ok = ring.make(8, 16, BackendOptions{}.uring_task_run); !ok) return ok;
  return buffers.attach(ring);
}

std::expected<std::unique_ptr<Backend>, IoError> UringBackend::make(std::span<const ShardSocket> sockets,
                                                                    PacketPool& pool,
                                                                    const BackendOptions& options) {
  const auto at_most = [&](uint32_t n) {
    return std::bit_floor(std::clamp(n, 2u, std::min(pool.capacity() / 2, 32'768u)));
  };
  const uint32_t armed = at_most(options.uring_buffers);
  const uint32_t entries = options.relay_ports ? std::max(armed, at_most(kPortBuffers)) : armed;
  std::unique_ptr<UringBackend> b(new UringBackend(sockets, pool, options, entries, armed));
  if (auto ok = b->set_up(options, entries); !ok) return std::unexpected(ok.error());
  if (auto ok = make_link(options, pool, b->link_); !ok) return std::unexpected(ok.error());
  return b;
}

UringBackend::UringBackend(std::span<const ShardSocket> sockets, PacketPool& pool,
                           const BackendOptions& options, uint32_t buffers, uint32_t armed)
    : pool_(pool),
      buffers_(pool, buffers, armed),
      waker_(0),
      port_receives_(rx_ring_, tx_ring_, ports_, shape_),
      plan_(sockets, pool, options.gso),
      ring_sends_(options.uring_ring_sends),
      relay_ports_(options.relay_ports),
      shard_(options.shard) {
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
  if (auto ok = register_files(0); !ok) return ok;
  return buffers_.attach(rx_ring_);
}

/// Fills both tables, with room for that many relay ports.
std::expected<void, IoError> UringBackend::register_files(uint32_t ports) {
  for (Ring* ring : {&rx_ring_, &tx_ring_})
    if (auto ok = ring->register_files(kFirstPortFile + ports); !ok) return ok;
  bool ok = rx_ring_.set_file(kWakerFile, waker_.fd());
  for (uint32_t i = 0; i < sockets_.size(); ++i) ok &= rx_ring_.set_file(i, sockets_[i].rx.socket.fd);
  for (uint32_t i = 0; i < plan_.sockets().size(); ++i) ok &= tx_ring_.set_file(i, plan_.sockets()[i].fd);
  if (!ok) return std::unexpected(IoError{"io_uring does not take a shard's sockets", "use --io mmsg"});
  return {};
}

UringBackend::~UringBackend() {
  // If the owner has ended, the kernel has already let go of what it had in progress.
  if (started_ && owner_ == std::this_thread::get_id()) {
    port_receives_.cancel_all();
    rx_ring_.cancel_all();
  }
  // Else relay ports would stay bound until the kernel finds the time to take the rings apart.
  for (Ring* ring : {&rx_ring_, &tx_ring_}) ring->unregister_files();
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
  port_receives_.arm(starved);
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
  ::io_uring_prep_read(sqe, static_cast<int>(kWakerFile), &woken_, sizeof woken_, 0);
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
  const RequestTag t = RequestTag::of(c.user_data);
  switch (t.op) {
    case Op::wake:
      listening_for_wake_ = false;
      return;
    case Op::poll:
      sockets_[t.index].polling = false;
      return;
    case Op::receive:
      if (!(c.flags & IORING_CQE_F_MORE)) {
        sockets_[t.index].receiving = false;
        count_end(c);
      }
      return deliver(&sockets_[t.index].rx, c, rx, drops);
    case Op::port_receive:
    case Op::port_poll:
    case Op::port_discard:
      return completed_on_port(t, c, rx, drops);
    case Op::none:
      return;
  }
}

void UringBackend::completed_on_port(const RequestTag& t, const io_uring_cqe& c, RxBatch& rx,
                                     DropCounters& drops) {
  PortSocket* port = port_receives_.find(t);
  const bool ended = !(c.flags & IORING_CQE_F_MORE);
  if (port && ended) port_receives_.ended(t, c.res, drops);
  if (t.op != Op::port_receive) return;
  if (!port) return deliver(nullptr, c, rx, drops);
  if (ended) count_end(c);
  RxSocket from{.socket = {.bound = ports_.space().at(t.index)}, .dropped = port->dropped};
  deliver(&from, c, rx, drops);
  port->dropped = from.dropped;
}

void UringBackend::count_end(const io_uring_cqe& c) {
  ++(c.res == -ENOBUFS ? counters_.rx_no_buffers : counters_.rx_rearmed);
}

/// `from`: null: a port that has been closed since.
void UringBackend::deliver(RxSocket* from, const io_uring_cqe& c, RxBatch& rx, DropCounters& drops) {
  if (!(c.flags & IORING_CQE_F_BUFFER)) return;
  const SlotIndex slot = buffers_.take(static_cast<uint16_t>(c.flags >> IORING_CQE_BUFFER_SHIFT));
  const uint8_t* at = pool_.slot_bytes(slot);
  io_uring_recvmsg_out out{};
  if (c.res >= static_cast<int>(kHeadroom)) std::memcpy(&out, at, sizeof out);
  const bool whole = c.res >= static_cast<int>(kHeadroom) && !(out.flags & MSG_TRUNC);
  Drop why = !from ? Drop::port_closed : whole ? Drop::none : Drop::oversize;
  Packet p;
  p.slot = slot;
  p.offset = kHeadroom;
  if (why == Drop::none) {
    p.len = static_cast<uint16_t>(static_cast<size_t>(c.res) - kHeadroom);
    from->describe(at + kNameAt, {at + kControlAt, std::min<size_t>(out.controllen, kRxControlBytes)}, p,
                   counters_);
    if (from->socket.use == SocketUse::steered && ports_.index(p.local) == ShardPorts::kNone)
      why = Drop::port_closed;
  }
  if (why != Drop::none) {
    if (c.res >= 0) drops.add(why);
    pool_.drop(slot);
    return;
  }
  rx.push(p);
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
  if (link_) link_->send(tx, counters_, drops);
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
    const uint32_t socket = plan_.message(i).socket;
    const int file = socket < kFirstPort ? static_cast<int>(socket) : ports_[socket - kFirstPort].file;
    prepare_send(sqe, file, plan_.headers()[i].msg_hdr, plan_.is_plain(i));
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

std::expected<RelayAbility, IoError> UringBackend::grant_relay(const RelayGrant& grant) {
  if (auto ok = ports_.grant(grant, relay_ports_, shard_, link_ != nullptr); !ok)
    return std::unexpected(ok.error());
  plan_.grant(ports_);
  if (SteeredPorts* steered = ports_.steered()) {
    for (const ShardSocket& s : steered->receivers(ports_.shard())) sockets_.push_back({.rx = {.socket = s}});
    if (auto ok = register_files(0); !ok) return std::unexpected(ok.error());
    return ports_.ability(UINT32_MAX, "steered to one socket per shard");
  }
  // The kernel takes no larger table than a process may open files, but files in it are not counted as open.
  const uint32_t room = ports_.files_limit() - std::min(ports_.files_limit(), kFirstPortFile);
  const RelayAbility ability =
      ring_sends_ ? ports_.ability(room, "one socket (3 KiB of kernel memory) per port, in io_uring's table")
                  : ports_.ability_of_sockets();
  if (auto ok = register_files(ability.max_open); !ok) return std::unexpected(ok.error());
  port_receives_.grant(ability.max_open);
  buffers_.arm_all();
  return ability;
}

bool UringBackend::open_port(const Endpoint& local) {
  const uint32_t i = ports_.openable(local);
  if (i == ShardPorts::kNone) return false;
  if (ports_.steered()) return ports_.open_steered(i);
  if (!port_receives_.open(i, !ring_sends_)) return false;
  ports_.count_opened();
  return true;
}

void UringBackend::close_port(const Endpoint& local) {
  const uint32_t i = ports_.index(local);
  if (i == ShardPorts::kNone) return;
  if (ports_.steered()) return ports_.close_steered(i);
  port_receives_.close(i, started_);
  ports_.count_closed();
}

}  // namespace sluice::io
