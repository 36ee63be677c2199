#include "net/io/foreign.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/raw_socket.h"
#include "net/io/tx_plan.h"
#include "net/wire/headers.h"

namespace sluice::io {
namespace {

std::expected<Fd, IoError> open_raw(bool ipv6) {
  Fd fd = open_raw_socket(ipv6);
  if (fd) return fd;
  if (errno == EPERM || errno == EACCES)
    return std::unexpected(IoError{"raw sockets are not permitted", "grant CAP_NET_RAW, or switch it off"});
  return std::unexpected(IoError{fmt::format("a raw socket fails: {}", std::strerror(errno)), ""});
}

class RawSender final : public ForeignSender {
 public:
  RawSender(PacketPool& pool, Fd v4, Fd v6) : pool_(pool), v4_(std::move(v4)), v6_(std::move(v6)) {}

  void send(TxBatch& tx, DropCounters& drops) override {
    for (const bool ipv4 : {true, false}) {
      size_t n = 0;
      for (const Packet& p : tx)
        if (p.remote.is_v4() == ipv4) write(p, n++);
      send_all(ipv4 ? v4_ : v6_, n, drops);
    }
    for (const Packet& p : tx) pool_.drop(p.slot);
    tx.clear();
  }
  const IoCounters& counters() const override { return counters_; }

 private:
  /// A slot may have other readers, so headers do not go into its headroom.
  struct Parts {
    std::array<uint8_t, wire::kIpUdpMax> headers;
    std::array<iovec, 2> iov;
    SocketAddress to;
  };

  void write(const Packet& p, size_t i) {
    assert(p.local.is_v4() == p.remote.is_v4());
    Parts& parts = parts_[i];
    const size_t headers = wire::write_ip_udp(parts.headers.data(), p.local, p.remote, pool_.payload(p));
    parts.iov = {iovec{.iov_base = parts.headers.data(), .iov_len = headers},
                 iovec{.iov_base = pool_.slot_bytes(p.slot) + p.offset, .iov_len = p.len}};
    msghdr& h = messages_[i].msg_hdr;
    h = {};
    // raw(7): a port in the address of a raw socket means a protocol.
    h.msg_namelen = to_sockaddr({p.remote.addr, 0}, !p.remote.is_v4(), 0, parts.to);
    h.msg_name = &parts.to;
    h.msg_iov = parts.iov.data();
    h.msg_iovlen = parts.iov.size();
  }

  void send_all(const Fd& fd, size_t n, DropCounters& drops) {
    if (n > 0 && !fd) return drops.add(Drop::tx_error, static_cast<uint32_t>(n));
    bool retried = false;
    for (size_t at = 0; at < n;) {
      const int sent = ::sendmmsg(fd.get(), &messages_[at], static_cast<unsigned>(n - at), MSG_DONTWAIT);
      ++counters_.tx_calls;
      if (sent > 0) {
        for (const size_t end = at + static_cast<size_t>(sent); at < end; ++at) count(parts_[at]);
      } else if (!is_full(errno)) {
        drops.add(Drop::tx_error);
        ++at;
      } else if (!retried) {  // a full buffer may drain at once
        retried = true;
      } else {  // the rest of the batch would find it as full
        return drops.add(Drop::tx_full, static_cast<uint32_t>(n - at));
      }
    }
  }

  void count(const Parts& sent) {
    ++counters_.tx_packets;
    counters_.tx_bytes += sent.iov[1].iov_len;
  }

  PacketPool& pool_;
  Fd v4_, v6_;
  IoCounters counters_;
  std::array<Parts, kTxBurst> parts_;
  std::array<mmsghdr, kTxBurst> messages_{};
};

}  // namespace

std::expected<std::unique_ptr<ForeignSender>, IoError> make_raw_sender(PacketPool& pool) {
  auto v4 = open_raw(false);
  if (!v4) return std::unexpected(v4.error());
  // A host without IPv6 has no clients by it either.
  auto v6 = open_raw(true);
  return std::make_unique<RawSender>(pool, std::move(*v4), v6 ? std::move(*v6) : Fd{});
}

}  // namespace sluice::io
