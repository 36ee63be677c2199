#include "net/trunk/keys.h"

#include <set>

#include <doctest/doctest.h>

#include "net/crypto/hmac.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::trunk;
using sluice::test::copy;
using sluice::test::hex;

namespace {

Key counting_key() {
  Key k;
  for (size_t i = 0; i < k.size(); ++i) k[i] = static_cast<uint8_t>(i);
  return k;
}

constexpr Association kSome{.relay = 0x01020304,
                            .server = 0x21222324,
                            .relay_epoch = 0x1112131415161718,
                            .server_epoch = 0x3132333435363738,
                            .relay_shard = 5,
                            .server_shard = 6};

}  // namespace

// Expected values computed with another implementation of HKDF-Expand (RFC 5869 §2.3).
TEST_CASE("sub-keys are HKDF-Expand of the trunk key over purpose and association") {
  const auto check = [](Purpose p, const char* key, const char* salt) {
    const SubKey s = derive(crypto::kPrimitives, counting_key(), p, kSome);
    CHECK(copy(s.key) == hex(key));
    CHECK(copy(s.salt) == hex(salt));
  };
  check(Purpose::hello, "21c2c7bcb41beca0732bfacdd73ae210", "54612f68");
  check(Purpose::to_server, "2516770234f1f88ef89191549ca70840", "f3b5b7d3");
  check(Purpose::to_relay, "dbe3364a8b70d02aed48ae51730747c4", "5e648270");
}

TEST_CASE("a secret of any length becomes a key by HKDF-Extract") {
  CHECK(copy(key_from_secret(crypto::kPrimitives, as_bytes("correct horse"))) ==
        hex("d303df62a9651e464be2632f07ee4447f66661fc3aa7ac9526c08ba341998be1"));
  CHECK(key_from_secret(crypto::kPrimitives, {}) != Key{});
}

TEST_CASE("every part of an association, the purpose and the trunk key make another sub-key") {
  std::set<std::vector<uint8_t>> seen;
  const auto add = [&](const Key& key, Purpose p, const Association& a) {
    const SubKey s = derive(crypto::kPrimitives, key, p, a);
    seen.insert(copy(s.key));
  };
  for (Purpose p : {Purpose::hello, Purpose::to_server, Purpose::to_relay}) add(counting_key(), p, kSome);
  for (int part = 0; part < 6; ++part) {
    Association a = kSome;
    if (part == 0) a.relay ^= 1;
    if (part == 1) a.server ^= 1;
    if (part == 2) a.relay_epoch ^= 1;
    if (part == 3) a.server_epoch ^= uint64_t{1} << 63;
    if (part == 4) a.relay_shard ^= 1;
    if (part == 5) a.server_shard ^= 1;
    add(counting_key(), Purpose::to_server, a);
  }
  Key other = counting_key();
  other[31] ^= 1;
  add(other, Purpose::to_server, kSome);
  CHECK(seen.size() == 3 + 6 + 1);
}

TEST_CASE("a nonce is the salt and then the sequence") {
  CHECK(copy(nonce({1, 2, 3, 4}, 0x05060708090a0b0c)) == hex("0102030405060708090a0b0c"));
}
