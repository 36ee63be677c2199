#include "tools/load/forwarder.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "net/io/address.h"
#include "net/io/socket.h"
#include "tools/load/options.h"
#include "tools/load/wire.h"

namespace sluice::load {
namespace {

volatile std::sig_atomic_t g_stop = 0;
void on_signal(int) { g_stop = 1; }

/// Messages whose buffers are filled by recvmmsg() and emptied by sendmmsg().
struct Messages {
  static constexpr size_t kSlot = 2048;
  std::array<uint8_t, kBatch * kSlot> memory;
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> iov{};
  std::array<io::SocketAddress, kBatch> names{};

  Messages() {
    for (size_t i = 0; i < kBatch; ++i) {
      msghdr& m = headers[i].msg_hdr;
      m.msg_name = &names[i];
      m.msg_iov = &iov[i];
      m.msg_iovlen = 1;
    }
  }
  void make_room() {
    for (size_t i = 0; i < kBatch; ++i) {
      iov[i] = {memory.data() + i * kSlot, kSlot};
      headers[i].msg_hdr.msg_namelen = sizeof names[i];
    }
  }
};

struct Forwarder {
  int fd;
  bool ipv6;
  std::optional<Endpoint> to;
  bool discard = false;
  uint64_t received = 0;
  uint64_t forwarded = 0, refused = 0, calls = 0;
  std::unique_ptr<Messages> messages = std::make_unique<Messages>();

  void once() {
    Messages& m = *messages;
    m.make_room();
    const int n = ::recvmmsg(fd, m.headers.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (n <= 0) {
      pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
      ::poll(&p, 1, 100);
      return;
    }
    const auto count = static_cast<size_t>(n);
    ++calls;
    received += count;
    if (discard) return;
    for (size_t i = 0; i < count; ++i) {
      m.iov[i].iov_len = m.headers[i].msg_len;
      if (to)
        m.headers[i].msg_hdr.msg_namelen = io::to_sockaddr(*to, ipv6, 0, m.names[i]);
      else
        m.names[i].v4.sin_port ^= htons(1);  // at the same place in sockaddr_in6
    }
    for (size_t from = 0; from < count;) {
      const int sent = ::sendmmsg(fd, &m.headers[from], static_cast<unsigned>(count - from), 0);
      from += sent > 0 ? static_cast<size_t>(sent) : 1;
      forwarded += sent > 0 ? static_cast<uint64_t>(sent) : 0;
      refused += sent > 0 ? 0 : 1;
    }
  }
};

int fail(const std::string& why, int status) {
  fmt::print(stderr, "sluice load forwarder: {}\n", why);
  return status;
}

std::optional<std::string> open_socket(const Endpoint& at, io::Fd& fd) {
  fd.reset(::socket(at.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int bytes = 8 << 20;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  io::SocketAddress name;
  const socklen_t len = io::to_sockaddr(at, !at.is_v4(), 0, name);
  if (!fd || ::bind(fd.get(), &name.sa, len) != 0) return fmt::format("--listen: {}", std::strerror(errno));
  return std::nullopt;
}

}  // namespace

int run_forwarder(const ForwarderOptions& o) {
  const auto listen = parse_endpoint(o.listen);
  if (!listen)
    return fail(fmt::format("--listen: '{}' is not ADDR:PORT; write e.g. 127.0.0.1:5000", o.listen), 2);
  std::optional<Endpoint> to;
  if (!o.to.empty()) {
    to = parse_endpoint(o.to);
    if (!to || to->is_v4() != listen->is_v4())
      return fail(fmt::format("--to: '{}' is not ADDR:PORT of the family of --listen", o.to), 2);
  }
  if (!o.core.empty()) {
    const auto cores = parse_cores(o.core);
    if (!cores || cores->size() != 1) return fail("--cores: give one core, e.g. 0", 2);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cores->front(), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0)
      return fail("--cores: this machine has no such core", 2);
  }
  io::Fd fd;
  if (const auto bad = open_socket(*listen, fd)) return fail(*bad, 1);
  for (const int s : {SIGINT, SIGTERM}) std::signal(s, on_signal);
  fmt::print("ready udp={}\n", o.listen);
  std::fflush(stdout);
  Forwarder f{.fd = fd.get(), .ipv6 = !listen->is_v4(), .to = to, .discard = o.discard};
  const Nanos end = now_ns() + static_cast<Nanos>(o.seconds * 1e9);
  while (g_stop == 0 && now_ns() < end) f.once();
  timespec cpu{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  const double ns = static_cast<double>(cpu.tv_sec) * 1e9 + static_cast<double>(cpu.tv_nsec);
  const auto packets = static_cast<double>(std::max<uint64_t>(1, f.received));
  fmt::print("received {} packets, forwarded {}, {} refused, {:.1f} per call, {:.0f} ns of CPU each\n",
             f.received, f.forwarded, f.refused,
             packets / static_cast<double>(std::max<uint64_t>(1, f.calls)), ns / packets);
  return 0;
}

}  // namespace sluice::load
