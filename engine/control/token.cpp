#include "engine/control/token.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "net/base/base64.h"
#include "net/crypto/hmac.h"
#include "net/crypto/secret.h"

namespace sluice::control {
namespace {

constexpr std::string_view kVersion = "v1.";
// Keeps a MAC made here from meaning anything where the same secret serves another purpose.
constexpr std::string_view kLabel = "sluice room token v1\n";
constexpr size_t kMaxToken = 512;
constexpr size_t kMacBytes = 32;

std::string mac(const Secret& key, std::string_view payload) {
  std::string out(kMacBytes, '\0');
  crypto::hmac_sha256(as_bytes(key.reveal()), as_bytes(kLabel), as_bytes(payload),
                      reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

std::string rights_text(const Rights& r) {
  std::string out;
  if (r.publish) out += 'p';
  if (r.play) out += 'l';
  if (r.agent) out += 'a';
  if (r.takeover) out += 't';
  return out;
}

bool parse_rights(std::string_view text, Rights& r) {
  for (char c : text) {
    switch (c) {
      case 'p':
        r.publish = true;
        break;
      case 'l':
        r.play = true;
        break;
      case 'a':
        r.agent = true;
        break;
      case 't':
        r.takeover = true;
        break;
      default:
        return false;
    }
  }
  return true;
}

std::expected<RoomToken, TokenError> parse_payload(std::string_view payload) {
  const auto malformed = std::unexpected(TokenError::malformed);
  const size_t first = payload.find('.');
  const size_t second = first == std::string_view::npos ? first : payload.find('.', first + 1);
  if (second == std::string_view::npos) return malformed;
  RoomToken t;
  if (!parse_rights(payload.substr(0, first), t.rights)) return malformed;
  const std::string_view expiry = payload.substr(first + 1, second - first - 1);
  const auto [end, error] = std::from_chars(expiry.data(), expiry.data() + expiry.size(), t.expires);
  if (error != std::errc{} || end != expiry.data() + expiry.size()) return malformed;
  t.room = std::string(payload.substr(second + 1));
  if (!valid_room_name(t.room)) return malformed;
  return t;
}

}  // namespace

bool valid_room_name(std::string_view name) {
  const auto ok = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, ok);
}

std::string sign(const Secret& key, const RoomToken& token) {
  const std::string rights = rights_text(token.rights);
  const bool any = token.rights.publish || token.rights.play || token.rights.agent;
  if (key.empty() || !any || !valid_room_name(token.room)) return {};
  const std::string payload = fmt::format("{}.{}.{}", rights, token.expires, token.room);
  return fmt::format("{}{}.{}", kVersion, base64url(payload), base64url(mac(key, payload)));
}

std::expected<RoomToken, TokenError> verify(const Secret& key, std::string_view text, int64_t now_s) {
  const auto malformed = std::unexpected(TokenError::malformed);
  if (key.empty() || text.size() > kMaxToken || !text.starts_with(kVersion)) return malformed;
  text.remove_prefix(kVersion.size());
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return malformed;
  const auto payload = from_base64url(text.substr(0, dot));
  const auto presented = from_base64url(text.substr(dot + 1));
  if (!payload || !presented || presented->size() != kMacBytes) return malformed;
  if (!crypto::equal_constant_time(as_bytes(mac(key, *payload)), as_bytes(*presented)))
    return std::unexpected(TokenError::forged);
  auto token = parse_payload(*payload);
  if (token && token->expires <= now_s) return std::unexpected(TokenError::expired);
  return token;
}

std::string base64url(std::string_view bytes) {
  std::string out(base64_chars(bytes.size()), '\0');
  base64_encode(as_bytes(bytes), out);
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  return out;
}

std::expected<std::string, TokenError> from_base64url(std::string_view text) {
  const auto malformed = std::unexpected(TokenError::malformed);
  if (text.find_first_of("+/") != std::string_view::npos) return malformed;
  std::string full(text);
  std::ranges::replace(full, '-', '+');
  std::ranges::replace(full, '_', '/');
  full.resize((text.size() + 3) / 4 * 4, 'A');
  std::string out(full.size() / 4 * 3, '\0');
  if (!base64_decode(full, {reinterpret_cast<uint8_t*>(out.data()), out.size()})) return malformed;
  out.resize(text.size() * 6 / 8);
  // Lengths that no bytes have, and bits behind the last byte, do not survive the way back.
  if (base64url(out) != text) return malformed;
  return out;
}

}  // namespace sluice::control
