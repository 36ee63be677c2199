// Sockets that take whole IP packets, headers included.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/io/socket.h"
#include "net/io/socket_options.h"

namespace sluice::io {

/// IPPROTO_RAW: sends what it is given, and receives nothing that there is. Nonblocking. Needs CAP_NET_RAW;
/// empty: errno says why not.
inline Fd open_raw_socket(bool ipv6) {
  Fd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!fd) return fd;
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, 0);
  set_buffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, SocketOptions{}.sndbuf_bytes);
  return fd;
}

}  // namespace sluice::io
