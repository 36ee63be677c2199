// RAND_METHOD is deprecated for good reasons, and still what OpenSSL 3 asks first.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tests/sim/entropy.h"

#include <openssl/rand.h>

#include "net/crypto/random.h"
#include "tests/unit/dtls/client.h"

namespace sluice::sim {
namespace {

crypto::StreamRandom*& stream() {
  static crypto::StreamRandom* s = nullptr;
  return s;
}

int fill(unsigned char* out, int n) {
  stream()->fill({out, static_cast<size_t>(n)});
  return 1;
}
int ready() { return 1; }
int mix(const void*, int, double) { return 1; }
int seed(const void*, int) { return 1; }

}  // namespace

void seed_openssl(uint64_t number) {
  static const RAND_METHOD method{seed, fill, nullptr, mix, fill, ready};
  delete stream();
  stream() = new crypto::StreamRandom(number);
  RAND_set_rand_method(&method);
}

const dtls::Identity& identity() {
  // Never destroyed: OpenSSL cleans itself up before static objects go.
  static const dtls::Identity* const made = [] {
    seed_openssl(0x51ce);
    auto id = dtls::Identity::generate(1'700'000'000);
    test::Client makes_its_certificate;
    return new dtls::Identity(std::move(*id));
  }();
  return *made;
}

}  // namespace sluice::sim
