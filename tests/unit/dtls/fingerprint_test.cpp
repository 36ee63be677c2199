#include "net/dtls/fingerprint.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "net/dtls/keys.h"

using namespace sluice::dtls;

namespace {
std::string pairs(size_t n, const std::string& pair = "aB") {
  std::string s;
  for (size_t i = 0; i < n; ++i) s += (i == 0 ? "" : ":") + pair;
  return s;
}
}  // namespace

TEST_CASE("fingerprints are read in any case and written in capitals") {
  for (const auto& [name, alg] :
       {std::pair{"sha-256", HashAlg::sha256}, {"SHA-384", HashAlg::sha384}, {"Sha-512", HashAlg::sha512}}) {
    const auto f = parse_fingerprint(name, pairs(digest_size(alg)));
    REQUIRE(f);
    CHECK(f->alg == alg);
    CHECK(std::ranges::all_of(f->bytes(), [](uint8_t b) { return b == 0xab; }));
    CHECK(to_text(*f) == pairs(digest_size(alg), "AB"));
  }
  CHECK(name_of(HashAlg::sha256) == "sha-256");
}

TEST_CASE("weak hashes and anything but one whole digest are refused") {
  CHECK(!parse_fingerprint("sha-1", pairs(20)));
  CHECK(!parse_fingerprint("md5", pairs(16)));
  CHECK(!parse_fingerprint("", ""));
  CHECK(!parse_fingerprint("sha-256 ", pairs(32)));
  for (const size_t n : {0u, 1u, 20u, 31u, 33u, 64u}) CHECK(!parse_fingerprint("sha-256", pairs(n)));
  CHECK(!parse_fingerprint("sha-256", pairs(31) + ":g0"));
  CHECK(!parse_fingerprint("sha-256", pairs(32) + ":"));
  auto no_colon = pairs(32);
  no_colon[2] = '-';
  CHECK(!parse_fingerprint("sha-256", no_colon));
}

TEST_CASE("fingerprints are equal only with the same hash and digest, and `none` equals nothing") {
  const auto a = parse_fingerprint("sha-256", pairs(32)).value();
  auto b = a;
  CHECK(equal(a, b));
  b.digest[31] ^= 1;
  CHECK(!equal(a, b));
  auto c = a;
  c.alg = HashAlg::sha384;
  CHECK(!equal(a, c));
  CHECK(!equal(Fingerprint{}, Fingerprint{}));
}

TEST_CASE("cleansed keys are gone") {
  SrtpKeys k;
  k.profile = kAeadAes128Gcm, k.key_len = 16, k.salt_len = 12;
  k.client_key_bytes.fill(1), k.server_salt_bytes.fill(2);
  cleanse(k);
  CHECK(k.profile == 0);
  CHECK(k.client_key().empty());
  CHECK(std::ranges::all_of(k.client_key_bytes, [](uint8_t b) { return b == 0; }));
  CHECK(std::ranges::all_of(k.server_salt_bytes, [](uint8_t b) { return b == 0; }));
}
