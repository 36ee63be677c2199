#include "net/turn/credentials.h"

#include <doctest/doctest.h>

#include "tests/unit/hex.h"
#include "tests/unit/stun/vectors.h"
#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

std::vector<uint16_t> types_of(const stun::View& v) {
  std::vector<uint16_t> types;
  v.for_each([&](const stun::RawAttribute& a) { types.push_back(a.type); });
  return types;
}

std::vector<uint16_t> ids(std::initializer_list<Attr> attributes) {
  std::vector<uint16_t> types;
  for (const Attr a : attributes) types.push_back(static_cast<uint16_t>(a));
  return types;
}

// "expiry:user" and its password under a secret.
Client rest_client(Rig& rig, std::string_view remote, int64_t expiry, std::string_view user,
                   std::string_view secret) {
  const std::string name = std::to_string(expiry) + ":" + std::string(user);
  const auto password = turn::rest_password(crypto::kPrimitives, as_bytes(secret), name);
  return {rig, remote, name, std::string(password.data(), password.size())};
}

}  // namespace

TEST_CASE("keys of long-term credentials are those of the RFCs' vectors") {
  const auto md5 = turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::md5, kMatrixUser,
                                       kMatrixRealm, kMatrixPassword);
  const auto old = hex(kRfc5769LongTerm);
  CHECK(stun::View::parse(old)->integrity_ok(crypto::kPrimitives, md5.bytes()));
  const auto sha256 = turn::long_term_key(crypto::kPrimitives, turn::PasswordAlgorithm::sha256, kMatrixUser,
                                          kMatrixRealm, kMatrixPassword);
  const auto vector = hex(kRfc8489Corrected);
  const auto view = stun::View::parse(vector).value();
  CHECK(view.integrity_ok(crypto::kPrimitives, sha256.bytes()));

  std::vector<turn::User> users{
      *turn::make_user(crypto::kPrimitives, "zoe", kMatrixRealm, "x"),
      *turn::make_user(crypto::kPrimitives, kMatrixUser, kMatrixRealm, kMatrixPassword)};
  turn::sort_users(users);
  const turn::Credentials c{.users = users, .secrets = {}};
  const turn::User* found = c.find_userhash(view.find(Attr::userhash).value());
  REQUIRE(found != nullptr);
  CHECK(found->name() == kMatrixUser);
  CHECK(c.find("zoe")->name() == "zoe");
  CHECK(c.find("zo") == nullptr);
  CHECK(c.find("") == nullptr);
}

TEST_CASE("names of users are 1 to 127 bytes without colons and control characters") {
  const auto made = [](std::string_view name) {
    return turn::make_user(crypto::kPrimitives, name, "r", "p").has_value();
  };
  CHECK(made("a"));
  CHECK(made(std::string(127, 'a')));
  CHECK_FALSE(made(std::string(128, 'a')));
  CHECK_FALSE(made(""));
  CHECK_FALSE(made("a:b"));
  CHECK_FALSE(made("a\n"));
}

TEST_CASE("a time-limited password is base64 of HMAC-SHA1 and names are taken apart") {
  // printf 1700000000:alice | openssl dgst -sha1 -hmac secret -binary | base64
  const auto p = turn::rest_password(crypto::kPrimitives, as_bytes("secret"), "1700000000:alice");
  CHECK(std::string_view(p.data(), p.size()) == "d8soP47RbdIKLDUOpnJPVQyq5Ts=");
  const auto full = turn::parse_rest_name("1700000000:alice:b").value();
  CHECK(full.expiry_unix_s == 1'700'000'000);
  CHECK(full.user == "alice:b");
  CHECK(turn::parse_rest_name("17")->user.empty());
  CHECK(turn::parse_rest_name("17:")->user.empty());
  for (std::string_view bad : {"", ":", "x", "17x", "17x:a", "-1:a", "1000000000000000:a"})
    CHECK_FALSE(turn::parse_rest_name(bad).has_value());
}

TEST_CASE("a challenge carries realm, nonce and algorithms and nothing else") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply r = c.send(c.plain(Method::allocate, Client::udp));
  REQUIRE(r.code() == 401);
  CHECK(types_of(*r.view) == ids({Attr::error_code, Attr::realm, Attr::nonce, Attr::password_algorithms}));
  CHECK(as_text(r.view->find(Attr::realm).value()) == "example.org");
  const std::string_view nonce = as_text(r.view->find(Attr::nonce).value());
  CHECK(nonce.size() == turn::kNonceChars);
  CHECK(nonce.substr(0, 13) == "obMatJos2AAAD");  // password algorithms and username anonymity
  rig.set_credentials(true, true);
  const Reply mixed = c.send(c.plain(Method::allocate, Client::udp));
  CHECK(as_text(mixed.view->find(Attr::nonce).value()).substr(0, 13) == "obMatJos2AAAB");
}

TEST_CASE("credentials that are incomplete are 400, wrong ones 401") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  c.learn(c.send(c.plain(Method::allocate, Client::udp)));
  const auto without = [&](Attr missing) {
    std::vector<uint8_t> out(512);
    stun::Builder b(out, stun::Class::request, Method::allocate, c.next_tid());
    Client::udp(b);
    if (missing != Attr::username) b.attribute(Attr::username, as_bytes("alice"));
    if (missing != Attr::realm) b.attribute(Attr::realm, as_bytes(c.realm));
    if (missing != Attr::nonce) b.attribute(Attr::nonce, as_bytes(c.nonce));
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, c.auth_key().bytes());
    out.resize(b.size());
    return out;
  };
  for (const Attr missing : {Attr::username, Attr::realm, Attr::nonce}) {
    const Reply r = c.send(without(missing));
    CHECK(r.code() == 400);
    CHECK(types_of(*r.view) == ids({Attr::error_code}));
  }
  CHECK(c.send(without(Attr::software)).code() == 0);

  Client wrong(rig, "203.0.113.5:4001", "alice", "looking glass");
  const Reply denied = wrong.allocate();
  CHECK(denied.code() == 401);
  CHECK(denied.view->has(Attr::nonce));
  Client nobody(rig, "203.0.113.5:4002", "mallory", "");
  CHECK(nobody.allocate().code() == 401);
  Client empty(rig, "203.0.113.5:4003", "", "");
  CHECK(empty.allocate().code() == 401);
  Client elsewhere(rig, "203.0.113.5:4004");
  REQUIRE(elsewhere.call(Method::binding).code() == 0);
  elsewhere.learn(elsewhere.send(elsewhere.plain(Method::allocate, Client::udp)));
  elsewhere.realm = "example.com";
  CHECK(elsewhere.allocate().code() == 401);
  CHECK(rig.server->counters().refused[0] == 3);
}

TEST_CASE("RFC 8489 clients use SHA-256, and USERHASH where it is offered") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  c.modern = c.use_userhash = true;
  const Reply r = c.allocate();
  REQUIRE(r.code() == 0);
  CHECK(r.view->integrity() == stun::Integrity::sha256);
  CHECK(r.view->integrity_ok(crypto::kPrimitives, c.auth_key().bytes()));
  CHECK_FALSE(r.view->has(Attr::message_integrity));
  CHECK(c.refresh(900).code() == 0);
  c.use_userhash = false;
  CHECK(c.permit("203.0.113.9:1").code() == 0);
  // Another algorithm for the same allocation needs another key, and gets it.
  c.modern = false;
  const Reply plain = c.refresh(900);
  CHECK(plain.code() == 0);
  CHECK(plain.view->integrity() == stun::Integrity::sha1);
}

TEST_CASE("a bid-down is noticed") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  c.modern = true;
  c.learn(c.send(c.plain(Method::allocate, Client::udp)));
  const auto signed_with = [&](const Attributes& algorithms) {
    std::vector<uint8_t> out(512);
    stun::Builder b(out, stun::Class::request, Method::allocate, c.next_tid());
    Client::udp(b);
    b.attribute(Attr::username, as_bytes("alice"));
    b.attribute(Attr::realm, as_bytes(c.realm));
    b.attribute(Attr::nonce, as_bytes(c.nonce));
    algorithms(b);
    b.integrity(stun::Integrity::sha256, crypto::kPrimitives, c.auth_key().bytes());
    out.resize(b.size());
    return c.send(out).code();
  };
  const auto list = [&](stun::Builder& b, uint32_t v) { b.u32(Attr::password_algorithms, v << 16); };
  const auto choice = [&](stun::Builder& b, uint32_t v) { b.u32(Attr::password_algorithm, v << 16); };
  CHECK(signed_with([&](auto& b) { choice(b, 2); }) == 400);
  CHECK(signed_with([&](auto& b) { list(b, 2); }) == 400);
  CHECK(signed_with([&](auto& b) { list(b, 1), choice(b, 1); }) == 400);
  CHECK(signed_with([&](auto& b) { list(b, 2), choice(b, 1); }) == 400);
  CHECK(signed_with(
            [&](auto& b) { b.u64(Attr::password_algorithms, 0x0002'0000'0001'0000), choice(b, 2); }) == 400);
  // The bits that say what was offered are part of what the nonce authenticates.
  const std::string honest = c.nonce;
  c.nonce[12] = 'A';
  CHECK(signed_with([&](auto& b) { list(b, 2), choice(b, 2); }) == 438);
  c.nonce = honest;
  CHECK(signed_with([&](auto& b) { list(b, 2), choice(b, 2); }) == 0);
}

TEST_CASE("a nonce is good at one address, at every port, for an hour") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000"), port(rig, "203.0.113.5:4001"), away(rig, "203.0.113.6:4000");
  REQUIRE(c.allocate().code() == 0);
  port.realm = away.realm = c.realm;
  port.nonce = away.nonce = c.nonce;
  CHECK(port.send(port.signed_message(Method::allocate, Client::udp, port.next_tid())).code() == 0);
  CHECK(away.send(away.signed_message(Method::allocate, Client::udp, away.next_tid())).code() == 438);
  CHECK(away.allocate().code() == 0);
  const std::string first = c.nonce;
  rig.now += seconds(590);
  REQUIRE(c.refresh(3600).code() == 0);
  rig.now += seconds(2990);
  REQUIRE(c.refresh(3600).code() == 0);
  CHECK(c.nonce == first);
  rig.now += seconds(60);
  const Reply stale = c.send(c.signed_message(Method::refresh, {}, c.next_tid()));
  CHECK(stale.code() == 438);
  CHECK(types_of(*stale.view).at(1) == static_cast<uint16_t>(Attr::realm));
  CHECK(c.refresh(3600).code() == 0);
  CHECK(c.nonce != first);
}

TEST_CASE("nonces that were altered in any character, or made under another secret, are refused") {
  const turn::Nonces nonces({1, 2}, 3600), others({1, 3}, 3600);
  const Address client = Address::v4(203, 0, 113, 5);
  const turn::Nonce n = nonces.make(client, 3, seconds(5000));
  const auto check = [&](const turn::Nonces& with, const turn::Nonce& what, Micros when) {
    return with.check(as_bytes({what.data(), what.size()}), client, when);
  };
  CHECK(check(nonces, n, seconds(5000)) == 3U);
  CHECK_FALSE(check(others, n, seconds(5000)));
  CHECK_FALSE(check(nonces, n, seconds(4000)));  // from the future
  CHECK_FALSE(check(nonces, n, seconds(5000 + 16 * 65536)));
  CHECK(nonces.make(client, 3, seconds(5000 + 16 * 65536)) != n);
  for (size_t i = 0; i < n.size(); ++i)
    for (const char other : {'A', 'B', '/', '=', '\0'}) {
      turn::Nonce altered = n;
      if (altered[i] == other) continue;
      altered[i] = other;
      CHECK_FALSE(check(nonces, altered, seconds(5000)));
    }
  CHECK_FALSE(nonces.check(as_bytes({n.data(), n.size() - 1}), client, seconds(5000)));
  CHECK_FALSE(nonces.check({}, client, seconds(5000)));
}

TEST_CASE("time-limited credentials work until they expire, under both secrets") {
  Rig rig;
  rig.set_credentials(false, true);
  Client fresh = rest_client(rig, "203.0.113.5:1", kUnixTime + 100, "carol", "new secret");
  Client rotated = rest_client(rig, "203.0.113.5:2", kUnixTime + 100, "carol", "old secret");
  Client forged = rest_client(rig, "203.0.113.5:3", kUnixTime + 100, "carol", "guessed");
  Client expired = rest_client(rig, "203.0.113.5:4", kUnixTime, "carol", "new secret");
  Client modern = rest_client(rig, "203.0.113.5:5", kUnixTime + 100, "", "new secret");
  modern.modern = true;
  CHECK(fresh.allocate().code() == 0);
  CHECK(rotated.allocate().code() == 0);
  CHECK(forged.allocate().code() == 401);
  CHECK(expired.allocate().code() == 401);
  CHECK(modern.allocate().code() == 0);
  CHECK(rig.server->usage_of("carol").allocations == 2);
  CHECK(rig.server->usage_of(modern.user_name).allocations == 1);
  // What lives goes on: its key is known. A new one is refused.
  rig.now += seconds(200);
  CHECK(fresh.refresh(600).code() == 0);
  fresh.key.remote.port = 9;
  CHECK(fresh.allocate().code() == 401);

  Rig clockless;
  turn::Server& s = *clockless.server;
  s.set_unix_time(clockless.now, INT32_MAX * int64_t{100});
  clockless.set_credentials(false, true);
  Client late = rest_client(clockless, "203.0.113.5:1", kUnixTime + 100, "carol", "new secret");
  CHECK(late.allocate().code() == 401);
}

TEST_CASE("an allocation belongs to the user who made it") {
  Rig rig;
  Client alice(rig, "203.0.113.5:4000"), bob(rig, "203.0.113.5:4000", "bob", "builder");
  REQUIRE(alice.allocate().code() == 0);
  CHECK(bob.refresh(600).code() == 441);
  CHECK(bob.refresh(0).code() == 441);
  CHECK(bob.permit("203.0.113.9:1").code() == 441);
  CHECK(bob.bind(0x4000, "203.0.113.9:1").code() == 441);
  CHECK(bob.allocate().code() == 441);
  Client liar(rig, "203.0.113.5:4000", "alice", "guess");
  CHECK(liar.refresh(0).code() == 401);
  CHECK(rig.server->counters().allocations == 1);
}

TEST_CASE("new credentials leave what lives alone") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000"), d(rig, "203.0.113.5:4001");
  REQUIRE(c.allocate().code() == 0);
  rig.set_credentials(false, true);
  CHECK(c.refresh(600).code() == 0);
  CHECK(d.allocate().code() == 401);
}
