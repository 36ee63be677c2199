#include "net/turn/credentials.h"

#include <algorithm>

#include "net/base/base64.h"
#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

// "a:b" or "a:b:c" in one piece, for digests that take one.
class Joined {
 public:
  explicit Joined(std::initializer_list<std::string_view> parts) {
    Writer w(text_);
    for (std::string_view p : parts) {
      if (w.size() != 0) w.u8(':');
      w.bytes(as_bytes(p));
    }
    size_ = w.ok() ? w.size() : 0;
  }
  ~Joined() { crypto::cleanse(text_); }
  Joined(const Joined&) = delete;
  Joined& operator=(const Joined&) = delete;
  Bytes bytes() const { return Bytes(text_).first(size_); }

 private:
  // Usernames are at most 508 bytes in a message (RFC 8489 §14.3), realms and passwords as long as one takes.
  std::array<uint8_t, 1600> text_;
  size_t size_ = 0;
};

}  // namespace

AuthKey long_term_key(const crypto::Primitives& crypto, PasswordAlgorithm algorithm, std::string_view user,
                      std::string_view realm, std::string_view password) {
  const Joined text({user, realm, password});
  AuthKey key{.b = {}, .algorithm = algorithm};
  (algorithm == PasswordAlgorithm::md5 ? crypto.md5 : crypto.sha256)(text.bytes(), key.b.data());
  return key;
}

std::optional<User> make_user(const crypto::Primitives& crypto, std::string_view name, std::string_view realm,
                              std::string_view password) {
  constexpr size_t kMaxPassword = 1024;
  const auto odd = [](char c) { return c == ':' || static_cast<uint8_t>(c) < 0x20 || c == 0x7f; };
  if (name.empty() || name.size() > kMaxUserName || password.size() > kMaxPassword) return std::nullopt;
  if (std::any_of(name.begin(), name.end(), odd)) return std::nullopt;
  User u;
  AuthKey key = long_term_key(crypto, PasswordAlgorithm::md5, name, realm, password);
  std::copy_n(key.b.begin(), u.md5_key.size(), u.md5_key.begin());
  key = long_term_key(crypto, PasswordAlgorithm::sha256, name, realm, password);
  u.sha256_key = key.b;
  crypto::cleanse(key.b);
  crypto.sha256(Joined({name, realm}).bytes(), u.userhash.data());
  std::copy(name.begin(), name.end(), u.name_bytes.begin());
  u.name_length = static_cast<uint8_t>(name.size());
  return u;
}

void sort_users(std::span<User> users) {
  std::sort(users.begin(), users.end(), [](const User& a, const User& b) { return a.name() < b.name(); });
}

std::array<char, kRestPasswordChars> rest_password(const crypto::Primitives& crypto, Bytes secret,
                                                   std::string_view username) {
  std::array<uint8_t, crypto::kSha1Bytes> mac;
  crypto.hmac_sha1(secret, as_bytes(username), {}, mac.data());
  std::array<char, kRestPasswordChars> password;
  password.back() = '=';  // 20 bytes are 27 characters and one of padding
  base64_encode(mac, std::span(password).first(kRestPasswordChars - 1));
  crypto::cleanse(mac);
  return password;
}

std::optional<RestName> parse_rest_name(std::string_view username) {
  constexpr size_t kMaxDigits = 15;
  size_t digits = 0;
  int64_t expiry = 0;
  while (digits < username.size() && username[digits] >= '0' && username[digits] <= '9') {
    if (digits == kMaxDigits) return std::nullopt;
    expiry = expiry * 10 + (username[digits++] - '0');
  }
  if (digits == 0 || (digits < username.size() && username[digits] != ':')) return std::nullopt;
  username.remove_prefix(std::min(digits + 1, username.size()));
  return RestName{.expiry_unix_s = expiry, .user = username};
}

const User* Credentials::find(std::string_view name) const {
  const auto at = std::lower_bound(users.begin(), users.end(), name,
                                   [](const User& u, std::string_view n) { return u.name() < n; });
  return at != users.end() && at->name() == name ? &*at : nullptr;
}

const User* Credentials::find_userhash(Bytes userhash) const {
  for (const User& u : users)
    if (crypto::equal_constant_time(u.userhash, userhash)) return &u;
  return nullptr;
}

}  // namespace sluice::turn
