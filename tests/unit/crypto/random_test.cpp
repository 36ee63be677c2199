#include "net/crypto/random.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::crypto;
using test::hex;

TEST_CASE("a stream of random bytes is the AES-256-CTR key stream of its seed") {
  // NIST SP 800-38A F.5.5: key, initial counter, and the first two output blocks.
  const auto seed_bytes = hex(
      "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  StreamRandom::Seed seed;
  REQUIRE(seed_bytes.size() == seed.size());
  std::copy(seed_bytes.begin(), seed_bytes.end(), seed.begin());
  StreamRandom random(seed);
  std::vector<uint8_t> out(32);
  random.fill(out);
  CHECK(out == hex("0bdf7df1591716335e9a8b15c860c502 5a6e699d536119065433863c8f657b94"));
}

TEST_CASE("the stream does not depend on the sizes in which it is drawn") {
  StreamRandom whole(7), pieces(7);
  std::vector<uint8_t> a(3000), b(3000);
  whole.fill(a);
  for (size_t at = 0, n = 0; at < b.size(); at += n) {
    n = std::min<size_t>(b.size() - at, 1 + at % 701);
    pieces.view().fill(MutBytes(b).subspan(at, n));
  }
  CHECK(a == b);
}

TEST_CASE("other seeds give other bytes") {
  StreamRandom a(1), b(2), c(system_random()), d(system_random());
  const auto from_a = a.view().bytes<16>(), from_b = b.view().bytes<16>();
  const auto from_c = c.view().bytes<16>(), from_d = d.view().bytes<16>();
  CHECK(from_a != from_b);
  CHECK(from_c != from_d);
  CHECK(a.view().u64() != a.view().u64());
}

TEST_CASE("the operating system's random bytes differ from call to call") {
  CHECK(system_random().bytes<16>() != system_random().bytes<16>());
  system_random().fill({});
}
