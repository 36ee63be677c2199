#include "net/srtp/cipher.h"

#include <cassert>

#include <openssl/crypto.h>

#include "net/srtp/backends.h"

namespace sluice::srtp {
namespace {

struct Named {
  Kind kind;
  std::string_view text;
};
constexpr Named kNames[] = {{Kind::automatic, "auto"},
                            {Kind::ipsec_mb, "ipsec-mb"},
                            {Kind::openssl, "openssl"},
                            {Kind::libsrtp, "libsrtp"}};

[[maybe_unused]] bool fits(std::span<const std::byte> context, size_t bytes) {
  return context.size() >= bytes && reinterpret_cast<uintptr_t>(context.data()) % kContextAlign == 0;
}

}  // namespace

std::string_view name(Kind k) {
  for (const Named& n : kNames)
    if (n.kind == k) return n.text;
  return "unknown";
}

std::optional<Kind> parse_kind(std::string_view s) {
  for (const Named& n : kNames)
    if (n.text == s) return n.kind;
  return std::nullopt;
}

std::expected<std::unique_ptr<Cipher>, std::string> Cipher::make(Kind kind) {
  switch (kind) {
    case Kind::ipsec_mb:
      return make_ipsec_mb();
    case Kind::openssl:
      return make_openssl();
    case Kind::libsrtp:
      return make_libsrtp();
    case Kind::automatic:
      break;
  }
  auto best = make_ipsec_mb();
  return best ? std::move(best) : make_openssl();
}

bool Cipher::init(std::span<std::byte> context, const MasterKey& key, Direction direction, Salts& salts) {
  assert(fits(context, context_bytes(key.profile)));
  SessionKeys keys;
  derivation_.derive(key, keys);
  salts = {keys.rtp.salt, keys.rtcp.salt};
  return do_init(context.data(), keys, &key, direction);
}

bool Cipher::install(std::span<std::byte> context, const SessionKeys& keys) {
  assert(fits(context, context_bytes(keys.profile)));
  return do_init(context.data(), keys, nullptr, Direction::inbound);
}

void Cipher::release(std::span<std::byte> context, Profile p) {
  assert(fits(context, context_bytes(p)));
  do_release(context.data(), p);
  OPENSSL_cleanse(context.data(), context_bytes(p));
}

}  // namespace sluice::srtp
