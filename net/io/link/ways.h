// Ways that hold for whole prefixes: what a transmitter need not ask for, destination by destination.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/endpoint.h"
#include "net/io/link/path.h"

namespace sluice::io::link {

/// Where a path leads, without the neighbour's address, which is in the HopTable.
struct HopRef {
  uint32_t ifindex = 0;
  MacAddress source_mac{};
  uint16_t hop = 0;  ///< its word in the HopTable
  uint16_t tag = 0;
  uint16_t mtu = 0;
  uint8_t hop_limit = 0;

  bool operator==(const HopRef&) const = default;
};

/// One entry of the kernel's tables.
struct KnownRoute {
  enum class Kind : uint8_t {
    own,      ///< an address of this host
    ask,      ///< the kernel alone knows: a network on the link, several ways, none
    gateway,  ///< all of it behind one router
  };
  Address prefix;
  uint8_t bits = 0;  ///< of `prefix` as an IPv6 address
  Kind kind = Kind::ask;
  HopRef hop;  ///< of a gateway

  bool covers(const Address& a) const;
  bool covers(const KnownRoute& r) const { return bits <= r.bits && covers(r.prefix); }
  bool operator==(const KnownRoute&) const = default;
};

/// All of the kernel's routes, where they are few and no rule chooses among tables; else none.
struct Ways {
  static constexpr size_t kMax = 64;

  uint32_t generation = 0;  ///< of the HopTable that they hold for
  uint16_t n = 0;
  std::array<KnownRoute, kMax> routes;  ///< in the order in which the first that covers an address decides

  std::span<const KnownRoute> all() const { return std::span(routes).first(n); }
  /// Empty: ask.
  std::optional<HopRef> find(const Address& source, const Address& destination) const;
};

inline bool KnownRoute::covers(const Address& a) const {
  if (a.is_v4() != prefix.is_v4()) return false;
  const size_t whole = bits / 8;
  if (!std::equal(a.b.begin(), a.b.begin() + whole, prefix.b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a.b[whole] ^ prefix.b[whole]) >> (8 - rest)) == 0;
}

inline std::optional<HopRef> Ways::find(const Address& source, const Address& destination) const {
  const auto is_source = [&](const KnownRoute& r) {
    return r.kind == KnownRoute::Kind::own && r.prefix == source;
  };
  if (std::ranges::none_of(all(), is_source) || source.is_v4() != destination.is_v4() ||
      destination.is_unspecified())
    return {};
  const auto at = std::ranges::find_if(all(), [&](const KnownRoute& r) { return r.covers(destination); });
  if (at == all().end() || at->kind != KnownRoute::Kind::gateway) return {};
  return at->hop;
}

/// Whether a path that was taken from `before` could be another by `now`: one of its ends or ways has gone,
/// or a new route decides about addresses of a way. Both as Ways has them, the first that covers decides.
inline bool may_mislead(std::span<const KnownRoute> before, std::span<const KnownRoute> now) {
  using Kind = KnownRoute::Kind;
  const auto is_in = [](std::span<const KnownRoute> all, const KnownRoute& r) {
    return std::ranges::find(all, r) != all.end();
  };
  const auto was_used = [&](const KnownRoute& r) { return r.kind != Kind::ask && !is_in(now, r); };
  if (std::ranges::any_of(before, was_used)) return true;
  const auto decides = [&](size_t i) {
    const KnownRoute& r = now[i];
    const auto hides = [&](const KnownRoute& first) { return first.covers(r); };
    const auto yields = [&](const KnownRoute& way) {
      return way.kind == Kind::gateway && is_in(before, way) && (way.covers(r) || r.covers(way));
    };
    return !is_in(before, r) && std::ranges::none_of(now.first(i), hides) &&
           std::ranges::any_of(now.subspan(i + 1), yields);
  };
  for (size_t i = 0; i < now.size(); ++i)
    if (decides(i)) return true;
  return false;
}

}  // namespace sluice::io::link
