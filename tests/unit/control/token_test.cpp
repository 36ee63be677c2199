#include "engine/control/token.h"

#include <random>

#include <doctest/doctest.h>

using namespace sluice::control;

namespace {

const Secret kKey("0123456789abcdef0123456789abcdef");

RoomToken stage() { return {"stage", {.publish = true, .takeover = true}, 2'000'000'000}; }

}  // namespace

TEST_CASE("a signed token verifies to what was signed") {
  for (const RoomToken& t :
       {stage(), RoomToken{"a.b_c-D", {.play = true}, 1}, RoomToken{"echo", {.agent = true}, 99},
        RoomToken{std::string(64, 'x'), {true, true, true, true}, INT64_MAX}}) {
    const auto read = verify(kKey, sign(kKey, t), t.expires - 1);
    REQUIRE(read.has_value());
    CHECK(*read == t);
  }
}

TEST_CASE("a token is void from the second of its expiry on") {
  const std::string text = sign(kKey, stage());
  CHECK(verify(kKey, text, 1'999'999'999).has_value());
  CHECK(verify(kKey, text, 2'000'000'000).error() == TokenError::expired);
}

TEST_CASE("another key's token is forged") {
  CHECK(verify(Secret("another key"), sign(kKey, stage()), 0).error() == TokenError::forged);
}

TEST_CASE("any changed character makes a token worthless") {
  const std::string text = sign(kKey, stage());
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'A', 'B', '.', '-', '\0'}) {
      std::string changed = text;
      if (changed[i] == c) continue;
      changed[i] = c;
      CHECK_FALSE(verify(kKey, changed, 0).has_value());
    }
  }
}

TEST_CASE("what is no token is malformed and never a crash") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text = round % 2 == 0 ? "v1." : "";
    for (auto n = random() % 120; n > 0; --n)
      text.push_back(static_cast<char>(random() % 4 ? 'A' + random() % 58 : '.'));
    CHECK_FALSE(verify(kKey, text, 0).has_value());
  }
  for (const char* text : {"", "v1", "v1.", "v1..", "v2.YQ.YQ", "v1.YQ", "v1.YQ.YQ", "v1.Y.Y"})
    CHECK(verify(kKey, text, 0).error() == TokenError::malformed);
  CHECK(verify(kKey, "v1." + std::string(100'000, 'A'), 0).error() == TokenError::malformed);
}

TEST_CASE("nothing is signed for a bad name, no right or no key") {
  CHECK(sign(kKey, {"", {.play = true}, 9}).empty());
  CHECK(sign(kKey, {"a/b", {.play = true}, 9}).empty());
  CHECK(sign(kKey, {std::string(65, 'a'), {.play = true}, 9}).empty());
  CHECK(sign(kKey, {"a", {.takeover = true}, 9}).empty());
  CHECK(sign(Secret(), stage()).empty());
  CHECK_FALSE(verify(Secret(), sign(kKey, stage()), 0).has_value());
}

TEST_CASE("base64url agrees with RFC 4648 and refuses other spellings of the same bytes") {
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [plain, encoded] : vectors) {
    CHECK(base64url(plain) == encoded);
    CHECK(from_base64url(encoded) == plain);
  }
  for (const char* bad : {"Zg==", "Zh", "Z", "Zm9", "+/8", "Zm9v Yg"})
    CHECK_FALSE(from_base64url(bad).has_value());
}
