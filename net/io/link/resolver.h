// Which way the kernel would send, and whether prebuilt frames may go that way. Control threads.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <set>
#include <utility>

#include "net/io/link/netlink.h"
#include "net/io/link/path.h"

namespace sluice::io::link {

/// A route up to the neighbour, whose MAC address is still to be found.
struct Way {
  uint32_t ifindex = 0;
  Address next_hop;
  MacAddress source{};
  uint16_t mtu = 0;
  uint8_t hop_limit = 0;
};

/// RFC 8200 §5: what every link of IPv6 carries. Behind a router the path may be narrower than its first
/// link, and ICMP tells that to the kernel only.
inline constexpr uint16_t kRoutedMtu = 1280;
/// RFC 791 §3.2: what every host takes in. Of IPv4 longer packets need the kernel's word about their path.
inline constexpr uint16_t kUnaskedMtu = 576;

class Resolver {
 public:
  static std::expected<Resolver, IoError> open();

  /// The error says in words why frames cannot go there.
  std::expected<Way, const char*> way(const Address& source, const Address& destination);
  /// By a route through a gateway, which is known already. Holds for all of its destinations.
  std::expected<Way, const char*> way_by(const RouteInfo& route, bool ipv4);
  /// Empty: not resolved. Only in states in which the kernel itself would use it.
  std::optional<NeighbourInfo> neighbour(uint32_t ifindex, const Address& next_hop);

  /// An announcement; true if anything that way() told may rest on what it changes.
  bool changed(const LinkInfo& link, bool removed);
  void forget_sources() { sources_.clear(), hop_limits_.clear(); }
  void forget() { links_.clear(), forget_sources(); }

 private:
  explicit Resolver(Asker asker) : asker_(std::move(asker)) {}
  std::expected<Way, const char*> through(const RouteInfo& route, const Address& next_hop, bool ipv4);
  const LinkInfo* link(uint32_t ifindex);
  bool is_ours(const Address& a);
  uint8_t hop_limit(const LinkInfo& link, bool ipv4);

  Asker asker_;
  std::map<uint32_t, LinkInfo> links_;
  std::set<Address> sources_;  // found to be this host's
  std::map<std::pair<uint32_t, bool>, uint8_t>
      hop_limits_;  // by link and whether IPv4; nothing announces them
};

}  // namespace sluice::io::link
