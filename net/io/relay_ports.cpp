#include "net/io/relay_ports.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/io/address.h"
#include "net/io/port_limits.h"
#include "net/io/socket_options.h"

namespace sluice::io {
namespace {

/// A socket bound to `e`, with nothing set.
Fd bind_plain(const Endpoint& e) {
  const bool ipv6 = !e.is_v4();
  Fd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  SocketAddress a;
  const socklen_t len = to_sockaddr(e, ipv6, 0, a);
  if (fd && ::bind(fd.get(), &a.sa, len) != 0) {
    const int error = errno;
    fd.reset();
    errno = error;
  }
  return fd;
}

std::expected<void, IoError> have_addresses(const PortSpace& space) {
  for (const Address& a : space.addresses()) {
    if (bind_plain({a, 0})) continue;
    EndpointText t;
    return std::unexpected(
        IoError{fmt::format("relay address {} cannot be used: {}", format(a, t),
                            errno == EADDRNOTAVAIL ? "this host has no such address" : std::strerror(errno)),
                "see: ip addr; behind a NAT name the address that the interface has"});
  }
  return {};
}

std::string advice_on(PortRange overlap) {
  return fmt::format(
      "the system may give ports {0}-{1} to other programs: reserve them with "
      "sysctl net.ipv4.ip_local_reserved_ports={0}-{1}",
      overlap.lo, overlap.hi);
}

}  // namespace

Fd bind_relay_socket(const Endpoint& local) {
  Fd fd = bind_plain(local);
  if (!fd) return fd;
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, static_cast<int>(kRelayRcvbufBytes));
  set_option(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, 1);
  return fd;
}

std::optional<RelayMode> parse_relay_mode(std::string_view s) {
  for (const RelayMode m : {RelayMode::automatic, RelayMode::sockets, RelayMode::steered})
    if (s == name_of(m)) return m;
  return std::nullopt;
}

std::string_view name_of(RelayMode m) {
  switch (m) {
    case RelayMode::sockets:
      return "sockets";
    case RelayMode::steered:
      return "steered";
    case RelayMode::automatic:
      break;
  }
  return "auto";
}

std::expected<std::unique_ptr<RelayPorts>, IoError> RelayPorts::make(const RelayGrant& grant,
                                                                     const RelayPortsOptions& options) {
  const auto space = PortSpace::of(grant);
  if (!space) return std::unexpected(space.error());
  if (auto ok = have_addresses(*space); !ok) return std::unexpected(ok.error());
  std::unique_ptr<RelayPorts> out(new RelayPorts(*space, std::max(options.shards, 1u)));
  if (auto ok = out->choose(options); !ok) return std::unexpected(ok.error());
  out->files_ = raise_open_files();
  const uint32_t kept = open_files() + options.reserved_files;
  out->files_per_shard_ = (out->files_ - std::min(out->files_, kept)) / out->shards_;
  if (const auto overlap = handed_out(space->ports())) {
    out->may_be_handed_out_ = true;
    out->advice_ = advice_on(*overlap);
  }
  return out;
}

std::expected<void, IoError> RelayPorts::choose(const RelayPortsOptions& options) {
  if (options.mode == RelayMode::sockets) return {};
  auto steered = SteeredPorts::attach(space_, shards_, options.rcvbuf_bytes);
  if (steered) {
    steered_ = std::move(*steered);
    find_taken();
    return {};
  }
  const IoError& e = steered.error();
  if (options.mode == RelayMode::steered)
    return std::unexpected(IoError{"relay ports cannot be steered: " + e.message, e.fix});
  why_not_ = e.fix.empty() ? e.message : fmt::format("{} ({} to lift that)", e.message, e.fix);
  return {};
}

/// Nothing is bound to steered ports, so the kernel does not keep others off them; who is there already is
/// left alone. A port that is free on all addresses of the host costs one look, whatever is granted.
void RelayPorts::find_taken() {
  taken_.resize(space_.size());
  const auto is_free = [](const Endpoint& e) { return bind_plain(e) || errno != EADDRINUSE; };
  const auto [lo, hi] = space_.ports();
  for (uint32_t port = lo; port <= hi; ++port)
    for (const Address& any : {Address::v4(uint32_t{0}), Address{}}) {
      if (is_free({any, static_cast<uint16_t>(port)})) continue;
      for (const Address& a : space_.addresses()) {
        const Endpoint e{a, static_cast<uint16_t>(port)};
        if (a.is_v4() == any.is_v4()) taken_[space_.index(e)] = !is_free(e);
      }
    }
}

bool RelayPorts::is_taken(uint32_t index) const {
  if (!may_be_handed_out_) return taken_[index];
  return !bind_plain(space_.at(index));
}

bool RelayPorts::claim(uint32_t shard, uint16_t first) {
  const uint32_t block = space_.block(first);
  if (block == PortSpace::kNone || shard >= shards_) return false;
  uint16_t nobody = 0;
  const auto us = static_cast<uint16_t>(shard + 1);
  return owner_[block].compare_exchange_strong(nobody, us, std::memory_order_acq_rel) || nobody == us;
}

void RelayPorts::release(uint32_t shard) {
  for (uint32_t block = 0; block < space_.blocks(); ++block) {
    if (!is_claimed(shard, block)) continue;
    if (steered_)
      for (uint32_t a = 0; a < space_.addresses().size(); ++a)
        for (uint32_t i = 0; i < kPortBlock; ++i)
          steered_->close((a * space_.blocks() + block) * kPortBlock + i);
    owner_[block].store(0, std::memory_order_release);
  }
}

}  // namespace sluice::io
