#include "engine/relay/keys.h"

#include <doctest/doctest.h>

#include "net/crypto/hmac.h"
#include "net/crypto/random.h"
#include "tests/support/opened_ufrag.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::engine::relay;
using test::opened;

namespace {

constexpr std::string_view kSecret = "0123456789abcdef";
constexpr std::string_view kOther = "fedcba9876543210";

std::string lines(std::initializer_list<std::string_view> list) {
  std::string out;
  for (const auto l : list) out.append(l).append("\n");
  return out;
}

template <size_t N>
std::vector<uint8_t> bytes(const std::array<uint8_t, N>& a) {
  return {a.begin(), a.end()};
}

}  // namespace

TEST_CASE("each purpose has a key of its own, the same on every machine") {
  // HMAC-SHA256 under the secret of "sluice route key 1" and so on, by another implementation.
  CHECK(bytes(derive_route_key(kSecret)) == test::hex("e27f9ee4ce90fb9dd21ca7dd53b17420"));
  CHECK(bytes(derive_ice_key(kSecret)) ==
        test::hex("8eed8a19485247682ef03604e2d68aab143f530fc047207ed2d8085e7f938777"));
  CHECK(bytes(derive_trunk_key(kSecret)) ==
        test::hex("0a95c35554c682e63775de06143df9dd4f66f0fb0d9decbf93f917e925aa24f2"));
}

TEST_CASE("a key file's first line mints and is number 0 unless it says otherwise") {
  const auto one = parse_keys(kSecret);
  REQUIRE(one.has_value());
  CHECK(one->size() == 1);
  CHECK(one->front().id() == 0);
  CHECK(one->front().text() == kSecret);
  const auto two = parse_keys("\n3:" + std::string(kSecret) + "\r\n\n0:" + std::string(kOther));
  REQUIRE(two.has_value());
  REQUIRE(two->size() == 2);
  CHECK(two->at(0).id() == 3);
  CHECK(two->at(0).text() == kSecret);
  CHECK(two->at(1).id() == 0);
}

TEST_CASE("a colon behind other than digits belongs to the secret") {
  const auto keys = parse_keys("ab:cdefghijklmnop");
  REQUIRE(keys.has_value());
  CHECK(keys->front().text() == "ab:cdefghijklmnop");
}

TEST_CASE("a wrong key file is refused by line and without its content") {
  const std::string secret(kSecret);
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "holds no key"},
      {"\n\r\n", "holds no key"},
      {"short", "line 1 holds a secret of 5 bytes"},
      {"1:short", "line 1 holds a secret of 5 bytes"},
      {"16:" + secret, "line 1 begins with a key id that is not 0 to 15"},
      {"99999999999:" + secret, "line 1 begins with a key id that is not 0 to 15"},
      {secret + "\n" + secret, "line 2 has no key id"},
      {secret + "\n0:" + secret, "line 2 repeats the key id 0"},
      {secret + "\x01", "line 1 holds bytes that are not printable"},
      {std::string(5000, 'x'), "line 1 holds a secret of 5000 bytes"},
  };
  for (const auto& [text, message] : cases) {
    const auto keys = parse_keys(text);
    REQUIRE_FALSE(keys.has_value());
    CHECK_MESSAGE(keys.error().starts_with(message), keys.error());
    CHECK(keys.error().find(secret) == std::string::npos);
  }
}

TEST_CASE("fleet keys pair the two files by their ids") {
  const auto pair = fleet_keys(lines({"1:aaaaaaaaaaaaaaaa", "0:bbbbbbbbbbbbbbbb"}),
                               lines({"0:cccccccccccccccc", "1:dddddddddddddddd"}));
  REQUIRE(pair.has_value());
  REQUIRE(pair->size() == 2);
  CHECK(pair->at(0).id == 1);
  CHECK(pair->at(0).route == derive_route_key("aaaaaaaaaaaaaaaa"));
  CHECK(*pair->at(0).ice == derive_ice_key("dddddddddddddddd"));
  CHECK(*pair->at(1).ice == derive_ice_key("cccccccccccccccc"));
  const auto relay = fleet_keys(kSecret, "");
  REQUIRE(relay.has_value());
  CHECK_FALSE(relay->front().ice.has_value());
}

TEST_CASE("an ICE key without its route key is refused, and each file's mistakes are its own") {
  CHECK(fleet_keys(kSecret, "1:" + std::string(kOther)).error().field == "ice_key");
  CHECK(fleet_keys("x", kOther).error().field == "route_key");
  CHECK(fleet_keys(kSecret, "x").error().field == "ice_key");
}

TEST_CASE("a minted ufrag leads to its server, and its password is the media tier's") {
  const auto keys = fleet_keys("5:" + std::string(kSecret), "5:" + std::string(kOther));
  REQUIRE(keys.has_value());
  crypto::StreamRandom random(uint64_t{1});
  const Minted m = mint(keys->front(), {3, 777}, 1'800'000'000, 3600, random.view());
  const auto fields = opened(keys->front(), ice::text(m.ufrag));
  CHECK(fields.region == 3);
  CHECK(fields.node == 777);
  REQUIRE(m.password.has_value());
  CHECK(m.password->text() ==
        ice::password(crypto::kPrimitives, derive_ice_key(kOther), ice::text(m.ufrag)).text());
  const Minted again = mint(keys->front(), {3, 777}, 1'800'000'000, 3600, random.view());
  const auto other = opened(keys->front(), ice::text(again.ufrag));
  CHECK((other.session_index != fields.session_index || other.session_gen != fields.session_gen));
}

TEST_CASE("a relay's key mints no password") {
  const auto keys = fleet_keys(kSecret, "");
  crypto::StreamRandom random(uint64_t{1});
  CHECK_FALSE(mint(keys->front(), {0, 1}, 1'800'000'000, 60, random.view()).password.has_value());
}

TEST_CASE("a ufrag lives as long as was asked and at most ten minutes more") {
  const auto keys = fleet_keys(kSecret, "");
  crypto::StreamRandom random(uint64_t{2});
  for (const uint64_t now : {uint64_t{1'800'000'000}, uint64_t{1'800'000'599}, uint64_t{1'800'000'300}}) {
    for (const uint32_t ttl : {1U, 599U, 600U, 601U, 86'400U}) {
      const auto f = opened(keys->front(), ice::text(mint(keys->front(), {}, now, ttl, random.view()).ufrag));
      CHECK_FALSE(ice::is_expired(f.expiry, ice::expiry_unit(now)));
      CHECK_FALSE(ice::is_expired(f.expiry, ice::expiry_unit(now + ttl)));
      CHECK(ice::is_expired(f.expiry, ice::expiry_unit(now + ttl + 600)));
    }
    const auto f =
        opened(keys->front(), ice::text(mint(keys->front(), {}, now, kUfragTtlMax, random.view()).ufrag));
    CHECK_FALSE(ice::is_expired(f.expiry, ice::expiry_unit(now)));
    CHECK_FALSE(ice::is_expired(f.expiry, ice::expiry_unit(now + kUfragTtlMax - 600)));
  }
}

TEST_CASE("TURN credentials are what coturn makes of the same secret") {
  // base64(HMAC-SHA1("north", "1433895918:alice")), by another implementation.
  const auto c = turn_credential("north", "alice", 1'433'895'918);
  CHECK(c.username == "1433895918:alice");
  CHECK(c.password == "RqMvcGPYTJMGThVLSi4amT4zFtI=");
}

TEST_CASE("a TURN user's name is short text without a colon") {
  CHECK(valid_turn_user("alice"));
  CHECK(valid_turn_user("Zoë"));
  CHECK(valid_turn_user(std::string(kTurnUserBytesMax, 'a')));
  for (const std::string& bad : {std::string(), std::string("a:b"), std::string("a\nb"), std::string("a\x7f"),
                                 std::string(kTurnUserBytesMax + 1, 'a')})
    CHECK_FALSE(valid_turn_user(bad));
}
