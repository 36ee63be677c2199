// Endpoint to sockaddr and back.
#pragma once

#include <cstdint>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/base/endpoint.h"

namespace sluice::io {

union SocketAddress {
  sockaddr sa;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/// `ipv6_socket`: family of the socket it is for; IPv4 is then written as ::ffff:a.b.c.d (RFC 3493 §3.7).
/// `scope`: interface index for a link-local IPv6 address, else 0. Returns the length.
inline socklen_t to_sockaddr(const Endpoint& e, bool ipv6_socket, uint32_t scope, SocketAddress& out) {
  if (!ipv6_socket) {
    out.v4 = {};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(e.port);
    std::memcpy(&out.v4.sin_addr, e.addr.b.data() + 12, 4);
    return sizeof out.v4;
  }
  out.v6 = {};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(e.port);
  out.v6.sin6_scope_id = scope;
  std::memcpy(&out.v6.sin6_addr, e.addr.b.data(), 16);
  return sizeof out.v6;
}

/// `at`: a sockaddr_in or sockaddr_in6, possibly unaligned and without its scope id.
inline Endpoint from_sockaddr(const uint8_t* at) {
  sa_family_t family;
  std::memcpy(&family, at + offsetof(sockaddr, sa_family), sizeof family);
  Endpoint e;
  uint16_t port = 0;
  if (family == AF_INET) {
    e.addr = Address::v4(uint32_t{0});
    std::memcpy(e.addr.b.data() + 12, at + offsetof(sockaddr_in, sin_addr), 4);
    std::memcpy(&port, at + offsetof(sockaddr_in, sin_port), 2);
  } else if (family == AF_INET6) {
    std::memcpy(e.addr.b.data(), at + offsetof(sockaddr_in6, sin6_addr), 16);
    std::memcpy(&port, at + offsetof(sockaddr_in6, sin6_port), 2);
  }
  e.port = ntohs(port);
  return e;
}

}  // namespace sluice::io
