#include "net/crypto/aes_block.h"

#include <doctest/doctest.h>

#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::crypto;
using test::hex;

namespace {

AesBlock cipher(const std::vector<uint8_t>& key) { return AesBlock(std::span<const uint8_t, 16>(key)); }

}  // namespace

TEST_CASE("AES-128 encrypts and decrypts the block of FIPS 197 appendix C.1") {
  AesBlock aes = cipher(hex("000102030405060708090a0b0c0d0e0f"));
  const auto plain = hex("00112233445566778899aabbccddeeff"),
             sealed = hex("69c4e0d86a7b0430d8cdb78070b4c55a");
  std::vector<uint8_t> out(16);
  aes.encrypt(plain.data(), out.data());
  CHECK(out == sealed);
  aes.decrypt(out.data(), out.data());
  CHECK(out == plain);
}

TEST_CASE("blocks are independent of each other") {
  AesBlock aes = cipher(hex("2b7e151628aed2a6abf7158809cf4f3c"));
  const auto plain = hex("6bc1bee22e409f96e93d7e117393172a");
  std::vector<uint8_t> out(16);
  for (int i = 0; i < 3; ++i) {  // NIST SP 800-38A F.1.1
    aes.encrypt(plain.data(), out.data());
    CHECK(out == hex("3ad77bb40d7a3660a89ecaf32466ef97"));
    aes.decrypt(out.data(), out.data());
    CHECK(out == plain);
  }
}

TEST_CASE("a view stays valid when its cipher is moved") {
  AesBlock first = cipher(hex("000102030405060708090a0b0c0d0e0f"));
  const BlockCipher view = first.view();
  AesBlock second = std::move(first);
  auto block = hex("00112233445566778899aabbccddeeff");
  view.encrypt(block.data(), block.data());
  CHECK(block == hex("69c4e0d86a7b0430d8cdb78070b4c55a"));
  view.decrypt(block.data(), block.data());
  CHECK(block == hex("00112233445566778899aabbccddeeff"));
  CHECK(static_cast<bool>(view));
  CHECK_FALSE(static_cast<bool>(BlockCipher{}));
}
