#include "tests/unit/stun/vectors.h"

#include <string>

#include <doctest/doctest.h>
#include <openssl/sha.h>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "net/stun/message.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::stun;
using crypto::kPrimitives;
using test::copy;
using test::hex;

namespace {

View parsed(const std::vector<uint8_t>& message) {
  const auto v = View::parse(message);
  REQUIRE(v.has_value());
  return *v;
}

const std::string kLongTermInput =
    std::string(test::kMatrixUser) + ":" + std::string(test::kMatrixRealm) + ":TheMatrIX";

}  // namespace

TEST_CASE("RFC 5769 §2.1: the sample request is understood and verified") {
  const auto bytes = hex(test::kRfc5769Request);
  const View v = parsed(bytes);
  CHECK(v.is_binding(Class::request));
  CHECK(copy(v.transaction_id()) == hex("b7e7a701bc34d686fa87dfae"));
  CHECK(v.username() == "evtj:h6vY");
  CHECK(v.u32(Attr::priority) == 0x6e0001ff);
  CHECK(v.u64(Attr::ice_controlled) == 0x932ff9b151263b36);
  CHECK(as_text(v.find(Attr::software).value()) == "STUN test client");
  CHECK(v.fingerprint_ok());
  CHECK(v.integrity() == Integrity::sha1);
  CHECK(v.integrity_ok(kPrimitives, as_bytes(test::kRfc5769Password)));
  CHECK_FALSE(v.integrity_ok(kPrimitives, as_bytes("VOkJxbRl1RmTxUk/WvJxBu")));
  std::array<uint16_t, 8> unknown;
  CHECK(v.unknown_required(unknown) == 0);
}

TEST_CASE("RFC 5769 §2.2 and §2.3: the sample responses are understood and verified") {
  for (const auto& [text, address] :
       {std::pair{test::kRfc5769Ipv4Response, "192.0.2.1:32853"},
        std::pair{test::kRfc5769Ipv6Response, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"}}) {
    const auto bytes = hex(text);
    const View v = parsed(bytes);
    CHECK(v.is_binding(Class::success));
    CHECK(v.xor_address() == parse_endpoint(address));
    CHECK(as_text(v.find(Attr::software).value()) == "test vector");
    CHECK(v.fingerprint_ok());
    CHECK(v.integrity_ok(kPrimitives, as_bytes(test::kRfc5769Password)));
  }
}

TEST_CASE("RFC 5769 §2.4: the long-term request is verified with the MD5 key") {
  const auto bytes = hex(test::kRfc5769LongTerm);
  const View v = parsed(bytes);
  CHECK(v.username() == test::kMatrixUser);
  CHECK(as_text(v.find(Attr::nonce).value()) == "f//499k954d6OL34oL9FSTvy64sA");
  CHECK(as_text(v.find(Attr::realm).value()) == test::kMatrixRealm);
  CHECK_FALSE(v.has_fingerprint());
  CHECK_FALSE(v.fingerprint_ok());
  CHECK(v.integrity_ok(kPrimitives, crypto::md5(as_bytes(kLongTermInput))));
}

TEST_CASE("RFC 8489 appendix B.1 verifies as erratum 6268 corrects it, and is malformed as printed") {
  const auto bytes = hex(test::kRfc8489Corrected);
  const View v = parsed(bytes);
  std::array<uint8_t, SHA256_DIGEST_LENGTH> key, userhash;
  SHA256(as_bytes(kLongTermInput).data(), kLongTermInput.size(), key.data());
  const std::string user_and_realm = std::string(test::kMatrixUser) + ":" + std::string(test::kMatrixRealm);
  SHA256(as_bytes(user_and_realm).data(), user_and_realm.size(), userhash.data());
  CHECK(v.integrity() == Integrity::sha256);
  CHECK(v.integrity_ok(kPrimitives, key));
  CHECK_FALSE(v.integrity_ok(Integrity::sha1, kPrimitives, key));
  CHECK(copy(v.find(Attr::userhash).value()) == copy(userhash));
  CHECK(as_text(v.find(Attr::nonce).value()) == "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
  CHECK(copy(v.find(Attr::password_algorithm).value()) == hex("00020000"));

  CHECK(View::parse(hex(test::kRfc8489AsPrinted)).error() == Drop::stun_malformed);
}

TEST_CASE("RFC 5769 §2.2 and §2.3: the builder writes the sample responses but for the padding") {
  for (const auto& [text, address] :
       {std::pair{test::kRfc5769Ipv4Response, "192.0.2.1:32853"},
        std::pair{test::kRfc5769Ipv6Response, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"}}) {
    const auto sample = hex(text);
    std::array<uint8_t, 128> memory;
    Builder b(memory, Class::success, Method::binding, parsed(sample).transaction_id());
    b.attribute(Attr::software, as_bytes("test vector"));
    b.xor_address(Attr::xor_mapped_address, parse_endpoint(address).value());
    const size_t before_integrity = b.size();
    b.integrity(Integrity::sha1, kPrimitives, as_bytes(test::kRfc5769Password));
    b.fingerprint();
    REQUIRE(b.size() == sample.size());
    // The sample pads SOFTWARE with a space and we with a zero; integrity covers the padding.
    auto ours = copy(b.message().first(before_integrity));
    ours[35] = ' ';
    auto theirs = copy(Bytes(sample).first(before_integrity));
    store_be<uint16_t>(&ours[2], load_be<uint16_t>(&theirs[2]));
    CHECK(ours == theirs);
    const View v = View::parse(b.message()).value();
    CHECK(v.fingerprint_ok());
    CHECK(v.integrity_ok(kPrimitives, as_bytes(test::kRfc5769Password)));
  }
}

TEST_CASE("RFC 5769 §2.4: the builder writes the long-term request byte for byte") {
  const auto sample = hex(test::kRfc5769LongTerm);
  std::array<uint8_t, 128> memory;
  Builder b(memory, Class::request, Method::binding, parsed(sample).transaction_id());
  b.attribute(Attr::username, as_bytes(test::kMatrixUser));
  b.attribute(Attr::nonce, as_bytes("f//499k954d6OL34oL9FSTvy64sA"));
  b.attribute(Attr::realm, as_bytes(test::kMatrixRealm));
  b.integrity(Integrity::sha1, kPrimitives, crypto::md5(as_bytes(kLongTermInput)));
  CHECK(copy(b.message()) == sample);
}

TEST_CASE("no bit of a protected message can be changed unnoticed") {
  const auto bytes = hex(test::kRfc5769Request);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto changed = bytes;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto v = View::parse(changed);
    const bool accepted =
        v && v->fingerprint_ok() && v->integrity_ok(kPrimitives, as_bytes(test::kRfc5769Password));
    CHECK_FALSE(accepted);
  }
}
