#include "net/turn/peer_policy.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::turn {
namespace {

constexpr uint8_t v4_bits(int n) { return static_cast<uint8_t>(96 + n); }
constexpr Address v6(std::initializer_list<uint8_t> head) {
  Address a;
  std::copy(head.begin(), head.end(), a.b.begin());
  return a;
}

// What an allow list cannot open: there is no peer behind it.
constexpr std::array<Cidr, 6> kNever{{
    {Address::v4(0, 0, 0, 0), v4_bits(8)},
    {Address::v4(224, 0, 0, 0), v4_bits(4)},
    {Address::v4(255, 255, 255, 255), v4_bits(32)},
    {v6({}), 128},
    {v6({0xff}), 8},
    {v6({0x01, 0x00, 0, 0, 0, 0, 0, 0}), 64},  // RFC 6666: discard only
}};

// The registries of RFC 6890, what is not globally reachable.
constexpr std::array<Cidr, 14> kDenied{{
    {Address::v4(10, 0, 0, 0), v4_bits(8)},
    {Address::v4(100, 64, 0, 0), v4_bits(10)},
    {Address::v4(127, 0, 0, 0), v4_bits(8)},
    {Address::v4(169, 254, 0, 0), v4_bits(16)},
    {Address::v4(172, 16, 0, 0), v4_bits(12)},
    {Address::v4(192, 0, 0, 0), v4_bits(24)},
    {Address::v4(192, 168, 0, 0), v4_bits(16)},
    {Address::v4(198, 18, 0, 0), v4_bits(15)},
    {Address::v4(240, 0, 0, 0), v4_bits(4)},
    {v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 128},
    {v6({0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}), 48},  // RFC 8215: local translation
    {v6({0xfc}), 7},
    {v6({0xfe, 0x80}), 10},
    {v6({0xfe, 0xc0}), 10},
}};

bool any_contains(std::span<const Cidr> list, const Address& a) {
  return std::any_of(list.begin(), list.end(), [&](const Cidr& c) { return c.contains(a); });
}

constexpr Address v4_at(const Address& a, size_t at, uint8_t mask = 0) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(a.b[at + i] ^ mask); };
  return Address::v4(byte(0), byte(1), byte(2), byte(3));
}

constexpr bool begins(const Address& a, std::initializer_list<uint8_t> head, size_t at = 0) {
  return std::equal(head.begin(), head.end(), a.b.begin() + static_cast<ptrdiff_t>(at));
}

// IPv4 addresses that a translator or tunnel would make of an IPv6 address; returns how many.
size_t embedded(const Address& a, std::array<Address, 2>& out) {
  if (a.is_v4()) return 0;
  size_t n = 0;
  // RFC 4291 §2.5.5.1: IPv4-compatible. RFC 6052: the well-known prefix.
  if (begins(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) out[n++] = v4_at(a, 12);
  if (begins(a, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) out[n++] = v4_at(a, 12);
  if (begins(a, {0x20, 0x02})) out[n++] = v4_at(a, 2);  // RFC 3056: 6to4
  // RFC 4380: Teredo, server and obscured client.
  if (begins(a, {0x20, 0x01, 0, 0})) out[n++] = v4_at(a, 4), out[n++] = v4_at(a, 12, 0xff);
  // RFC 5214: ISATAP. No two of these prefixes hold at once with this one but 6to4's.
  const bool isatap = begins(a, {0, 0, 0x5e, 0xfe}, 8) || begins(a, {2, 0, 0x5e, 0xfe}, 8);
  if (isatap && n < out.size()) out[n++] = v4_at(a, 12);
  return n;
}

}  // namespace

bool Cidr::contains(const Address& a) const {
  const size_t whole = bits / 8, rest = bits % 8;
  if (!std::equal(a.b.begin(), a.b.begin() + static_cast<ptrdiff_t>(whole), address.b.begin())) return false;
  return rest == 0 || ((a.b[whole] ^ address.b[whole]) >> (8 - rest)) == 0;
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  Cidr c{*address, 128};
  if (slash == std::string_view::npos) return c;
  const std::string_view digits(text.data() + slash + 1, text.size() - slash - 1);
  uint8_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc{} || digits.empty() || end != digits.data() + digits.size()) return std::nullopt;
  // "::ffff:10.0.0.0/104" is an IPv6 prefix as it is written; a text with a colon is never one of IPv4.
  const bool v4 = address->is_v4() && text.find(':') == std::string_view::npos;
  if (bits > (v4 ? 32 : 128)) return std::nullopt;
  c.bits = v4 ? v4_bits(bits) : bits;
  return c;
}

bool PeerPolicy::address_allowed(const Address& peer) const {
  if (any_contains(kNever, peer)) return false;
  if (any_contains(allow, peer)) return true;
  if (any_contains(kDenied, peer) || std::find(host.begin(), host.end(), peer) != host.end()) return false;
  std::array<Address, 2> inner;
  const size_t n = embedded(peer, inner);
  for (size_t i = 0; i < n; ++i)
    if (!address_allowed(inner[i])) return false;
  return true;
}

PeerVerdict PeerPolicy::verdict(const Address& peer) const {
  if (address_allowed(peer)) return PeerVerdict::allowed;
  const bool excepted = std::any_of(exceptions.begin(), exceptions.end(),
                                    [&](const PeerException& e) { return e.address == peer; });
  return excepted ? PeerVerdict::ports_only : PeerVerdict::denied;
}

bool PeerPolicy::endpoint_allowed(const Endpoint& peer) const {
  const auto excepted = [&](const PeerException& e) { return e.contains(peer); };
  return std::any_of(exceptions.begin(), exceptions.end(), excepted) || address_allowed(peer.addr);
}

}  // namespace sluice::turn
