#include "net/base/base64.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;

namespace {

std::string encode(std::string_view s, size_t cut = 1000) {
  std::string out(std::min(cut, base64_chars(s.size())), '.');
  out.resize(base64_encode(as_bytes(s), out));
  return out;
}

}  // namespace

TEST_CASE("base64 gives the texts of RFC 4648 without their padding") {
  CHECK(encode("") == "");
  CHECK(encode("f") == "Zg");
  CHECK(encode("fo") == "Zm8");
  CHECK(encode("foo") == "Zm9v");
  CHECK(encode("foob") == "Zm9vYg");
  CHECK(encode("fooba") == "Zm9vYmE");
  CHECK(encode("foobar") == "Zm9vYmFy");
  CHECK(encode("\xfb\xff\xfe") == "+//+");
}

TEST_CASE("base64 cut short is a prefix of the whole") {
  for (size_t n = 0; n <= 8; ++n) CHECK(encode("foobar", n) == std::string("Zm9vYmFy").substr(0, n));
}

TEST_CASE("base64 decodes what it encodes") {
  std::vector<uint8_t> in, out;
  for (int i = 0; i < 48; ++i) {
    in.assign(static_cast<size_t>(i / 3 * 3), 0);
    for (size_t k = 0; k < in.size(); ++k) in[k] = static_cast<uint8_t>(k * 37 + static_cast<size_t>(i) * 11);
    std::string text(base64_chars(in.size()), '.');
    REQUIRE(base64_encode(in, text) == text.size());
    out.assign(in.size(), 0);
    CHECK(base64_decode(text, out));
    CHECK(out == in);
  }
}

TEST_CASE("base64 refuses foreign characters and sizes that do not fit") {
  std::vector<uint8_t> out(3);
  for (int c = 0; c < 256; ++c) {
    const std::string text{'Z', static_cast<char>(c), '9', 'v'};
    const bool known = kBase64Alphabet.find(static_cast<char>(c)) != std::string_view::npos;
    CHECK(base64_decode(text, out) == known);
  }
  CHECK_FALSE(base64_decode("Zm9", out));
  CHECK_FALSE(base64_decode("Zm9vYmFy", out));
  CHECK_FALSE(base64_decode("", out));
}
