#include "net/io/link/resolver.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

namespace sluice::io::link {
namespace {

constexpr uint8_t kUsualHopLimit = 64;

/// Ethernet by name, but what is behind them reads more than MAC addresses.
constexpr std::string_view kNotPlain[] = {"ipvlan", "ipvtap", "vrf"};

constexpr uint32_t kFlags = IFF_UP | IFF_RUNNING | IFF_NOARP | IFF_LOOPBACK;

/// Why `l` takes no frames of ours; nullptr: it does.
const char* refusal(const LinkInfo& l) {
  if (l.flags & IFF_LOOPBACK) return "the destination is this host itself";
  if (l.type != ARPHRD_ETHER || !l.mac) return "the interface is no Ethernet (a tunnel, say)";
  if ((l.flags & IFF_NOARP) || std::ranges::find(kNotPlain, l.kind) != std::end(kNotPlain))
    return "the interface does not resolve neighbours";
  if ((l.flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING)) return "the interface is down";
  return nullptr;
}

const char* refusal(const RouteInfo& r) {
  if (r.type == RTN_LOCAL) return "the destination is this host itself";
  if (r.type != RTN_UNICAST) return "the destination is not one host that a route leads to";
  if (r.encapsulated) return "the route encapsulates";
  if (r.dead) return "the route's interface is down";
  return nullptr;
}

}  // namespace

std::expected<Resolver, IoError> Resolver::open() {
  auto asker = Asker::open();
  if (!asker) return std::unexpected(asker.error());
  return Resolver(std::move(*asker));
}

std::expected<Way, const char*> Resolver::way(const Address& source, const Address& destination) {
  if (destination.is_unspecified() || (!source.is_unspecified() && source.is_v4() != destination.is_v4()))
    return std::unexpected("the addresses make no datagram");
  if (!destination.is_v4() && destination.is_link_local())
    return std::unexpected("the destination is link-local, so no route says where it is");
  if (!is_ours(source)) return std::unexpected("the source is no address of this host");
  const auto route = asker_.route(source, destination);
  if (!route) return std::unexpected("there is no route");
  return through(*route, route->gateway.value_or(destination), destination.is_v4());
}

std::expected<Way, const char*> Resolver::way_by(const RouteInfo& route, bool ipv4) {
  auto way = through(route, route.gateway.value_or(Address{}), ipv4);
  if (way && ipv4) way->mtu = std::min(way->mtu, kUnaskedMtu);
  return way;
}

std::expected<Way, const char*> Resolver::through(const RouteInfo& route, const Address& next_hop,
                                                  bool ipv4) {
  if (const char* why = refusal(route)) return std::unexpected(why);
  const LinkInfo* out = link(route.ifindex);
  if (!out) return std::unexpected("the interface is gone");
  if (const char* why = refusal(*out)) return std::unexpected(why);
  uint32_t mtu = std::min(out->mtu, uint32_t{UINT16_MAX});
  if (route.mtu != 0) mtu = std::min(mtu, route.mtu);
  if (route.gateway) mtu = std::min(mtu, uint32_t{kRoutedMtu});
  return Way{.ifindex = route.ifindex,
             .next_hop = next_hop,
             .source = *out->mac,
             .mtu = static_cast<uint16_t>(mtu),
             .hop_limit = route.hop_limit ? route.hop_limit : hop_limit(*out, ipv4)};
}

std::optional<NeighbourInfo> Resolver::neighbour(uint32_t ifindex, const Address& next_hop) {
  const auto n = asker_.neighbour(ifindex, next_hop);
  if (!n || !n->usable()) return std::nullopt;
  return *n;
}

bool Resolver::changed(const LinkInfo& link, bool removed) {
  const auto at = links_.find(link.ifindex);
  if (at == links_.end()) return false;
  if (removed) {
    links_.erase(at);
    return true;
  }
  LinkInfo now = link;
  now.flags &= kFlags;
  if (now.kind.empty()) now.kind = at->second.kind;  // an announcement may leave it out
  if (now == at->second) return false;
  at->second = std::move(now);
  return true;
}

const LinkInfo* Resolver::link(uint32_t ifindex) {
  if (const auto at = links_.find(ifindex); at != links_.end()) return &at->second;
  auto l = asker_.link(ifindex);
  if (!l) return nullptr;
  l->flags &= kFlags;
  return &links_.emplace(ifindex, std::move(*l)).first->second;
}

/// The kernel refuses a foreign source itself with IPv4 only.
bool Resolver::is_ours(const Address& a) {
  if (a.is_unspecified() || sources_.contains(a)) return true;
  const auto r = asker_.route({}, a);
  if (!r || r->type != RTN_LOCAL) return false;
  sources_.insert(a);
  return true;
}

uint8_t Resolver::hop_limit(const LinkInfo& link, bool ipv4) {
  const auto [known, added] = hop_limits_.try_emplace({link.ifindex, ipv4}, kUsualHopLimit);
  if (!added) return known->second;
  std::ifstream in(ipv4 ? "/proc/sys/net/ipv4/ip_default_ttl"
                        : fmt::format("/proc/sys/net/ipv6/conf/{}/hop_limit", link.name));
  unsigned n = 0;
  if (in >> n && n > 0 && n <= UINT8_MAX) known->second = static_cast<uint8_t>(n);
  return known->second;
}

}  // namespace sluice::io::link
