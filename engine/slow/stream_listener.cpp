#include "engine/slow/stream_listener.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/socket_options.h"

namespace sluice::slow {
namespace {

constexpr int kBacklog = 1024;
/// What the kernel may hold of one stream: a reader that is slower loses datagrams instead of hearing them
/// seconds late.
constexpr int kSendBuffer = 64 * 1024;
/// Data that nobody acknowledges for so long ends the connection.
constexpr int kUserTimeoutMs = 30'000;

io::IoError refused(const Endpoint& e, const char* what) {
  const int error = errno;
  EndpointText text;
  return {fmt::format("TCP {}: {}: {}", format(e, text), what, std::strerror(error)),
          error == EADDRINUSE ? fmt::format("find who has it with: ss -tlpn 'sport = :{}'", e.port) : ""};
}

/// Accepted sockets inherit these.
bool set_up(int fd) {
  return io::set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) && io::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
         io::set_option(fd, SOL_SOCKET, SO_SNDBUF, kSendBuffer) &&
         io::set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

}  // namespace

std::expected<StreamListener, io::IoError> listen_stream(const Endpoint& e, bool tls, bool v6_only) {
  bool ipv6 = !e.is_v4();
  io::Fd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd && ipv6 && errno == EAFNOSUPPORT && e.addr.is_unspecified()) {
    ipv6 = false;
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }
  if (!fd) return std::unexpected(refused(e, "no socket"));
  const bool dual = ipv6 && e.addr.is_unspecified() && !v6_only;
  if (!set_up(fd.get()) || (ipv6 && !io::set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : 1)))
    return std::unexpected(refused(e, "cannot be set up"));
  io::SocketAddress a;
  socklen_t len = io::to_sockaddr(e, ipv6, 0, a);
  if (::bind(fd.get(), &a.sa, len) != 0) return std::unexpected(refused(e, "cannot listen"));
  if (::listen(fd.get(), kBacklog) != 0) return std::unexpected(refused(e, "cannot listen"));
  len = sizeof a;
  if (::getsockname(fd.get(), &a.sa, &len) != 0) return std::unexpected(refused(e, "has no name"));
  StreamListener out;
  out.bound = {e.addr, io::from_sockaddr(reinterpret_cast<const uint8_t*>(&a)).port};
  out.fd = std::move(fd);
  out.tls = tls;
  return out;
}

}  // namespace sluice::slow
