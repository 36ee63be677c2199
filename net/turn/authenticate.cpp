#include "net/turn/authenticate.h"

#include <algorithm>

#include "net/crypto/secret.h"

namespace sluice::turn {
namespace {

using stun::Attr;

struct Claim {
  std::string_view name;  ///< empty: USERHASH instead
  Bytes userhash;
  PasswordAlgorithm algorithm = PasswordAlgorithm::md5;
  bool negotiated = false;  ///< PASSWORD-ALGORITHM was there
};

// RFC 8489 §14.12: algorithm, length of parameters; those of MD5 and SHA-256 are empty.
bool is_sha256_list(Bytes v) { return v.size() == 4 && load_be<uint32_t>(v.data()) == 0x0002'0000; }

// §9.2.4, third check: neither attribute, or the very list that came with the nonce and a choice from it.
// False is a 400.
bool choose_algorithm(const stun::View& request, uint32_t features, Claim& claim) {
  if ((features & kPasswordAlgorithmsBit) == 0) return true;
  const auto list = request.find(Attr::password_algorithms), choice = request.find(Attr::password_algorithm);
  if (!list && !choice) return true;
  if (!list || !choice || !is_sha256_list(*list) || !is_sha256_list(*choice)) return false;
  claim.algorithm = PasswordAlgorithm::sha256;
  claim.negotiated = true;
  return true;
}

bool verified(const AuthContext& c, const stun::View& request, const AuthKey& key) {
  return request.integrity_ok(c.crypto, key.bytes());
}

// The key of a static user or, failing that, of a secret under which the request verifies.
bool try_static(const AuthContext& c, const stun::View& request, const User& user, Login& login) {
  const Bytes key =
      login.key.algorithm == PasswordAlgorithm::md5 ? Bytes(user.md5_key) : Bytes(user.sha256_key);
  std::copy(key.begin(), key.end(), login.key.b.begin());
  login.user_hash = user_hash(c.names, user.name());
  return verified(c, request, login.key);
}

bool try_secrets(const AuthContext& c, const stun::View& request, std::string_view name, Login& login) {
  const auto rest = parse_rest_name(name);
  if (!rest || !c.unix_s || rest->expiry_unix_s <= *c.unix_s) return false;
  login.user_hash = user_hash(c.names, rest->user.empty() ? name : rest->user);
  for (const Bytes secret : c.credentials.secrets) {
    if (secret.empty()) continue;
    auto password = rest_password(c.crypto, secret, name);
    login.key =
        long_term_key(c.crypto, login.key.algorithm, name, c.realm, {password.data(), password.size()});
    crypto::cleanse({reinterpret_cast<uint8_t*>(password.data()), password.size()});
    if (verified(c, request, login.key)) return true;
  }
  return false;
}

bool verify(const AuthContext& c, const stun::View& request, const Claim& claim, const KnownUser* known,
            Login& login) {
  const User* user = claim.name.empty() ? c.credentials.find_userhash(claim.userhash) : nullptr;
  const std::string_view name = user != nullptr ? user->name() : claim.name;
  login.key.algorithm = claim.algorithm;
  login.name_hash = user_hash(c.names, name);
  if (known != nullptr && known->name_hash == login.name_hash && known->key.algorithm == claim.algorithm) {
    login.key = known->key;
    return verified(c, request, login.key);
  }
  if (user == nullptr) user = c.credentials.find(name);
  if (user != nullptr) return try_static(c, request, *user, login);
  if (c.credentials.has_secret() && try_secrets(c, request, name, login)) return true;
  // As much work as for a user who exists, so that time does not tell which names there are.
  (void)verified(c, request, login.key);
  return false;
}

}  // namespace

Login authenticate(const AuthContext& context, const stun::View& request, const Address& client,
                   const KnownUser* known, Micros now) {
  Login login;
  const auto fail = [&](uint16_t code) {
    login = Login{};
    login.error = code;
    return login;
  };
  if (request.integrity() == stun::Integrity::none) return fail(401);

  Claim claim;
  const auto name = request.username();
  const auto userhash = request.find(Attr::userhash), realm = request.find(Attr::realm),
             nonce = request.find(Attr::nonce);
  if ((!name && !userhash) || !realm || !nonce) return fail(400);
  if (name && name->empty()) return fail(401);
  if (name) claim.name = *name;
  if (!name) claim.userhash = *userhash;

  const auto features = context.nonces.check(*nonce, client, now);
  if (!features) return fail(438);
  if (!choose_algorithm(request, *features, claim)) return fail(400);
  if (as_text(*realm) != context.realm || !verify(context, request, claim, known, login)) return fail(401);

  // §9.2.4, last paragraph: SHA-256 but for who negotiated nothing.
  login.reply = claim.negotiated ? stun::Integrity::sha256 : stun::Integrity::sha1;
  return login;
}

}  // namespace sluice::turn
