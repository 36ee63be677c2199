#include "engine/relay/keys.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/relay/text.h"
#include "net/base/base64.h"
#include "net/crypto/hmac.h"
#include "net/crypto/secret.h"

namespace sluice::engine::relay {
namespace {

// A label for each purpose keeps the keys independent where somebody uses one file for two of them.
constexpr std::string_view kRouteLabel = "sluice route key 1";
constexpr std::string_view kIceLabel = "sluice ice key 1";
constexpr std::string_view kTrunkLabel = "sluice trunk key 1";

template <size_t N>
std::array<uint8_t, N> derive(std::string_view secret, std::string_view label) {
  static_assert(N <= crypto::kSha256Bytes);
  std::array<uint8_t, crypto::kSha256Bytes> digest;
  crypto::hmac_sha256(as_bytes(secret), as_bytes(label), {}, digest.data());
  std::array<uint8_t, N> key;
  std::copy_n(digest.begin(), N, key.begin());
  crypto::cleanse(digest);
  return key;
}

bool printable(char c) { return c >= 0x20 && c < 0x7f; }

/// What stands before a colon if it is digits only; empty otherwise.
std::string_view prefix_of(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const std::string_view digits = line.substr(0, colon);
  return std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }) ? digits
                                                                                  : std::string_view{};
}

std::expected<KeyLine, std::string> parse_line(std::string_view line, size_t number, bool first) {
  const auto wrong = [&](std::string_view what) {
    return std::unexpected(fmt::format("line {} {}", number, what));
  };
  const std::string_view prefix = prefix_of(line);
  unsigned id = 0;
  if (!prefix.empty()) {
    const auto [end, error] = std::from_chars(prefix.data(), prefix.data() + prefix.size(), id);
    if (error != std::errc{} || end != prefix.data() + prefix.size() || id >= ice::kMaxKeyIds)
      return wrong("begins with a key id that is not 0 to 15; write e.g. 1:SECRET");
    line.remove_prefix(prefix.size() + 1);
  } else if (!first) {
    return wrong("has no key id; write e.g. 1:SECRET, another id on each line");
  }
  if (line.size() < kSecretBytesMin || line.size() > kSecretBytesMax)
    return wrong(fmt::format("holds a secret of {} bytes, not {} to {}; make one with openssl rand -hex 32",
                             line.size(), kSecretBytesMin, kSecretBytesMax));
  if (!std::ranges::all_of(line, printable))
    return wrong("holds bytes that are not printable ASCII; use hex or base64");
  return KeyLine(static_cast<uint8_t>(id), std::string(line));
}

}  // namespace

void KeyLine::wipe() {
  crypto::cleanse({reinterpret_cast<uint8_t*>(text_.data()), text_.size()});
  text_.clear();
}

std::expected<std::vector<KeyLine>, std::string> parse_keys(std::string_view text) {
  std::vector<KeyLine> out;
  for (const auto& [number, line] : lines_of(text)) {
    auto key = parse_line(line, number, out.empty());
    if (!key) return std::unexpected(std::move(key.error()));
    if (std::ranges::find(out, key->id(), &KeyLine::id) != out.end())
      return std::unexpected(
          fmt::format("line {} repeats the key id {}; give each key its own", number, key->id()));
    out.push_back(std::move(*key));
  }
  if (out.empty()) return std::unexpected("holds no key; make one with openssl rand -hex 32");
  return out;
}

std::array<uint8_t, crypto::AesBlock::kKeyBytes> derive_route_key(std::string_view secret) {
  return derive<crypto::AesBlock::kKeyBytes>(secret, kRouteLabel);
}
ice::IceKey derive_ice_key(std::string_view secret) { return derive<ice::kIceKeyBytes>(secret, kIceLabel); }
std::array<uint8_t, kTrunkKeyBytes> derive_trunk_key(std::string_view secret) {
  return derive<kTrunkKeyBytes>(secret, kTrunkLabel);
}

std::expected<std::vector<FleetKey>, KeyError> fleet_keys(std::string_view route, std::string_view ice) {
  auto routes = parse_keys(route);
  if (!routes) return std::unexpected(KeyError{"route_key", std::move(routes.error())});
  std::vector<FleetKey> out;
  for (const KeyLine& line : *routes)
    out.push_back({.id = line.id(), .route = derive_route_key(line.text()), .ice = std::nullopt});
  if (ice.empty()) return out;
  auto passwords = parse_keys(ice);
  if (!passwords) return std::unexpected(KeyError{"ice_key", std::move(passwords.error())});
  for (const KeyLine& line : *passwords) {
    const auto key = std::ranges::find(out, line.id(), &FleetKey::id);
    if (key == out.end())
      return std::unexpected(KeyError{
          "ice_key",
          fmt::format("key id {} has no route key; give both files the same ids", unsigned{line.id()})});
    key->ice = derive_ice_key(line.text());
  }
  return out;
}

void wipe(FleetKey& key) {
  crypto::cleanse(key.route);
  if (key.ice) crypto::cleanse(*key.ice);
}

void wipe(std::string& secret) {
  crypto::cleanse({reinterpret_cast<uint8_t*>(secret.data()), secret.size()});
}

void wipe(TurnConfig& config) {
  for (TurnUser& u : config.users) wipe(u.password);
  for (std::string& s : config.secrets) wipe(s);
}

Minted mint(const FleetKey& key, ServerId server, uint64_t unix_s, uint32_t ttl_s, crypto::Random random) {
  crypto::AesBlock cipher(key.route);
  ice::UfragCodec codec;
  codec.set_key(key.id, cipher.view());
  const ice::ExpiryUnit now = ice::expiry_unit(unix_s);
  // The unit that the last second falls into is lived to its end.
  const auto ahead =
      static_cast<uint16_t>(std::min<uint64_t>((unix_s + ttl_s) / 600 - unix_s / 600 + 1, ice::kMaxLifetime));
  const ice::UfragFields fields{.region = server.region,
                                .node = server.node,
                                .session_index = random.u32() & ice::UfragFields::kIndexMask,
                                .session_gen = random.u32() & ice::UfragFields::kGenMask,
                                .ice_generation = 0,
                                .expiry = static_cast<ice::ExpiryUnit>(now + ahead)};
  Minted out{.ufrag = codec.mint(fields, key.id), .password = std::nullopt};
  if (key.ice) out.password = ice::password(crypto::kPrimitives, *key.ice, ice::text(out.ufrag));
  return out;
}

bool valid_turn_user(std::string_view name) {
  return !name.empty() && name.size() <= kTurnUserBytesMax && std::ranges::all_of(name, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != ':';
  });
}

TurnCredential turn_credential(std::string_view secret, std::string_view user, uint64_t expires_unix_s) {
  TurnCredential out{.username = fmt::format("{}:{}", expires_unix_s, user), .password = {}};
  std::array<uint8_t, crypto::kSha1Bytes> digest;
  crypto::hmac_sha1(as_bytes(secret), as_bytes(out.username), {}, digest.data());
  out.password.resize(base64_chars(digest.size()));
  base64_encode(digest, out.password);
  crypto::cleanse(digest);
  out.password.resize((out.password.size() + 3) / 4 * 4, '=');
  return out;
}

}  // namespace sluice::engine::relay
