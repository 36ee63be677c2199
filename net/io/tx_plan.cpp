#include "net/io/tx_plan.h"

#include <cerrno>
#include <cstring>

namespace sluice::io {
namespace {

template <class T>
size_t put_control(uint8_t* at, int level, int type, const T& value) {
  cmsghdr h{};
  h.cmsg_len = CMSG_LEN(sizeof value);
  h.cmsg_level = level;
  h.cmsg_type = type;
  std::memcpy(at, &h, sizeof h);
  std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
  return CMSG_SPACE(sizeof value);
}

bool same_path(const Packet& a, const Packet& b) {
  return a.remote == b.remote && a.local == b.local && a.ifindex == b.ifindex;
}

}  // namespace

TxPlan::TxPlan(std::span<const ShardSocket> sockets, const PacketPool& pool, bool gso)
    : listens_(sockets.size()),
      sockets_(sockets.begin(), sockets.end()),
      gso_off_(sockets.size(), gso ? 0 : 1),
      pool_(pool),
      max_segments_(kGsoSegments) {}

void TxPlan::grant(const ShardPorts& ports) {
  ports_ = &ports;
  if (!ports.steered()) return;
  for (const ShardSocket& s : ports.steered()->senders(ports.shard())) {
    raw_[s.ipv6] = static_cast<uint32_t>(sockets_.size());
    sockets_.push_back(s);
    gso_off_.push_back(1);
  }
}

/// Exact address first, then a wildcard of the family, then relay ports.
uint32_t TxPlan::socket_for(const Packet& p) const {
  const bool v4 = p.remote.is_v4();
  uint32_t wildcard = kNoSocket;
  for (size_t i = 0; i < listens_; ++i) {
    const ShardSocket& s = sockets_[i];
    if (s.bound.port != p.local.port || !(v4 ? (!s.ipv6 || s.dual_stack) : s.ipv6)) continue;
    if (s.bound.addr == p.local.addr) return static_cast<uint32_t>(i);
    if (s.bound.addr.is_unspecified() || p.local.addr.is_unspecified()) wildcard = static_cast<uint32_t>(i);
  }
  return wildcard == kNoSocket && ports_ ? port_for(p) : wildcard;
}

uint32_t TxPlan::port_for(const Packet& p) const {
  const uint32_t port = ports_->index(p.local);
  if (port == ShardPorts::kNone || p.local.is_v4() != p.remote.is_v4()) return kNoSocket;
  return ports_->steered() ? raw_[!p.remote.is_v4()] : kFirstPort + port;
}

/// `p` is a packet that leaves by it.
ShardSocket TxPlan::socket_at(uint32_t socket, const Packet& p) const {
  if (socket < kFirstPort) return sockets_[socket];
  return {.fd = (*ports_)[socket - kFirstPort].fd, .bound = p.local, .ipv6 = !p.local.is_v4()};
}

bool TxPlan::joins(const TxBatch& tx, const TxMessage& m, const Packet& p) const {
  if (!may_segment(m.socket) || m.count == 0 || m.count >= max_segments_) return false;
  const Packet& first = tx[m.first];
  const Packet& last = tx[m.first + m.count - 1u];
  // Only the last segment may be shorter, and a segment of no bytes does not exist.
  return p.len != 0 && p.len <= first.len && last.len == first.len && m.bytes + p.len <= kGsoBytes &&
         same_path(first, p);
}

void TxPlan::build(const TxBatch& tx, DropCounters& drops) {
  n_ = 0;
  bool open = false;  // whether the last message may still grow
  for (size_t i = 0; i < tx.size(); ++i) {
    const Packet& p = tx[i];
    iov_[i] = {.iov_base = pool_.slot_bytes(p.slot) + p.offset, .iov_len = p.len};
    if (open && joins(tx, messages_[n_ - 1], p)) {
      ++messages_[n_ - 1].count;
      messages_[n_ - 1].bytes += p.len;
      continue;
    }
    if (open) finish(tx, n_ - 1);
    const uint32_t socket = socket_for(p);
    open = socket != kNoSocket;
    if (!open) {
      drops.add(Drop::tx_no_route);
      continue;
    }
    messages_[n_++] = {.socket = socket, .first = static_cast<uint16_t>(i), .count = 1, .bytes = p.len};
  }
  if (open) finish(tx, n_ - 1);
}

void TxPlan::finish(const TxBatch& tx, size_t i) {
  const TxMessage& m = messages_[i];
  const Packet& p = tx[m.first];
  const ShardSocket socket = socket_at(m.socket, p);
  address(p, socket, i);
  msghdr& h = headers_[i].msg_hdr;
  h.msg_iov = &iov_[m.first];
  h.msg_iovlen = m.count;
  if (socket.use == SocketUse::raw) prepend_headers(p, i);
  uint8_t* at = control_[i].b.data();
  size_t used = source_control(p, socket, at);
  if (m.count > 1) used += put_control(at + used, IPPROTO_UDP, UDP_SEGMENT, p.len);
  h.msg_control = used ? at : nullptr;
  h.msg_controllen = used;
}

void TxPlan::address(const Packet& p, const ShardSocket& s, size_t i) {
  msghdr& h = headers_[i].msg_hdr;
  h = {};
  const uint32_t scope = p.remote.addr.is_link_local() ? p.ifindex : 0;
  // raw(7): a port in the address of a raw socket means a protocol.
  const uint16_t port = s.use == SocketUse::raw ? uint16_t{0} : p.remote.port;
  h.msg_namelen = to_sockaddr({p.remote.addr, port}, s.ipv6, scope, names_[i]);
  h.msg_name = &names_[i];
  headers_[i].msg_len = 0;
}

void TxPlan::prepend_headers(const Packet& p, size_t i) {
  Raw& raw = raw_parts_[i];
  const size_t n = wire::write_ip_udp(raw.headers.data(), p.local, p.remote, pool_.payload(p));
  raw.iov = {iovec{.iov_base = raw.headers.data(), .iov_len = n},
             iovec{.iov_base = pool_.slot_bytes(p.slot) + p.offset, .iov_len = p.len}};
  headers_[i].msg_hdr.msg_iov = raw.iov.data();
  headers_[i].msg_hdr.msg_iovlen = raw.iov.size();
}

/// A socket bound to an address sends from it anyway; a wildcard one is told. The interface is named for
/// link-local destinations only, because it overrides routing.
size_t TxPlan::source_control(const Packet& p, const ShardSocket& s, uint8_t* at) {
  if (!s.bound.addr.is_unspecified() || p.local.addr.is_unspecified()) return 0;
  const uint32_t ifindex = p.remote.addr.is_link_local() ? p.ifindex : 0;
  if (s.ipv6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, p.local.addr.b.data(), 16);
    info.ipi6_ifindex = ifindex;
    return put_control(at, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  in_pktinfo info{};
  std::memcpy(&info.ipi_spec_dst, p.local.addr.b.data() + 12, 4);
  info.ipi_ifindex = static_cast<int>(ifindex);
  return put_control(at, IPPROTO_IP, IP_PKTINFO, info);
}

void TxPlan::send_from(const TxBatch& tx, size_t first, IoCounters& counters, DropCounters& drops) {
  while (first < n_) {
    size_t to = first + 1;
    while (to < n_ && messages_[to].socket == messages_[first].socket) ++to;
    send_run(tx, first, to, counters, drops);
    first = to;
  }
}

/// sendto() for one datagram: cheaper, since the kernel need not fetch a header and a vector. As sendmmsg().
int TxPlan::send_plain(int fd, const msghdr& h) {
  const iovec& bytes = h.msg_iov[0];
  const auto n = ::sendto(fd, bytes.iov_base, bytes.iov_len, MSG_DONTWAIT,
                          static_cast<const sockaddr*>(h.msg_name), h.msg_namelen);
  return n < 0 ? -1 : 1;
}

/// Messages [from, to), all on one socket.
void TxPlan::send_run(const TxBatch& tx, size_t from, size_t to, IoCounters& counters, DropCounters& drops) {
  const int fd = socket_at(messages_[from].socket, tx[messages_[from].first]).fd;
  bool retried = false;
  while (from < to) {
    const int n = to - from == 1 && is_plain(from)
                      ? send_plain(fd, headers_[from].msg_hdr)
                      : ::sendmmsg(fd, &headers_[from], static_cast<unsigned>(to - from), MSG_DONTWAIT);
    ++counters.tx_calls;
    if (n > 0) {
      for (const size_t end = from + static_cast<size_t>(n); from < end; ++from) sent(from, counters);
      continue;
    }
    const int error = errno;
    if (!is_full(error)) {
      refused(tx, from++, error, counters, drops);
    } else if (!retried) {  // a full buffer may drain at once
      retried = true;
    } else {  // the rest of the batch would find it as full
      for (; from < to; ++from) drops.add(Drop::tx_full, messages_[from].count);
    }
  }
}

void TxPlan::sent(size_t i, IoCounters& counters) const {
  const TxMessage& m = messages_[i];
  counters.tx_packets += m.count;
  counters.tx_bytes += m.bytes;
  if (m.count > 1) counters.tx_gso_segments += m.count;
}

void TxPlan::refused(const TxBatch& tx, size_t i, int error, IoCounters& counters, DropCounters& drops) {
  const TxMessage& m = messages_[i];
  const ShardSocket socket = socket_at(m.socket, tx[m.first]);
  const bool raw = socket.use == SocketUse::raw;
  if (raw && error == EMSGSIZE && send_fragmented(tx[m.first])) return sent(i, counters);
  const bool worth_another_try = !raw && socket.fd >= 0 && (m.count > 1 || error == ECONNREFUSED);
  if (is_full(error) || !worth_another_try) {
    drops.add(is_full(error) ? Drop::tx_full : Drop::tx_error, m.count);
    return;
  }
  if (error == EINVAL && m.count > kGsoSegmentsOld) max_segments_ = kGsoSegmentsOld;
  // The device computes no checksums. Other errors (a path MTU below the segment) concern this destination
  // only.
  if (error == EIO || error == EOPNOTSUPP) gso_off_[m.socket] = 1;
  const size_t n = split(tx, i);
  for (size_t at = 0; at < n;) {
    const int r = ::sendmmsg(socket.fd, &split_[at], static_cast<unsigned>(n - at), MSG_DONTWAIT);
    ++counters.tx_calls;
    if (r <= 0) {
      drops.add(is_full(errno) ? Drop::tx_full : Drop::tx_error);
      ++at;
      continue;
    }
    for (const size_t end = at + static_cast<size_t>(r); at < end; ++at) {
      ++counters.tx_packets;
      counters.tx_bytes += tx[m.first + at].len;
    }
  }
}

/// The packets of message `i` as messages of their own.
size_t TxPlan::split(const TxBatch& tx, size_t i) {
  const TxMessage& m = messages_[i];
  msghdr one = headers_[i].msg_hdr;
  one.msg_controllen = source_control(tx[m.first], socket_at(m.socket, tx[m.first]), control_[i].b.data());
  if (one.msg_controllen == 0) one.msg_control = nullptr;
  one.msg_iovlen = 1;
  for (size_t k = 0; k < m.count; ++k) {
    one.msg_iov = &iov_[m.first + k];
    split_[k] = {.msg_hdr = one, .msg_len = 0};
  }
  return m.count;
}

/// Raw sockets do not fragment. So what is longer than the path's MTU, which media is not, leaves by a socket
/// of its own.
bool TxPlan::send_fragmented(const Packet& p) const {
  const Fd fd = bind_relay_socket(p.local);
  SocketAddress a;
  const socklen_t len = to_sockaddr(p.remote, !p.remote.is_v4(), 0, a);
  const Bytes payload = pool_.payload(p);
  return fd && ::sendto(fd.get(), payload.data(), payload.size(), MSG_DONTWAIT, &a.sa, len) >= 0;
}

}  // namespace sluice::io
