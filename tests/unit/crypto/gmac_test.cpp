#include "net/crypto/gmac.h"

#include <doctest/doctest.h>

#include "net/crypto/random.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::crypto;
using test::hex;

namespace {

using Kind = GmacKeys::Kind;

/// Every kind that this machine has.
std::vector<GmacKeys> kinds(uint32_t places) {
  std::vector<GmacKeys> all;
  for (Kind k : {Kind::openssl, Kind::ipsec_mb})
    if (auto made = GmacKeys::make(k, places)) all.push_back(std::move(*made));
  return all;
}

std::vector<uint8_t> tag_of(Gmac gmac, uint32_t place, const std::vector<uint8_t>& nonce, Bytes message) {
  std::vector<uint8_t> tag(kGmacTagBytes);
  gmac.tag(place, nonce.data(), message, tag.data());
  return tag;
}

}  // namespace

TEST_CASE("GMAC is AES-GCM without plaintext, as in the vectors for it") {
  struct Vector {
    const char *key, *nonce, *message, *tag;
  };
  const Vector vectors[] = {
      // McGrew and Viega, "The Galois/Counter Mode of Operation", test case 1
      {"00000000000000000000000000000000", "000000000000000000000000", "",
       "58e2fccefa7e3061367f1d57a4e7455a"},
      // NIST CAVP gcmEncryptExtIV128.rsp, PTlen 0, AADlen 128, count 0
      {"77be63708971c4e240d1cb79e8d77feb", "e0e00f19fed7ba0136a797f3", "7a43ec1d9c0a5a78a0b16533a6213cab",
       "209fcc8d3675ed938e9c7166709dd946"},
  };
  for (GmacKeys& keys : kinds(2)) {
    const Gmac gmac = keys.view();
    for (const Vector& v : vectors) {
      gmac.set_key(1, hex(v.key).data());
      CHECK(tag_of(gmac, 1, hex(v.nonce), hex(v.message)) == hex(v.tag));
    }
  }
}

TEST_CASE("every kind gives the same tags, for all lengths up to some blocks and those of datagrams") {
  auto all = kinds(1);
  StreamRandom random(uint64_t{7});
  std::vector<uint8_t> message(2048), key(kGmacKeyBytes), nonce(kGmacNonceBytes);
  for (size_t n = 0; n <= message.size(); n += n < 300 ? 1 : 61) {
    random.fill(message);
    random.fill(key);
    random.fill(nonce);
    std::vector<std::vector<uint8_t>> tags;
    for (GmacKeys& keys : all) {
      keys.view().set_key(0, key.data());
      tags.push_back(tag_of(keys.view(), 0, nonce, Bytes(message).first(n)));
    }
    for (const auto& t : tags) REQUIRE(t == tags[0]);
  }
}

TEST_CASE("places hold keys of their own, which setting another one leaves alone") {
  for (GmacKeys& keys : kinds(64)) {
    const Gmac gmac = keys.view();
    REQUIRE(gmac.places == 64);
    const std::vector<uint8_t> nonce(kGmacNonceBytes, 9), message(100, 3);
    std::vector<std::vector<uint8_t>> tags;
    for (uint32_t i = 0; i < gmac.places; ++i) {
      const std::vector<uint8_t> key(kGmacKeyBytes, static_cast<uint8_t>(i));
      gmac.set_key(i, key.data());
      tags.push_back(tag_of(gmac, i, nonce, message));
      if (i > 0) CHECK(tags[i] != tags[i - 1]);
    }
    for (uint32_t i = 0; i < gmac.places; ++i) CHECK(tag_of(gmac, i, nonce, message) == tags[i]);
  }
}

TEST_CASE("a tag may be written right behind the message it is of") {
  for (GmacKeys& keys : kinds(1)) {
    const Gmac gmac = keys.view();
    const std::vector<uint8_t> nonce(kGmacNonceBytes, 1);
    gmac.set_key(0, std::vector<uint8_t>(kGmacKeyBytes, 2).data());
    std::vector<uint8_t> datagram(100 + kGmacTagBytes, 0xee);
    gmac.tag(0, nonce.data(), Bytes(datagram).first(100), &datagram[100]);
    CHECK(std::vector<uint8_t>(datagram.begin() + 100, datagram.end()) ==
          tag_of(gmac, 0, nonce, std::vector<uint8_t>(100, 0xee)));
  }
}

TEST_CASE("a view stays valid when its keys are moved, and the default is empty") {
  CHECK_FALSE(static_cast<bool>(Gmac{}));
  auto first = GmacKeys::make(Kind::automatic, 1);
  REQUIRE(first.has_value());
  const Gmac gmac = first->view();
  gmac.set_key(0, std::vector<uint8_t>(kGmacKeyBytes, 2).data());
  const std::vector<uint8_t> nonce(kGmacNonceBytes, 1);
  const auto before = tag_of(gmac, 0, nonce, {});
  GmacKeys second = std::move(*first);
  CHECK(tag_of(gmac, 0, nonce, {}) == before);
}
