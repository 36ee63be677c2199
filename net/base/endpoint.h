// Addresses. IPv4 lives inside IPv6 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so one type serves both families.
// Pure: no allocation, clock, system call or exception.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace sluice {

struct Address {
  std::array<uint8_t, 16> b{};

  constexpr auto operator<=>(const Address&) const = default;
  /// By halves: a defaulted one calls memcmp(), some times for each packet.
  constexpr bool operator==(const Address& o) const {
    const auto x = halves(), y = o.halves();
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
  /// In the order of memory.
  constexpr std::array<uint64_t, 2> halves() const { return std::bit_cast<std::array<uint64_t, 2>>(b); }

  static constexpr Address v4(uint8_t a, uint8_t b1, uint8_t c, uint8_t d) {
    return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b1, c, d}};
  }
  /// `host_order`: 127.0.0.1 is 0x7f000001.
  static constexpr Address v4(uint32_t host_order) {
    return v4(static_cast<uint8_t>(host_order >> 24), static_cast<uint8_t>(host_order >> 16),
              static_cast<uint8_t>(host_order >> 8), static_cast<uint8_t>(host_order));
  }
  static constexpr Address v6(const std::array<uint8_t, 16>& bytes) { return {bytes}; }

  constexpr bool is_v4() const {
    constexpr uint32_t kMapped = std::bit_cast<uint32_t>(std::array<uint8_t, 4>{0, 0, 0xff, 0xff});
    const auto words = std::bit_cast<std::array<uint32_t, 4>>(b);
    return halves()[0] == 0 && words[2] == kMapped;
  }
  constexpr uint32_t v4_host_order() const {
    return (uint32_t{b[12]} << 24) | (uint32_t{b[13]} << 16) | (uint32_t{b[14]} << 8) | b[15];
  }
  constexpr bool is_loopback() const {
    constexpr uint64_t kOne = std::bit_cast<uint64_t>(std::array<uint8_t, 8>{0, 0, 0, 0, 0, 0, 0, 1});
    return is_v4() ? b[12] == 127 : halves() == std::array<uint64_t, 2>{0, kOne};
  }
  constexpr bool is_unspecified() const { return is_v4() ? v4_host_order() == 0 : *this == Address{}; }
  constexpr bool is_link_local() const {
    return is_v4() ? (b[12] == 169 && b[13] == 254) : (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
  }
};

/// A UDP endpoint; `port` in host order.
struct Endpoint {
  Address addr;
  uint16_t port = 0;

  constexpr auto operator<=>(const Endpoint&) const = default;
  constexpr bool is_v4() const { return addr.is_v4(); }
};
static_assert(sizeof(Endpoint) == 18);

/// The longest text: "[ffff:...:255.255.255.255]:65535" and a zero byte.
inline constexpr size_t kEndpointTextMax = 56;
using EndpointText = std::array<char, kEndpointTextMax>;

/// RFC 5952 text without port, into `out`; the view points into `out`.
std::string_view format(const Address& a, EndpointText& out);
/// "1.2.3.4:5" or "[::1]:5".
std::string_view format(const Endpoint& e, EndpointText& out);
/// For logs: the host part below /24 or /56 is replaced by "x" ("1.2.3.x:5", "2001:db8:0:1x::").
std::string_view format_masked(const Endpoint& e, EndpointText& out);

/// "1.2.3.4" or "::1" (no brackets, no zone).
std::optional<Address> parse_address(std::string_view s);
/// "1.2.3.4:5" or "[::1]:5"; the port is mandatory, 0..65535.
std::optional<Endpoint> parse_endpoint(std::string_view s);

}  // namespace sluice
