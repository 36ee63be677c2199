#include "net/io/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/socket_options.h"

namespace sluice::io {
namespace {

std::string text(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

/// What bind() refused, for a person.
IoError bind_error(const Endpoint& e, int error) {
  const std::string where = text(e);
  switch (error) {
    case EADDRINUSE:
      return {fmt::format("UDP {} is in use by another program", where),
              fmt::format("find it with: ss -ulpn 'sport = :{}'; stop it or listen on another port", e.port)};
    case EACCES:
    case EPERM:
      return {fmt::format("no permission to listen on UDP {}", where),
              e.port < 1024 ? "use a port above 1023 or grant CAP_NET_BIND_SERVICE"
                            : "the system's security policy forbids it"};
    case EADDRNOTAVAIL:
      return {fmt::format("cannot listen on UDP {}: this host has no such address", where),
              "see: ip addr; or listen on [::]"};
    case EINVAL:
      if (e.addr.is_link_local())
        return {fmt::format("cannot listen on UDP {}: a link-local address needs an interface", where),
                "listen on [::] instead, which serves link-local clients too"};
      [[fallthrough]];
    default:
      return {fmt::format("cannot listen on UDP {}: {}", where, std::strerror(error)), ""};
  }
}

IoError socket_error(const Endpoint& e, int error) {
  if (error == EAFNOSUPPORT)
    return {fmt::format("cannot listen on UDP {}: this host has no IPv6", text(e)),
            "listen on an IPv4 address"};
  const bool files = error == EMFILE || error == ENFILE;
  return {fmt::format("no socket for UDP {}: {}", text(e), std::strerror(error)),
          files ? "raise the limit of open files (ulimit -n)" : ""};
}

/// What every received datagram is asked to tell: the socket's drops, and only what cannot be known
/// otherwise, since each message costs about 4 % of receiving it. An IPv6 socket asks for the interface,
/// which answers to link-local addresses need.
bool ask_for_control(int fd, const Endpoint& bound, bool ipv6, bool ecn) {
  if (!set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1)) return false;
  // On a dual-stack socket IPv4 comes with IPV6_PKTINFO and a mapped address, but IP_TOS.
  if (ecn && !set_option(fd, IPPROTO_IP, IP_RECVTOS, 1) && !ipv6) return false;
  if (!ipv6) return !bound.addr.is_unspecified() || set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  return set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         (!ecn || set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
}

/// One nonblocking socket, not bound yet.
std::expected<Fd, IoError> make_socket(const Endpoint& e, bool ipv6, bool dual_stack, bool ecn) {
  Fd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(socket_error(e, errno));
  const bool ok = (!ipv6 || set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? 0 : 1)) &&
                  ask_for_control(fd.get(), e, ipv6, ecn);
  if (!ok)
    return std::unexpected(
        IoError{fmt::format("cannot set up UDP {}: {}", text(e), std::strerror(errno)), ""});
  return fd;
}

/// 0, or errno.
int bind_to(int fd, const Endpoint& e, bool ipv6) {
  SocketAddress a;
  const socklen_t len = to_sockaddr(e, ipv6, 0, a);
  return ::bind(fd, &a.sa, len) == 0 ? 0 : errno;
}

uint16_t bound_port(int fd) {
  SocketAddress a{};
  socklen_t len = sizeof a;
  if (::getsockname(fd, &a.sa, &len) != 0) return 0;
  return from_sockaddr(reinterpret_cast<const uint8_t*>(&a)).port;
}

bool host_has_ipv6() { return Fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) || errno != EAFNOSUPPORT; }

}  // namespace

std::expected<ListenSockets, IoError> ListenSockets::open(std::span<const Endpoint> listens,
                                                          const SocketOptions& options) {
  if (listens.empty() || listens.size() > kMaxListens)
    return std::unexpected(IoError{
        fmt::format("{} endpoints to listen on; 1 to {} are possible", listens.size(), kMaxListens), ""});
  if (options.shards == 0 || options.shards > kMaxSocketShards)
    return std::unexpected(
        IoError{fmt::format("{} shards; 1 to {} are possible", options.shards, kMaxSocketShards), ""});
  for (size_t i = 0; i < listens.size(); ++i)
    if (listens[i].port != 0 && std::ranges::find(listens.subspan(i + 1), listens[i]) != listens.end())
      return std::unexpected(
          IoError{fmt::format("UDP {} is listed twice", text(listens[i])), "list it once"});
  ListenSockets out;
  out.shards_ = options.shards;
  out.patience_ms_ = options.bind_patience_ms;
  out.by_shard_.resize(options.shards);
  out.rcvbuf_granted_ = out.sndbuf_granted_ = UINT32_MAX;
  for (const Endpoint& e : listens)
    if (auto ok = out.open_group(e, listens, options); !ok) return std::unexpected(ok.error());
  if (out.rcvbuf_granted_ / 2 < options.rcvbuf_bytes)
    out.notes_.push_back(fmt::format(
        "receive buffers are {} KiB instead of {} KiB: raise net.core.rmem_max or grant CAP_NET_ADMIN",
        out.rcvbuf_granted_ / 2048, options.rcvbuf_bytes / 1024));
  return out;
}

std::expected<void, IoError> ListenSockets::bind_patiently(int fd, const ShardSocket& s) {
  constexpr uint32_t kPauseMs = 20;
  const uint32_t before = patience_ms_;
  int error = bind_to(fd, s.bound, s.ipv6);
  for (; error == EADDRINUSE && patience_ms_ > 0; error = bind_to(fd, s.bound, s.ipv6)) {
    const uint32_t pause = std::min(kPauseMs, patience_ms_);
    ::poll(nullptr, 0, static_cast<int>(pause));
    patience_ms_ -= pause;
  }
  if (error != 0) return std::unexpected(bind_error(s.bound, error));
  if (patience_ms_ != before)
    notes_.push_back(
        fmt::format("UDP {} was in use, and free after {} ms", text(s.bound), before - patience_ms_));
  return {};
}

/// Bound; `s` has the port. A port that was picked out of the reserved ones is kept until the next is picked.
std::expected<Fd, IoError> ListenSockets::first_of_group(ShardSocket& s, const SocketOptions& options) {
  constexpr size_t kMostPicks = 256;
  std::vector<Fd> kept;
  for (;;) {
    auto fd = make_socket(s.bound, s.ipv6, s.dual_stack, options.ecn);
    if (!fd) return std::unexpected(fd.error());
    // It binds without SO_REUSEPORT, so that a port which another process of the same user shares out is an
    // error and not half of our traffic; then it opens the group for the others.
    if (auto ok = bind_patiently(fd->get(), s); !ok) return std::unexpected(ok.error());
    const uint16_t port = bound_port(fd->get());
    const bool taken = s.bound.port == 0 && port >= options.reserved.lo && port <= options.reserved.hi;
    if (!taken || kept.size() == kMostPicks) {
      set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1);
      s.bound.port = port;
      return std::move(*fd);
    }
    kept.push_back(std::move(*fd));
  }
}

std::expected<Fd, IoError> ListenSockets::next_of_group(const ShardSocket& s, bool ecn) {
  auto fd = make_socket(s.bound, s.ipv6, s.dual_stack, ecn);
  if (!fd) return std::unexpected(fd.error());
  set_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (auto ok = bind_patiently(fd->get(), s); !ok) return std::unexpected(ok.error());
  return std::move(*fd);
}

std::expected<void, IoError> ListenSockets::open_group(Endpoint e, std::span<const Endpoint> listens,
                                                       const SocketOptions& options) {
  ShardSocket s{.fd = -1, .bound = e, .ipv6 = !e.is_v4(), .dual_stack = false};
  if (s.ipv6 && e.addr.is_unspecified()) {
    const Endpoint v4_twin{Address::v4(uint32_t{0}), e.port};
    s.dual_stack = std::ranges::find(listens, v4_twin) == listens.end();
    if (s.dual_stack && !host_has_ipv6()) {
      notes_.push_back(fmt::format("no IPv6 on this host: {} serves IPv4 only", text(e)));
      s = {.fd = -1, .bound = v4_twin, .ipv6 = false, .dual_stack = false};
    }
  }
  for (uint32_t shard = 0; shard < shards_; ++shard) {
    auto fd = shard == 0 ? first_of_group(s, options) : next_of_group(s, options.ecn);
    if (!fd) return std::unexpected(fd.error());
    if (shard == 0) bound_.push_back(s.bound);
    rcvbuf_granted_ =
        std::min(rcvbuf_granted_, set_buffer(fd->get(), SO_RCVBUFFORCE, SO_RCVBUF, options.rcvbuf_bytes));
    sndbuf_granted_ =
        std::min(sndbuf_granted_, set_buffer(fd->get(), SO_SNDBUFFORCE, SO_SNDBUF, options.sndbuf_bytes));
    s.fd = fd->get();
    by_shard_[shard].push_back(s);
    fds_.push_back(std::move(*fd));
  }
  return {};
}

bool ListenSockets::serves_ipv4() const {
  return std::ranges::any_of(by_shard_.front(), [](const ShardSocket& s) { return !s.ipv6 || s.dual_stack; });
}

bool ListenSockets::serves_ipv6() const {
  return std::ranges::any_of(by_shard_.front(), [](const ShardSocket& s) { return s.ipv6; });
}

std::vector<int> ListenSockets::group(size_t listen) const {
  std::vector<int> fds;
  for (const auto& sockets : by_shard_) fds.push_back(sockets.at(listen).fd);
  return fds;
}

}  // namespace sluice::io
