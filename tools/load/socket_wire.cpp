#include "tools/load/socket_wire.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

namespace sluice::load {
namespace {

constexpr size_t kRxSlot = 2048;
constexpr size_t kFew = 4;  ///< so many sockets are read in turn, without asking which is readable
constexpr int kBigBuffer = 16 << 20;

std::unexpected<std::string> failed(std::string_view what, int error) {
  return std::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

/// Room for as many descriptors as the hard limit permits.
uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void set_buffers(int fd, int bytes) {
  // Where the privileged ones are not permitted the plain ones give what net.core.*mem_max allows.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

}  // namespace

Nanos now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

SocketWire::SocketWire(const SocketWireOptions& options)
    : options_(options), memory_(kBatch * kRxSlot), headers_{} {}

std::expected<std::unique_ptr<SocketWire>, std::string> SocketWire::open(const SocketWireOptions& options) {
  std::unique_ptr<SocketWire> w(new SocketWire(options));
  if (auto opened = w->open_all(); !opened) return std::unexpected(opened.error());
  return w;
}

SocketWire::Result SocketWire::open_all() {
  const uint64_t limit = raise_descriptor_limit();
  const uint64_t wanted = uint64_t{options_.clients} * (options_.partners ? 2 : 1) + options_.servers.size();
  if (!options_.spread && wanted + 64 > limit)
    return std::unexpected(fmt::format(
        "--sessions: {} sockets are wanted and RLIMIT_NOFILE allows {}; give fewer sessions, more "
        "with --veth, or raise the limit (ulimit -n)",
        wanted, limit));
  const uint32_t step = options_.spread ? AddressPlan::kAddresses : 1;
  for (uint32_t i = 0; i < options_.clients; i += step)
    if (auto opened = open_clients(i); !opened) return opened;
  first_server_ = sockets_.size();
  for (uint32_t j = 0; j < options_.servers.size(); ++j)
    if (auto opened = add(options_.servers[j], Local::of(Local::server, j), false); !opened) return opened;
  drops_at_start_ = counters().rx_dropped;
  return watch();
}

/// The socket of a client, or of all clients that differ by address, and that of the partners.
SocketWire::Result SocketWire::open_clients(uint32_t first) {
  const bool spread = options_.spread.has_value();
  const Address any = options_.source.is_v4() ? Address::v4(uint32_t{0}) : Address{};
  const Endpoint at{spread ? any : options_.source, 0};
  constexpr int kTries = 200;
  for (int tries = 0;; ++tries) {
    if (auto opened = add(at, Local::of(Local::client, first), spread); !opened) return opened;
    if (!options_.partners) return {};
    Endpoint beside = sockets_.back().bound;
    beside.port ^= 1;
    const auto opened = add(beside, Local::of(Local::partner, first), spread);
    if (opened || tries == kTries) return opened;
    sockets_.pop_back();
  }
}

SocketWire::Result SocketWire::add(const Endpoint& at, Local first, bool spread) {
  Socket s;
  s.first = first;
  s.spread = spread;
  s.ipv6 = !at.is_v4();
  s.fd.reset(::socket(s.ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!s.fd) return failed("socket", errno);
  set_buffers(s.fd.get(), spread || first.kind() == Local::server ? kBigBuffer : 256 << 10);
  const int on = 1;
  if (spread) ::setsockopt(s.fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  io::SocketAddress name;
  socklen_t len = io::to_sockaddr(at, s.ipv6, 0, name);
  EndpointText text;
  if (::bind(s.fd.get(), &name.sa, len) != 0) return failed(fmt::format("bind {}", format(at, text)), errno);
  ::getsockname(s.fd.get(), &name.sa, &len);
  s.bound = io::from_sockaddr(reinterpret_cast<const uint8_t*>(&name));
  sockets_.push_back(std::move(s));
  return {};
}

SocketWire::Result SocketWire::watch() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return failed("epoll_create1", errno);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sockets_[i].fd.get(), &event) != 0)
      return failed("epoll_ctl", errno);
  }
  return {};
}

size_t SocketWire::socket_of(Local local) const {
  if (local.kind() == Local::server) return first_server_ + local.index();
  const size_t n = options_.spread ? local.index() / AddressPlan::kAddresses : local.index();
  return options_.partners ? 2 * n + (local.kind() == Local::partner ? 1 : 0) : n;
}

Endpoint SocketWire::endpoint(Local local) const {
  const Socket& s = sockets_[socket_of(local)];
  return s.spread ? Endpoint{options_.spread->address(local.index()), s.bound.port} : s.bound;
}

void SocketWire::send(std::span<TxPacket> packets) {
  for (size_t from = 0; from < packets.size();) {
    const size_t socket = socket_of(packets[from].local);
    size_t to = from + 1;
    while (to < packets.size() && socket_of(packets[to].local) == socket) ++to;
    send_run(packets.subspan(from, to - from), sockets_[socket]);
    from = to;
  }
}

void SocketWire::send_run(std::span<TxPacket> run, const Socket& s) {
  for (size_t i = 0; i < run.size(); ++i) {
    iov_[i] = {run[i].data, run[i].len};
    msghdr& m = headers_[i].msg_hdr;
    m = {};
    m.msg_name = &names_[i];
    m.msg_namelen = io::to_sockaddr(run[i].remote, s.ipv6, 0, names_[i]);
    m.msg_iov = &iov_[i];
    m.msg_iovlen = 1;
    if (!s.spread) continue;
    m.msg_control = control_[i].b.data();
    m.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo));
    cmsghdr* const c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(options_.spread->address(run[i].local.index()).v4_host_order());
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
  }
  for (size_t from = 0; from < run.size();) {
    const int n = ::sendmmsg(s.fd.get(), &headers_[from], static_cast<unsigned>(run.size() - from), 0);
    if (n > 0) {
      from += static_cast<size_t>(n);
      counters_.tx_packets += static_cast<uint64_t>(n);
    } else if (errno != EINTR) {
      // A full buffer takes none of the rest, any other error concerns the first of them.
      const size_t lost = errno == EAGAIN || errno == ENOBUFS ? run.size() - from : 1;
      from += lost;
      counters_.tx_refused += lost;
    }
  }
}

std::span<RxPacket> SocketWire::receive() {
  size_t have = 0;
  if (sockets_.size() <= kFew) {
    for (size_t i = 0; i < sockets_.size() && have < kBatch; ++i)
      have += receive_from(sockets_[(turn_ + i) % sockets_.size()], have);
    ++turn_;
  } else {
    std::array<epoll_event, kBatch> ready;
    const int n = ::epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);
    for (int i = 0; i < n && have < kBatch; ++i)
      have += receive_from(sockets_[ready[static_cast<size_t>(i)].data.u64], have);
  }
  counters_.rx_packets += have;
  return {rx_.data(), have};
}

size_t SocketWire::receive_from(const Socket& s, size_t have) {
  const size_t room = kBatch - have;
  for (size_t i = have; i < kBatch; ++i) {
    iov_[i] = {memory_.data() + i * kRxSlot, kRxSlot};
    msghdr& m = headers_[i].msg_hdr;
    m = {};
    m.msg_name = &names_[i];
    m.msg_namelen = sizeof names_[i];
    m.msg_iov = &iov_[i];
    m.msg_iovlen = 1;
    if (!s.spread) continue;
    m.msg_control = control_[i].b.data();
    m.msg_controllen = control_[i].b.size();
  }
  const int n = ::recvmmsg(s.fd.get(), &headers_[have], static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  if (n <= 0) return 0;
  const Nanos now = now_ns();
  for (size_t i = have; i < have + static_cast<size_t>(n); ++i)
    rx_[i] = {.local = local_of(s, headers_[i].msg_hdr),
              .remote = io::from_sockaddr(reinterpret_cast<const uint8_t*>(&names_[i])),
              .data = {memory_.data() + i * kRxSlot, headers_[i].msg_len},
              .at = now};
  return static_cast<size_t>(n);
}

Local SocketWire::local_of(const Socket& s, const msghdr& m) const {
  if (!s.spread) return s.first;
  const cmsghdr* const c = CMSG_FIRSTHDR(&m);
  if (c == nullptr || c->cmsg_type != IP_PKTINFO) return s.first;
  in_pktinfo info{};
  std::memcpy(&info, CMSG_DATA(c), sizeof info);
  const auto k = options_.spread->index(Address::v4(ntohl(info.ipi_addr.s_addr)));
  return Local::of(s.first.kind(), s.first.index() + k.value_or(0));
}

void SocketWire::wait(Nanos until) {
  const Nanos left = until - now_ns();
  if (left <= 0) return;
  const timespec span{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  epoll_event event;
  ::epoll_pwait2(epoll_.get(), &event, 1, &span, nullptr);
}

WireCounters SocketWire::counters() {
  uint64_t drops = 0;
  for (const Socket& s : sockets_) {
    std::array<uint32_t, SK_MEMINFO_VARS> info{};
    socklen_t len = sizeof info;
    if (::getsockopt(s.fd.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &len) == 0)
      drops += info[SK_MEMINFO_DROPS];
  }
  counters_.rx_dropped = drops - drops_at_start_;
  return counters_;
}

std::string SocketWire::describe() const {
  if (!options_.spread) return fmt::format("{} sockets", sockets_.size());
  return fmt::format("{} sockets, {} source addresses", sockets_.size(),
                     std::min(options_.clients, AddressPlan::kAddresses));
}

}  // namespace sluice::load
