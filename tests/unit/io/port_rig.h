// A shard with relay ports, of each kind that this host can have.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/io/relay_ports.h"
#include "tests/unit/io/rig.h"

namespace sluice::io::test {

struct PortSetup {
  Setup setup;
  RelayMode mode;
};

template <class Backend, RelayMode mode>
struct PortsOf {
  static PortSetup with() { return {Backend::with(), mode}; }
};
using MmsgSockets = PortsOf<Mmsg, RelayMode::sockets>;
using UringSockets = PortsOf<UringDefer, RelayMode::sockets>;
using UringCoopSockets = PortsOf<Uring, RelayMode::sockets>;
using UringSendmmsgSockets = PortsOf<UringSendmmsg, RelayMode::sockets>;
using MmsgSteered = PortsOf<Mmsg, RelayMode::steered>;
using UringSteered = PortsOf<UringDefer, RelayMode::steered>;
#define EVERY_PORTS \
  MmsgSockets, UringSockets, UringCoopSockets, UringSendmmsgSockets, MmsgSteered, UringSteered

/// Puts the process, if it is root's, into a network namespace of its own, so that the ports used here are
/// nobody else's. False: it stays where it is.
inline bool enter_own_network() {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) return false;
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(fd.get(), SIOCSIFFLAGS, &lo) == 0;
}

/// Root must be able to steer. Anybody else tests sockets once more, after checking that the refusal says
/// why.
inline std::shared_ptr<RelayPorts> make_ports(RelayMode mode, const RelayGrant& grant, uint32_t shards) {
  auto made = RelayPorts::make(grant, {.mode = mode, .shards = shards, .rcvbuf_bytes = 1u << 20});
  if (!made && mode == RelayMode::steered && ::geteuid() != 0) {
    CHECK(made.error().message.find("not permitted") != std::string::npos);
    CHECK(made.error().fix.find("CAP_BPF") != std::string::npos);
    MESSAGE("sockets are tested instead: ", made.error().message);
    made = RelayPorts::make(grant, {.mode = RelayMode::sockets, .shards = shards});
  }
  REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
  return std::move(*made);
}

/// Shard 0 of two, with the range 20000-30000 on three loopback addresses, of which it has the first block.
struct PortRig : Rig {
  explicit PortRig(const PortSetup& s, uint32_t slots = 1024)
      : PortRig(s, make_ports(s.mode, grant(), 2), 0, slots) {
    REQUIRE(backend->claim_block(19'968));
  }
  /// Shard 1 beside `first`; nothing is claimed.
  PortRig(const PortSetup& s, const PortRig& first) : PortRig(s, first.ports, 1, 1024) {}

  static RelayGrant grant() {
    static const std::array addresses{Address::v4(127, 0, 0, 1), Address::v4(127, 0, 0, 2),
                                      parse_address("::1").value()};
    return {.addresses = addresses, .ports = {.lo = 20'000, .hi = 30'000}};
  }

  std::shared_ptr<RelayPorts> ports;
  RelayAbility ability;

 private:
  PortRig(const PortSetup& s, std::shared_ptr<RelayPorts> p, uint32_t shard, uint32_t slots)
      : Rig(with_ports(s.setup, *p, shard), {"127.0.0.1:0"}, slots), ports(std::move(p)) {
    outlives_backend = ports;
    const auto granted = backend->grant_relay(grant());
    REQUIRE_MESSAGE(granted, (granted ? "" : granted.error().message));
    ability = *granted;
  }
  static Setup with_ports(Setup s, RelayPorts& p, uint32_t shard) {
    s.options.relay_ports = &p;
    s.options.shard = shard;
    return s;
  }
};

}  // namespace sluice::io::test
