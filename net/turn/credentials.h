// Long-term credentials (RFC 8489 §9.2) and time-limited ones (username "expiry:user", password
// base64(HMAC-SHA1(secret, username)), as draft-uberti-behave-turn-rest has it). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/base/bytes.h"
#include "net/crypto/primitives.h"

namespace sluice::turn {

/// RFC 8489 §18.5.
enum class PasswordAlgorithm : uint16_t { md5 = 1, sha256 = 2 };

/// The HMAC key of a user: MD5 or SHA-256 of "user:realm:password".
struct AuthKey {
  std::array<uint8_t, 32> b{};
  PasswordAlgorithm algorithm = PasswordAlgorithm::md5;

  Bytes bytes() const { return Bytes(b).first(algorithm == PasswordAlgorithm::md5 ? 16 : 32); }
};

inline constexpr size_t kMaxUserName = 127;

/// A static user with its keys, so that no password is kept. Make it with make_user().
struct User {
  std::array<uint8_t, 16> md5_key{};
  std::array<uint8_t, 32> sha256_key{};
  std::array<uint8_t, 32> userhash{};  ///< SHA-256 of "user:realm" (RFC 8489 §14.4)
  std::array<char, kMaxUserName> name_bytes{};
  uint8_t name_length = 0;

  std::string_view name() const { return {name_bytes.data(), name_length}; }
};

/// nullopt if the name is empty, longer than kMaxUserName or has a colon or a control character. Names and
/// passwords are taken as they are (RFC 8265 preparation is up to whoever types them).
std::optional<User> make_user(const crypto::Primitives& crypto, std::string_view name, std::string_view realm,
                              std::string_view password);

/// Puts users in the order that Credentials wants. Of two with the same name the first stays first and
/// counts.
void sort_users(std::span<User> users);

inline constexpr size_t kRestPasswordChars = 28;
/// The password that belongs to a time-limited username.
std::array<char, kRestPasswordChars> rest_password(const crypto::Primitives& crypto, Bytes secret,
                                                   std::string_view username);

/// A username "1700000000:alice", "1700000000" or "1700000000:" taken apart.
struct RestName {
  int64_t expiry_unix_s = 0;
  std::string_view user;  ///< points into the name; may be empty
};
std::optional<RestName> parse_rest_name(std::string_view username);

/// What a shard authenticates against. Points to memory that must outlive its use; another one is swapped in
/// with Server::set_credentials().
struct Credentials {
  std::span<const User> users;  ///< sorted with sort_users()
  /// Current and previous secret; empty ones are absent.
  std::array<Bytes, 2> secrets{};

  const User* find(std::string_view name) const;
  const User* find_userhash(Bytes userhash) const;
  bool has_secret() const { return !secrets[0].empty() || !secrets[1].empty(); }
};

/// MD5 or SHA-256 of "user:realm:password".
AuthKey long_term_key(const crypto::Primitives& crypto, PasswordAlgorithm algorithm, std::string_view user,
                      std::string_view realm, std::string_view password);

}  // namespace sluice::turn
