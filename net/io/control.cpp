#include "net/io/control.h"

#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/io/address.h"

namespace sluice::io {
namespace {

void parse_one(int level, int type, const uint8_t* data, size_t len, RxControl& c) {
  if (level == SOL_SOCKET && type == SO_RXQ_OVFL && len >= sizeof c.dropped) {
    std::memcpy(&c.dropped, data, sizeof c.dropped);
    c.has_dropped = true;
  } else if (level == IPPROTO_IP && type == IP_PKTINFO && len >= sizeof(in_pktinfo)) {
    in_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    // ipi_spec_dst, not ipi_addr: for a broadcast it is the address that an answer may leave from.
    c.local = Address::v4(ntohl(info.ipi_spec_dst.s_addr));
    c.ifindex = static_cast<uint32_t>(info.ipi_ifindex);
    c.has_local = true;
  } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO && len >= sizeof(in6_pktinfo)) {
    in6_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    std::memcpy(c.local.b.data(), &info.ipi6_addr, 16);
    c.ifindex = info.ipi6_ifindex;
    c.has_local = true;
  } else if ((level == IPPROTO_IP && type == IP_ORIGDSTADDR && len >= sizeof(sockaddr_in)) ||
             (level == IPPROTO_IPV6 && type == IPV6_ORIGDSTADDR && len >= sizeof(sockaddr_in6))) {
    const Endpoint e = from_sockaddr(data);
    c.local = e.addr;
    c.local_port = e.port;
    c.has_local = true;
  } else if (level == IPPROTO_IP && type == IP_TOS && len >= 1) {
    c.ecn = data[0] & 3;
  } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS && len >= sizeof(int)) {
    int tclass;
    std::memcpy(&tclass, data, sizeof tclass);
    c.ecn = static_cast<uint8_t>(tclass & 3);
  }
}

}  // namespace

RxControl parse_control(std::span<const uint8_t> control) {
  RxControl c;
  while (control.size() >= sizeof(cmsghdr)) {
    cmsghdr h;
    std::memcpy(&h, control.data(), sizeof h);
    if (h.cmsg_len < CMSG_LEN(0) || h.cmsg_len > control.size()) break;
    parse_one(h.cmsg_level, h.cmsg_type, control.data() + CMSG_LEN(0), h.cmsg_len - CMSG_LEN(0), c);
    const size_t step = CMSG_ALIGN(h.cmsg_len);
    if (step >= control.size()) break;
    control = control.subspan(step);
  }
  return c;
}

}  // namespace sluice::io
