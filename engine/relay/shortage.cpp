#include "engine/relay/shortage.h"

#include <fmt/format.h>

#include "engine/engine.h"
#include "engine/shard/shard.h"

namespace sluice::engine {
namespace relay {
namespace {

constexpr Micros kLookInterval = seconds(1);
constexpr Micros kLineInterval = seconds(60);

}  // namespace

std::optional<std::string> PortShortage::look(const PortUse& use, io::PortRange range, Micros now) {
  due_ = now + kLookInterval;
  const uint64_t allocations = use.allocations - allocations_, checks = use.checks - checks_;
  if (allocations + checks == 0 || now < quiet_until_) return {};
  quiet_until_ = now + kLineInterval;
  allocations_ = use.allocations;
  checks_ = use.checks;
  const std::string refused =
      fmt::format("{} TURN allocations and {} checks of new clients refused", allocations, checks);
  if (!use.granted) return fmt::format("relay ports: none: {}; give --relay-address", refused);
  if (use.no_sockets)
    return fmt::format(
        "relay ports: no socket left for more than {}: {}; raise the limit of open files (ulimit -n, "
        "LimitNOFILE), or give --relay-port-mode steered",
        use.open, refused);
  return fmt::format(
      "relay ports: none left of {}-{}, {} open: {}; give a wider --relay-ports, or one more --relay-address",
      range.lo, range.hi, use.open, refused);
}

}  // namespace relay

std::optional<std::string> Engine::port_warning(Micros now) {
  if ((relay_ == nullptr && turn_ == nullptr) || !port_shortage_.due(now)) return {};
  const relay::RelayConfig& c = config_.relay;
  const uint64_t all = c.addresses.size() * (uint64_t{c.ports.hi} - c.ports.lo + 1);
  relay::PortUse use{.granted = most_ports_ > 0};
  for (size_t s = 0; s < shards_.size(); ++s) {
    ShardReport r;
    if (!shard_report(s, r)) continue;
    use.open += r.relay.ports_open;
    use.allocations += r.turn_without_port;
    use.checks += r.drops[Drop::no_relay_port];
    use.no_sockets |= most_ports_ < all && r.relay.ports_open >= most_ports_;
  }
  return port_shortage_.look(use, c.ports, now);
}

}  // namespace sluice::engine
