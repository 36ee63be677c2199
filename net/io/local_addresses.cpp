#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>

#include "net/io/address.h"
#include "net/io/socket.h"

namespace sluice::io {

std::expected<std::vector<LocalAddress>, IoError> local_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0)
    return std::unexpected(IoError{fmt::format("cannot list this host's addresses: {}", std::strerror(errno)),
                                   "name the addresses to offer with --public-address"});
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);
  std::vector<LocalAddress> out;
  ptrdiff_t ipv4 = 0;
  for (const ifaddrs* i = first; i; i = i->ifa_next) {
    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP)) continue;
    if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6) continue;
    const Address a = from_sockaddr(reinterpret_cast<const uint8_t*>(i->ifa_addr)).addr;
    if (a.is_link_local() || a.is_unspecified()) continue;
    if (std::ranges::any_of(out, [&](const LocalAddress& o) { return o.addr == a; })) continue;
    const auto at = a.is_v4() ? out.begin() + ipv4++ : out.end();
    out.insert(at, {.addr = a,
                    .ifindex = ::if_nametoindex(i->ifa_name),
                    .interface = i->ifa_name,
                    .loopback = (i->ifa_flags & IFF_LOOPBACK) != 0 || a.is_loopback(),
                    .running = (i->ifa_flags & IFF_RUNNING) != 0});
  }
  return out;
}

}  // namespace sluice::io
