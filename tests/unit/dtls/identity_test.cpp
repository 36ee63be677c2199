#include <cstdio>
#include <fstream>

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "net/dtls/context.h"
#include "tests/support/temp_folder.h"

using namespace sluice::dtls;
using sluice::test::TempFolder;

namespace {

void write(const std::string& file, X509* cert, EVP_PKEY* key, const EVP_CIPHER* cipher = nullptr) {
  std::FILE* const f = std::fopen(file.c_str(), "w");
  REQUIRE(f != nullptr);
  if (cert != nullptr) PEM_write_X509(f, cert);
  if (key != nullptr) {
    const char* phrase = cipher == nullptr ? nullptr : "secret";
    PEM_write_PKCS8PrivateKey(f, key, cipher, phrase, phrase == nullptr ? 0 : 6, nullptr, nullptr);
  }
  std::fclose(f);
}

Identity made() { return Identity::generate(1'700'000'000).value(); }

std::string message(const std::string& cert, const std::string& key) {
  const auto identity = Identity::load(cert, key);
  REQUIRE(!identity.has_value());
  CHECK(!identity.error().fix.empty());
  return identity.error().message;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a certificate made at start has a fingerprint of its own") {
  const Identity a = made(), b = made();
  CHECK(a.fingerprint_text().size() == 95);
  CHECK(a.fingerprint_text() != b.fingerprint_text());
  const auto parsed = parse_fingerprint("sha-256", a.fingerprint_text());
  REQUIRE(parsed);
  CHECK(equal(*parsed, a.fingerprint()));
  CHECK(Context::make(a).has_value());
}

TEST_CASE("a pair in two files, or both in one, is loaded") {
  const TempFolder d;
  const Identity a = made();
  write(d / "cert.pem", a.certificate(), nullptr);
  write(d / "key.pem", nullptr, a.key());
  write(d / "both.pem", a.certificate(), a.key());
  for (const auto& [cert, key] : {std::pair{"cert.pem", "key.pem"}, {"both.pem", "both.pem"}}) {
    const auto loaded = Identity::load(d / cert, d / key);
    REQUIRE(loaded.has_value());
    CHECK(loaded->fingerprint_text() == a.fingerprint_text());
    CHECK(Context::make(*loaded).has_value());
  }
}

TEST_CASE("files that cannot serve are refused by name, with the reason and the remedy") {
  const TempFolder d;
  const Identity a = made(), b = made();
  write(d / "cert.pem", a.certificate(), nullptr);
  write(d / "key.pem", nullptr, a.key());
  write(d / "other.pem", nullptr, b.key());
  write(d / "locked.pem", nullptr, a.key(), EVP_aes_128_cbc());
  std::ofstream(d / "text.pem") << "hello\n";
  EVP_PKEY* const rsa = EVP_RSA_gen(2048);
  EVP_PKEY* const p384 = EVP_EC_gen("P-384");
  write(d / "rsa.pem", nullptr, rsa);
  write(d / "p384.pem", nullptr, p384);
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(p384);

  CHECK(has(message(d / "none.pem", d / "key.pem"), (d / "none.pem") + ": No such file or directory"));
  CHECK(has(message(d / "cert.pem", d / "none.pem"), (d / "none.pem") + ": No such file or directory"));
  CHECK(has(message(d / "text.pem", d / "key.pem"), (d / "text.pem") + " holds no PEM certificate"));
  CHECK(has(message(d / "key.pem", d / "key.pem"), (d / "key.pem") + " holds no PEM certificate"));
  CHECK(has(message(d / "cert.pem", d / "text.pem"), (d / "text.pem") + " holds no PEM private key"));
  CHECK(has(message(d / "cert.pem", d / "locked.pem"), (d / "locked.pem") + " is encrypted"));
  CHECK(has(message(d / "cert.pem", d / "rsa.pem"), (d / "rsa.pem") + " is not ECDSA P-256"));
  CHECK(has(message(d / "cert.pem", d / "p384.pem"), (d / "p384.pem") + " is not ECDSA P-256"));
  CHECK(has(message(d / "cert.pem", d / "other.pem"), "does not belong"));
  CHECK(has(message(d.path().string(), d / "key.pem"), "certificate"));
}
