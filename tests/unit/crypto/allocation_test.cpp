// Shards call these per packet, so nothing in them may allocate, OpenSSL included.
#include <cstdlib>

#include <doctest/doctest.h>
#include <openssl/crypto.h>

#include "net/crypto/aes_block.h"
#include "net/crypto/gmac.h"
#include "net/crypto/hmac.h"
#include "net/crypto/random.h"

using namespace sluice::crypto;

namespace {

size_t allocations = 0;

void* counting_malloc(size_t n, const char*, int) {
  ++allocations;
  return std::malloc(n);
}
void* counting_realloc(void* p, size_t n, const char*, int) {
  ++allocations;
  return std::realloc(p, n);
}
void counted_free(void* p, const char*, int) { std::free(p); }

// OpenSSL takes other functions only before it has allocated anything.
const int counting = CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counted_free);

}  // namespace

TEST_CASE("contexts allocate when they are made and never again") {
  REQUIRE(counting == 1);
  const std::array<uint8_t, 16> key{1, 2, 3};
  std::array<uint8_t, 2048> bytes{};
  const size_t before = allocations;
  AesBlock aes(key);
  StreamRandom random(1);
  auto macs = GmacKeys::make(GmacKeys::Kind::openssl, 4);
  const Gmac gmac = macs->view();
  REQUIRE(allocations > before);

  const size_t made = allocations;
  for (int i = 0; i < 100; ++i) {
    aes.encrypt(bytes.data(), bytes.data());
    aes.decrypt(bytes.data(), bytes.data());
    random.fill(bytes);
    gmac.set_key(3, bytes.data());
    gmac.tag(3, key.data(), bytes, bytes.data());
    hmac_sha1(key, bytes, {}, bytes.data());
    hmac_sha256(bytes, bytes, key, bytes.data());
    (void)md5(bytes);
  }
  CHECK(allocations == made);
}
