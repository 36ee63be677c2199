#include "net/io/link/netlink.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sluice::io::link {
namespace {

/// A request under construction.
template <class Body>
class Request {
 public:
  Request(uint16_t type, uint16_t flags, const Body& body) {
    nlmsghdr h{};
    h.nlmsg_type = type;
    h.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    std::memcpy(b_.data(), &h, sizeof h);
    std::memcpy(b_.data() + NLMSG_HDRLEN, &body, sizeof body);
  }

  void attribute(uint16_t type, Bytes value) {
    const rtattr a{.rta_len = static_cast<uint16_t>(RTA_LENGTH(value.size())), .rta_type = type};
    std::memcpy(b_.data() + n_, &a, sizeof a);
    std::copy_n(value.data(), value.size(), reinterpret_cast<uint8_t*>(b_.data()) + n_ + sizeof a);
    n_ += RTA_SPACE(value.size());
  }
  void attribute(uint16_t type, const Address& a) {
    attribute(type, a.is_v4() ? Bytes(a.b).subspan(12) : Bytes(a.b));
  }

  std::span<std::byte> bytes() {
    const auto len = static_cast<uint32_t>(n_);
    std::memcpy(b_.data() + offsetof(nlmsghdr, nlmsg_len), &len, sizeof len);
    return std::span(b_).first(n_);
  }

 private:
  alignas(nlmsghdr) std::array<std::byte, 128> b_{};
  size_t n_ = NLMSG_SPACE(sizeof(Body));
};

template <class T>
T as(Bytes b) {
  T v{};
  if (b.size() >= sizeof v) std::memcpy(&v, b.data(), sizeof v);
  return v;
}

/// f(uint16_t type, Bytes value) for each attribute behind a body's fixed part.
template <class F>
void for_each_attribute(Bytes b, F&& f) {
  while (b.size() >= sizeof(rtattr)) {
    const auto a = as<rtattr>(b);
    if (a.rta_len < sizeof a || a.rta_len > b.size()) return;
    f(static_cast<uint16_t>(a.rta_type & NLA_TYPE_MASK), b.subspan(sizeof a, a.rta_len - sizeof a));
    b = b.subspan(std::min<size_t>(RTA_ALIGN(a.rta_len), b.size()));
  }
}

template <class Body>
Bytes attributes_of(Bytes b) {
  return b.subspan(std::min<size_t>(NLMSG_ALIGN(sizeof(Body)), b.size()));
}

std::optional<Address> address_of(Bytes b) {
  if (b.size() == 4) return Address::v4(load_be<uint32_t>(b.data()));
  if (b.size() != 16) return std::nullopt;
  Address a;
  std::copy_n(b.data(), b.size(), a.b.begin());
  return a;
}

std::optional<MacAddress> mac_of(Bytes b) {
  MacAddress m;
  if (b.size() != m.size()) return std::nullopt;
  std::copy_n(b.data(), b.size(), m.begin());
  return m;
}

uint8_t family_of(const Address& a) { return a.is_v4() ? AF_INET : AF_INET6; }
bool is_ip(uint8_t family) { return family == AF_INET || family == AF_INET6; }

void parse_metrics(Bytes b, RouteInfo& r) {
  for_each_attribute(b, [&](uint16_t type, Bytes v) {
    if (type == RTAX_MTU) r.mtu = as<uint32_t>(v);
    if (type == RTAX_HOPLIMIT) r.hop_limit = static_cast<uint8_t>(as<uint32_t>(v));
  });
}

void parse_route_attribute(uint16_t type, Bytes v, RouteInfo& r) {
  switch (type) {
    case RTA_DST:
      r.prefix = address_of(v).value_or(r.prefix);
      break;
    case RTA_OIF:
      r.ifindex = as<uint32_t>(v);
      break;
    case RTA_GATEWAY:
      r.gateway = address_of(v);
      break;
    case RTA_VIA:  // struct rtvia: a family, then the address
      r.gateway = address_of(v.subspan(std::min<size_t>(sizeof(uint16_t), v.size())));
      break;
    case RTA_METRICS:
      parse_metrics(v, r);
      break;
    case RTA_ENCAP_TYPE:
      r.encapsulated = as<uint16_t>(v) != LWTUNNEL_ENCAP_NONE;
      break;
    default:
      break;
  }
}

IoError no_netlink() {
  return {fmt::format("cannot ask the kernel for routes and neighbours: {}", std::strerror(errno)),
          "the system must permit AF_NETLINK sockets (RestrictAddressFamilies in a systemd unit)"};
}

Fd netlink_socket(int flags) {
  return Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
}

std::expected<Bytes, int> receive_into(int fd, std::vector<uint8_t>& buffer) {
  const auto n = ::recv(fd, buffer.data(), buffer.size(), MSG_TRUNC);
  if (n < 0) return std::unexpected(errno);
  if (static_cast<size_t>(n) > buffer.size()) return std::unexpected(ENOBUFS);
  return Bytes(buffer).first(static_cast<size_t>(n));
}

}  // namespace

bool NeighbourInfo::usable() const {
  return (state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)) != 0 &&
         mac.has_value();
}

std::optional<RouteInfo> parse_route(Bytes body) {
  const auto m = as<rtmsg>(body);
  if (body.size() < sizeof m || !is_ip(m.rtm_family)) return std::nullopt;
  const bool ipv4 = m.rtm_family == AF_INET;
  RouteInfo r{.prefix = ipv4 ? Address::v4(uint32_t{0}) : Address{},
              .prefix_bits = static_cast<uint8_t>(m.rtm_dst_len + (ipv4 ? 96 : 0)),
              .type = m.rtm_type,
              .dead = (m.rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0};
  for_each_attribute(attributes_of<rtmsg>(body),
                     [&](uint16_t t, Bytes v) { parse_route_attribute(t, v, r); });
  return r;
}

std::optional<LinkInfo> parse_link(Bytes body) {
  const auto m = as<ifinfomsg>(body);
  if (body.size() < sizeof m || m.ifi_family != AF_UNSPEC) return std::nullopt;
  LinkInfo l{.ifindex = static_cast<uint32_t>(m.ifi_index), .type = m.ifi_type, .flags = m.ifi_flags};
  const auto text = [](Bytes v) { return std::string(as_text(v).substr(0, as_text(v).find('\0'))); };
  for_each_attribute(attributes_of<ifinfomsg>(body), [&](uint16_t type, Bytes v) {
    if (type == IFLA_IFNAME) l.name = text(v);
    if (type == IFLA_MTU) l.mtu = as<uint32_t>(v);
    if (type == IFLA_ADDRESS) l.mac = mac_of(v);
    if (type == IFLA_LINKINFO)
      for_each_attribute(v, [&](uint16_t t, Bytes x) {
        if (t == IFLA_INFO_KIND) l.kind = text(x);
      });
  });
  return l;
}

std::optional<NeighbourInfo> parse_neighbour(Bytes body) {
  const auto m = as<ndmsg>(body);
  if (body.size() < sizeof m || !is_ip(m.ndm_family)) return std::nullopt;
  NeighbourInfo n{.ifindex = static_cast<uint32_t>(m.ndm_ifindex), .state = m.ndm_state};
  bool named = false;
  for_each_attribute(attributes_of<ndmsg>(body), [&](uint16_t type, Bytes v) {
    if (type == NDA_LLADDR) n.mac = mac_of(v);
    if (type != NDA_DST) return;
    const auto a = address_of(v);
    named = a.has_value();
    n.address = a.value_or(Address{});
  });
  if (!named) return std::nullopt;
  return n;
}

std::optional<TableRoute> parse_table_route(Bytes body) {
  const auto route = parse_route(body);
  if (!route) return std::nullopt;
  const auto m = as<rtmsg>(body);
  if (m.rtm_flags & RTM_F_CLONED) return std::nullopt;
  TableRoute t{.route = *route, .table = m.rtm_table, .plain = m.rtm_src_len == 0 && m.rtm_tos == 0};
  for_each_attribute(attributes_of<rtmsg>(body), [&](uint16_t type, Bytes v) {
    if (type == RTA_TABLE) t.table = as<uint32_t>(v);
    if (type == RTA_MULTIPATH || type == RTA_NH_ID) t.plain = false;
  });
  return t;
}

std::optional<uint32_t> usual_rule(Bytes body) {
  const auto m = as<fib_rule_hdr>(body);
  uint32_t table = m.table, priority = 0;
  bool usual = body.size() >= sizeof m && m.action == FR_ACT_TO_TBL && m.flags == 0 && m.tos == 0 &&
               m.src_len == 0 && m.dst_len == 0;
  for_each_attribute(attributes_of<fib_rule_hdr>(body), [&](uint16_t type, Bytes v) {
    if (type == FRA_TABLE)
      table = as<uint32_t>(v);
    else if (type == FRA_PRIORITY)
      priority = as<uint32_t>(v);
    else if (type == FRA_SUPPRESS_PREFIXLEN)
      usual &= as<uint32_t>(v) == UINT32_MAX;
    else if (type != FRA_PROTOCOL)
      usual = false;
  });
  const std::pair<uint32_t, uint32_t> rule{priority, table};
  if (!usual ||
      (rule != std::pair{0U, 255U} && rule != std::pair{32766U, 254U} && rule != std::pair{32767U, 253U}))
    return std::nullopt;
  return table;
}

std::optional<int> read_dump(Bytes datagram, const std::function<bool(Bytes)>& f) {
  std::optional<int> end;
  for_each_message(datagram, [&](const MessageHeader& h, Bytes body) {
    if (end) return;
    if (h.flags & NLM_F_DUMP_INTR)
      end = EINTR;
    else if (h.type == NLMSG_DONE || h.type == NLMSG_ERROR)  // both begin with an errno's negative, or 0
      end = as<int>(body) < 0 ? -as<int>(body) : h.type == NLMSG_DONE ? 0 : EBADMSG;
    else if (!f(body))
      end = ECANCELED;
  });
  return end;
}

int dump(uint16_t type, bool ipv4, const std::function<bool(Bytes)>& f) {
  const Fd fd = netlink_socket(0);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) return errno;
  rtmsg m{};  // a rule's header is of the same size, and begins with the family too
  m.rtm_family = ipv4 ? AF_INET : AF_INET6;
  Request<rtmsg> r(type, NLM_F_DUMP, m);
  if (::send(fd.get(), r.bytes().data(), r.bytes().size(), 0) < 0) return errno;
  std::vector<uint8_t> buffer(32'768);
  for (;;) {
    const auto datagram = receive_into(fd.get(), buffer);
    if (!datagram) return datagram.error();
    if (const auto end = read_dump(*datagram, f)) return *end;
  }
}

std::optional<Address> parse_address_message(Bytes body) {
  if (body.size() < sizeof(ifaddrmsg)) return std::nullopt;
  std::optional<Address> address;
  std::optional<Address> local;  // of a point-to-point link, where IFA_ADDRESS is the peer's
  for_each_attribute(attributes_of<ifaddrmsg>(body), [&](uint16_t type, Bytes v) {
    if (type == IFA_ADDRESS) address = address_of(v);
    if (type == IFA_LOCAL) local = address_of(v);
  });
  return local ? local : address;
}

std::expected<Asker, IoError> Asker::open() {
  Fd fd = netlink_socket(0);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
    return std::unexpected(no_netlink());
  return Asker(std::move(fd));
}

std::expected<RouteInfo, int> Asker::route(const Address& source, const Address& destination) {
  rtmsg m{};
  m.rtm_family = family_of(destination);
  const uint8_t bits = destination.is_v4() ? 32 : 128;
  m.rtm_dst_len = bits;
  if (!source.is_unspecified()) m.rtm_src_len = bits;
  Request<rtmsg> r(RTM_GETROUTE, 0, m);
  r.attribute(RTA_DST, destination);
  if (!source.is_unspecified()) r.attribute(RTA_SRC, source);
  const auto body = ask(r.bytes(), RTM_NEWROUTE);
  if (!body) return std::unexpected(body.error());
  const auto route = parse_route(*body);
  if (!route) return std::unexpected(EBADMSG);
  return *route;
}

std::expected<LinkInfo, int> Asker::link(uint32_t ifindex) {
  ifinfomsg m{};
  m.ifi_index = static_cast<int>(ifindex);
  Request<ifinfomsg> r(RTM_GETLINK, 0, m);
  const auto body = ask(r.bytes(), RTM_NEWLINK);
  if (!body) return std::unexpected(body.error());
  auto link = parse_link(*body);
  if (!link) return std::unexpected(EBADMSG);
  return std::move(*link);
}

std::expected<NeighbourInfo, int> Asker::neighbour(uint32_t ifindex, const Address& address) {
  ndmsg m{};
  m.ndm_family = family_of(address);
  m.ndm_ifindex = static_cast<int>(ifindex);
  Request<ndmsg> r(RTM_GETNEIGH, 0, m);
  r.attribute(NDA_DST, address);
  const auto body = ask(r.bytes(), RTM_NEWNEIGH);
  if (!body) return std::unexpected(body.error());
  const auto neighbour = parse_neighbour(*body);
  if (!neighbour) return std::unexpected(EBADMSG);
  return *neighbour;
}

std::expected<Bytes, int> Asker::ask(std::span<std::byte> request, uint16_t answer_type) {
  const uint32_t sequence = ++sequence_;
  std::memcpy(request.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  if (::send(fd_.get(), request.data(), request.size(), 0) < 0) return std::unexpected(errno);
  for (;;) {
    const auto found = answer(sequence, answer_type);
    if (found || found.error() != EINTR) return found;
  }
}

/// One datagram. EINTR: it was not the answer, and there is more to come.
std::expected<Bytes, int> Asker::answer(uint32_t sequence, uint16_t type) {
  const auto datagram = receive_into(fd_.get(), buffer_);
  if (!datagram) return std::unexpected(datagram.error() == EAGAIN ? ETIMEDOUT : datagram.error());
  std::expected<Bytes, int> found = std::unexpected(EINTR);
  for_each_message(*datagram, [&](const MessageHeader& h, Bytes body) {
    if (h.sequence != sequence) return;  // of a question that was given up
    if (h.type == type) found = body;
    if (h.type != NLMSG_ERROR) return;
    const int error = as<nlmsgerr>(body).error;
    found = std::unexpected(error < 0 ? -error : EBADMSG);
  });
  return found;
}

std::expected<Announcements, IoError> Announcements::open() {
  Fd fd = netlink_socket(SOCK_NONBLOCK);
  if (!fd) return std::unexpected(no_netlink());
  const int bytes = 1 << 20;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  sockaddr_nl a{};
  a.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0)
    return std::unexpected(no_netlink());
  for (const int group : {RTNLGRP_NEIGH, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                          RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE})
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
      return std::unexpected(no_netlink());
  const int nexthops = RTNLGRP_NEXTHOP;  // Linux 5.3; before it there are none
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nexthops, sizeof nexthops);
  return Announcements(std::move(fd));
}

std::expected<Bytes, int> Announcements::receive() { return receive_into(fd_.get(), buffer_); }

}  // namespace sluice::io::link
