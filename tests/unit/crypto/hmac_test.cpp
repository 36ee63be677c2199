#include "net/crypto/hmac.h"

#include <doctest/doctest.h>

#include "net/crypto/secret.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::crypto;
using test::copy;
using test::hex;

namespace {

std::vector<uint8_t> sha1_of(Bytes key, Bytes a, Bytes b = {}) {
  std::vector<uint8_t> out(kSha1Bytes);
  hmac_sha1(key, a, b, out.data());
  return out;
}

std::vector<uint8_t> sha256_of(Bytes key, Bytes a, Bytes b = {}) {
  std::vector<uint8_t> out(kSha256Bytes);
  hmac_sha256(key, a, b, out.data());
  return out;
}

}  // namespace

TEST_CASE("HMAC-SHA1 gives the digests of RFC 2202") {
  const std::vector<uint8_t> key_0b(20, 0x0b), key_aa(80, 0xaa), key_aa20(20, 0xaa), dd(50, 0xdd);
  CHECK(sha1_of(key_0b, as_bytes("Hi There")) == hex("b617318655057264e28bc0b6fb378c8ef146be00"));
  CHECK(sha1_of(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
        hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
  CHECK(sha1_of(key_aa20, dd) == hex("125d7342b9ac11cd91a39af48aa17b4f63f175d3"));
  CHECK(sha1_of(key_aa, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")) ==
        hex("aa4ae5e15272d00e95705637ce8a3b55ed402112"));
}

TEST_CASE("HMAC-SHA256 gives the digests of RFC 4231") {
  const std::vector<uint8_t> key_0b(20, 0x0b), key_aa(131, 0xaa), key_aa20(20, 0xaa), dd(50, 0xdd);
  CHECK(sha256_of(key_0b, as_bytes("Hi There")) ==
        hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
  CHECK(sha256_of(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")) ==
        hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  CHECK(sha256_of(key_aa20, dd) == hex("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"));
  CHECK(sha256_of(key_aa, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")) ==
        hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

TEST_CASE("a message in two parts has the HMAC of the whole") {
  const std::string_view message = "what do ya want for nothing?";
  for (size_t cut = 0; cut <= message.size(); ++cut) {
    const Bytes whole = as_bytes(message), a = whole.first(cut), b = whole.subspan(cut);
    CHECK(sha1_of(as_bytes("Jefe"), a, b) == sha1_of(as_bytes("Jefe"), whole));
    CHECK(sha256_of(as_bytes("Jefe"), a, b) == sha256_of(as_bytes("Jefe"), whole));
  }
}

TEST_CASE("an empty key and an empty message are allowed") {
  CHECK(sha1_of({}, {}) == hex("fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"));
  CHECK(sha256_of({}, {}) == hex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

TEST_CASE("MD5 gives the digests of RFC 1321") {
  CHECK(copy(md5(as_bytes("abc"))) == hex("900150983cd24fb0d6963f7d28e17f72"));
  CHECK(copy(md5({})) == hex("d41d8cd98f00b204e9800998ecf8427e"));
}

TEST_CASE("constant-time equality agrees with equality") {
  const auto a = hex("00112233445566778899aabbccddeeff");
  CHECK(equal_constant_time(a, a));
  CHECK(equal_constant_time({}, {}));
  CHECK_FALSE(equal_constant_time(a, Bytes(a).first(15)));
  for (size_t bit = 0; bit < a.size() * 8; ++bit) {
    auto b = a;
    b[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    CHECK_FALSE(equal_constant_time(a, b));
  }
}

TEST_CASE("cleansed bytes are zero") {
  auto secret = hex("deadbeef");
  cleanse(secret);
  CHECK(secret == std::vector<uint8_t>(4, 0));
  cleanse({});
}
