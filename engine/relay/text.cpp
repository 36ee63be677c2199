#include "engine/relay/text.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/relay/keys.h"

namespace sluice::engine::relay {
namespace {

constexpr size_t kPasswordBytesMax = 256;
constexpr uint16_t kLowestPort = 1024;

std::unexpected<TextError> wrong(std::string text) { return std::unexpected(std::move(text)); }

/// For messages: cut short, and nothing that a terminal would obey.
std::string shown(std::string_view s) {
  std::string out;
  for (const char c : s.substr(0, 60)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

std::optional<unsigned> number(std::string_view text, unsigned max) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || n > max)
    return std::nullopt;
  return n;
}

bool is_multicast(const Address& a) { return a.is_v4() ? (a.b[12] & 0xf0) == 0xe0 : a.b[0] == 0xff; }

/// Whether a bit at or behind `bits` is set in the last `size` bytes.
bool has_host_bits(const Address& a, size_t size, unsigned bits) {
  for (unsigned bit = bits; bit < size * 8; ++bit)
    if ((a.b[16 - size + bit / 8] & (0x80U >> (bit % 8))) != 0) return true;
  return false;
}

/// Whether one socket there keeps another from being there.
bool overlap(const Endpoint& a, const Endpoint& b) {
  const auto covers = [](const Address& any, const Address& other) {
    return any.is_unspecified() && (!any.is_v4() || other.is_v4());
  };
  return a.port == b.port && (a.addr == b.addr || covers(a.addr, b.addr) || covers(b.addr, a.addr));
}

}  // namespace

std::vector<TextLine> lines_of(std::string_view text) {
  std::vector<TextLine> out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) out.push_back({number, line});
  }
  return out;
}

std::expected<ServerId, TextError> parse_server_id(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view node_text = dot == std::string_view::npos ? text : text.substr(dot + 1);
  const auto region = number(dot == std::string_view::npos ? "0" : text.substr(0, dot), ServerId::kMaxRegion);
  const auto node = number(node_text, ServerId::kMaxNode);
  if (!region || !node)
    return wrong(fmt::format("'{}' is no server ID; write NODE (0 to {}) or REGION.NODE (0 to {} . 0 to {})",
                             shown(text), ServerId::kMaxNode, ServerId::kMaxRegion, ServerId::kMaxNode));
  return ServerId{static_cast<uint8_t>(*region), static_cast<uint16_t>(*node)};
}

std::string to_text(ServerId id) {
  return id.region == 0 ? fmt::format("{}", id.node)
                        : fmt::format("{}.{}", unsigned{id.region}, unsigned{id.node});
}

std::expected<Endpoint, TextError> parse_target(std::string_view text) {
  const auto e = parse_endpoint(text);
  if (!e || e->port == 0)
    return wrong(
        fmt::format("'{}' is no ADDR:PORT; write e.g. 192.0.2.7:3478 or [2001:db8::7]:3478", shown(text)));
  if (e->addr.is_unspecified() || is_multicast(e->addr))
    return wrong(
        fmt::format("'{}' is nobody's address; give the server's own, e.g. 192.0.2.7:3478", shown(text)));
  return *e;
}

std::expected<Endpoint, TextError> parse_public(std::string_view text) {
  const auto address = parse_address(text);
  const auto e = address ? std::optional(Endpoint{*address, 0}) : parse_endpoint(text);
  if (!e || (!address && e->port == 0) || e->addr.is_unspecified() || is_multicast(e->addr))
    return wrong(
        fmt::format("'{}' is nothing that clients can send to; write e.g. 203.0.113.7, 2001:db8::7, or "
                    "203.0.113.7:443 behind a relay",
                    shown(text)));
  return *e;
}

std::expected<ServerConfig, TextError> parse_server(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return wrong(fmt::format("'{}' is not ID=ADDR:PORT[,trunk]; write e.g. 7=192.0.2.7:3478", shown(text)));
  const auto id = parse_server_id(text.substr(0, equals));
  if (!id) return std::unexpected(id.error());
  std::string_view rest = text.substr(equals + 1);
  const size_t comma = rest.find(',');
  const bool trunk = comma != std::string_view::npos;
  if (trunk && rest.substr(comma + 1) != "trunk")
    return wrong(fmt::format("'{}' ends in something else than ,trunk; write e.g. 7=192.0.2.7:3479,trunk",
                             shown(text)));
  const auto address = parse_target(rest.substr(0, comma));
  if (!address) return std::unexpected(address.error());
  return ServerConfig{.id = *id, .address = *address, .trunk = trunk};
}

std::expected<void, TextError> check_trunk_ports(const TrunkPorts& trunk, std::span<const Endpoint> listen) {
  EndpointText t, l;
  for (uint32_t i = 0; i < trunk.count; ++i) {
    if (trunk.first.port + i > UINT16_MAX)
      return wrong(fmt::format("{} shards have no port each from {} on; give a lower one, or port 0",
                               trunk.count, format(trunk.first, t)));
    const Endpoint at{trunk.first.addr, static_cast<uint16_t>(trunk.first.port + i)};
    for (const Endpoint& e : listen)
      if (overlap(at, e))
        return wrong(fmt::format("{}{} is also what listen has ({}); give trunk or listen another port",
                                 trunk.count > 1 ? fmt::format("shard {}'s ", i) : "", format(at, t),
                                 format(e, l)));
  }
  return {};
}

std::expected<Cidr, TextError> parse_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  const unsigned width = address && address->is_v4() ? 32 : 128;
  const auto bits =
      slash == std::string_view::npos ? std::optional(width) : number(text.substr(slash + 1), width);
  if (!address || !bits)
    return wrong(
        fmt::format("'{}' is no address range; write e.g. 10.1.0.0/16 or 2001:db8::/32", shown(text)));
  if (has_host_bits(*address, width / 8, *bits))
    return wrong(fmt::format("'{}' has bits set behind its prefix; write the first address of the range",
                             shown(text)));
  return Cidr{.address = *address, .bits = static_cast<uint8_t>(*bits)};
}

std::expected<io::PortRange, TextError> parse_ports(std::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const auto lo = number(text.substr(0, dash), 65535);
  const auto hi = number(text.substr(std::min(dash + 1, text.size())), 65535);
  if (!lo || !hi || *lo < kLowestPort || *lo > *hi)
    return wrong(fmt::format("'{}' is no range of ports; write LO-HI within {}-65535, e.g. 49152-65535",
                             shown(text), kLowestPort));
  const unsigned first = (*lo + io::kPortBlock - 1) / io::kPortBlock * io::kPortBlock;
  if (first + io::kPortBlock - 1 > *hi)
    return wrong(
        fmt::format("'{}' holds no block of {} ports that begins at a multiple of {}; "
                    "write e.g. 49152-65535",
                    shown(text), io::kPortBlock, io::kPortBlock));
  return io::PortRange{static_cast<uint16_t>(*lo), static_cast<uint16_t>(*hi)};
}

std::expected<TurnUser, TextError> parse_turn_user(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong("is not USER:PASSWORD; write both, e.g. alice:SECRET");
  TurnUser user{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (!valid_turn_user(user.name))
    return wrong(
        fmt::format("has a user name that is not 1 to {} bytes of text; shorten it", kTurnUserBytesMax));
  const bool clean = std::ranges::all_of(
      user.password, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  if (user.password.empty() || user.password.size() > kPasswordBytesMax || !clean)
    return wrong(
        fmt::format("has a password that is not 1 to {} bytes of text; give another", kPasswordBytesMax));
  return user;
}

std::expected<std::vector<TextLine>, TextError> parse_turn_secrets(std::string_view text) {
  auto lines = lines_of(text);
  if (lines.empty()) return wrong("is empty; write the secret on its first line");
  if (lines.size() > kTurnSecretsMax)
    return wrong(fmt::format(
        "holds more than {} lines; leave the secret that is handed out and the one before", kTurnSecretsMax));
  for (const auto& [number, line] : lines) {
    if (line.size() > kSecretBytesMax)
      return wrong(fmt::format("line {} holds more than {} bytes; make a secret with openssl rand -hex 32",
                               number, kSecretBytesMax));
    if (!std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7f; }))
      return wrong(
          fmt::format("line {} holds bytes that are not printable ASCII; use hex or base64", number));
  }
  return lines;
}

std::string weakness_of(std::string_view secret) {
  if (secret.size() >= kSecretBytesMin) return {};
  return fmt::format("holds {} characters, use at least {}, e.g. from openssl rand -hex 32", secret.size(),
                     kSecretBytesMin);
}

bool valid_realm(std::string_view text) {
  return !text.empty() && text.size() <= kRealmBytesMax &&
         std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace sluice::engine::relay
