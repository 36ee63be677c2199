#include "net/ice/ufrag.h"

#include <random>
#include <set>

#include <doctest/doctest.h>

#include "tests/unit/ice/fixture.h"

using namespace sluice;
using namespace sluice::ice;

TEST_CASE("a minted ufrag is 24 characters of ICE's alphabet and opens to what was put in") {
  const test::Server server;
  const UfragCodec& codec = server.keys.keys().routes;
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const UfragFields f{.region = static_cast<uint8_t>(random() & 63),
                        .node = static_cast<uint16_t>(random() & 0x3fff),
                        .session_index = static_cast<uint32_t>(random() & UfragFields::kIndexMask),
                        .session_gen = static_cast<uint32_t>(random() & UfragFields::kGenMask),
                        .ice_generation = static_cast<uint8_t>(random()),
                        .expiry = static_cast<ExpiryUnit>(random())};
    const auto key_id = static_cast<uint8_t>(1 + i % 2);
    const Ufrag ufrag = codec.mint(f, key_id);
    for (char c : ufrag) REQUIRE(base64_value(c) < 64);
    const auto opened = codec.decode(text(ufrag));
    REQUIRE(opened.has_value());
    CHECK(opened->fields == f);
    CHECK(opened->key_id == key_id);
    CHECK(codec.open(text(ufrag), static_cast<ExpiryUnit>(f.expiry - 1)) == f);
  }
}

TEST_CASE("fields at their limits do not run into each other") {
  const test::Server server;
  const UfragCodec& codec = server.keys.keys().routes;
  const UfragFields zero{};
  const UfragFields full{63, 0x3fff, UfragFields::kIndexMask, UfragFields::kGenMask, 255, 65535};
  CHECK(codec.decode(text(codec.mint(zero, 1)))->fields == zero);
  CHECK(codec.decode(text(codec.mint(full, 1)))->fields == full);
  const UfragFields too_wide{255, 0xffff, UINT32_MAX, UINT32_MAX, 255, 65535};
  CHECK(codec.decode(text(codec.mint(too_wide, 1)))->fields == full);
}

TEST_CASE("a ufrag with any bit changed is forged") {
  const test::Server server;
  const UfragCodec& codec = server.keys.keys().routes;
  const Ufrag good = codec.mint(test::fields(), 1);
  for (size_t at = 0; at < kUfragChars; ++at)
    for (int bit = 0; bit < 6; ++bit) {
      Ufrag bad = good;
      bad[at] = kBase64Alphabet[base64_value(good[at]) ^ (1U << bit)];
      const auto opened = codec.decode(text(bad));
      REQUIRE_FALSE(opened.has_value());
      CHECK(opened.error() == Drop::ufrag_forged);
    }
}

TEST_CASE("a ufrag of another length, alphabet or key is forged") {
  const test::Server server;
  const UfragCodec& codec = server.keys.keys().routes;
  const std::string good = server.mint(test::fields());
  REQUIRE(codec.decode(good).has_value());
  std::string foreign = good, padded = good;
  foreign.front() = '-';
  padded.back() = '=';
  const std::string zeros(kUfragChars, '\0'), same(kUfragChars, 'A');
  for (std::string_view bad :
       {std::string_view(), std::string_view(good).substr(1), std::string_view(foreign),
        std::string_view(padded), std::string_view(zeros), std::string_view(same)})
    CHECK(codec.decode(bad).error() == Drop::ufrag_forged);
  CHECK(codec.decode(good + good).error() == Drop::ufrag_forged);

  crypto::AesBlock other(std::array<uint8_t, 16>{42});
  UfragCodec stranger;
  CHECK(stranger.decode(good).error() == Drop::ufrag_forged);
  stranger.set_key(1, other.view());
  CHECK(stranger.decode(good).error() == Drop::ufrag_forged);
  stranger.set_key(1, {});
  CHECK_FALSE(stranger.has_key(1));
  CHECK_FALSE(stranger.has_key(200));
}

TEST_CASE("random texts are never taken for ufrags") {
  const test::Server server;
  std::mt19937_64 random(2);
  for (int i = 0; i < 50'000; ++i) {
    std::string s(kUfragChars, ' ');
    for (char& c : s) c = kBase64Alphabet[random() & 63];
    s[0] = 'E', s[1] = 'Q', s[2] = 'A';  // version 1, key id 1, nearly all of the reserved bits
    CHECK_FALSE(server.keys.keys().routes.decode(s).has_value());
  }
}

TEST_CASE("a ufrag lives until its expiry, across the wrap of the unit") {
  const test::Server server;
  const UfragCodec& codec = server.keys.keys().routes;
  for (uint32_t expiry : {5U, 1000U, 65535U, 0U, kMaxLifetime + 0U}) {
    UfragFields f = test::fields();
    f.expiry = static_cast<ExpiryUnit>(expiry);
    const Ufrag ufrag = codec.mint(f, 2);
    const auto at = [&](int offset) {
      return codec.open(text(ufrag), static_cast<ExpiryUnit>(f.expiry + offset));
    };
    CHECK(at(-1).has_value());
    CHECK(at(-kMaxLifetime).has_value());
    for (int dead : {0, 1, 100, 30000, -30000, -kMaxLifetime - 1})
      CHECK(at(dead).error() == Drop::ufrag_expired);
  }
  CHECK(expiry_unit(0) == 0);
  CHECK(expiry_unit(599) == 0);
  CHECK(expiry_unit(600) == 1);
  CHECK(expiry_unit(uint64_t{600} * 65536) == 0);
}

TEST_CASE("a ufrag names the handle it was minted for, and no other generation of it") {
  UfragFields f = test::fields();
  f.session_gen = (9 + (1U << 26)) & UfragFields::kGenMask;
  CHECK(f.names(Handle{77, 9}));
  CHECK(f.names(Handle{77, 9 + (1U << 26)}));
  CHECK_FALSE(f.names(Handle{77, 10}));
  CHECK_FALSE(f.names(Handle{78, 9}));
}

TEST_CASE("the password is derived as documented") {
  const std::string ufrag = "ABCDEFGHIJKLMNOPQRSTUVWX", message = "pwd" + ufrag;
  IceKey key{};
  key.fill(7);
  std::array<uint8_t, 32> digest;
  crypto::hmac_sha256(key, as_bytes(message), {}, digest.data());
  std::array<char, 32> expected;
  base64_encode(digest, expected);
  const Password p = password(crypto::kPrimitives, key, ufrag);
  CHECK(p.text() == std::string_view(expected.data(), expected.size()));
  for (char c : p.chars) CHECK(base64_value(c) < 64);
}

TEST_CASE("passwords differ by ufrag and by key") {
  const test::Server server;
  std::set<std::string> seen;
  for (uint8_t generation = 0; generation < 100; ++generation)
    for (uint8_t key : {uint8_t{1}, uint8_t{2}})
      seen.insert(server.password(server.mint(test::fields(generation), key), key));
  CHECK(seen.size() == 200);
}
