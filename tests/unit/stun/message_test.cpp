#include "net/stun/message.h"

#include <doctest/doctest.h>

#include <string>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::stun;
using crypto::kPrimitives;
using test::copy;
using test::hex;

namespace {

// A binding request with transaction id 0 and these attributes; the length field fits them.
std::vector<uint8_t> message(std::string_view attributes, uint16_t type = 1) {
  auto out = hex("0000 0000 2112a442 000000000000000000000000");
  const auto body = hex(attributes);
  store_be<uint16_t>(out.data(), type);
  store_be<uint16_t>(&out[2], static_cast<uint16_t>(body.size()));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

bool malformed(const std::vector<uint8_t>& bytes) {
  const auto v = View::parse(bytes);
  return !v && v.error() == Drop::stun_malformed;
}

const Bytes kKey = as_bytes("a password of some length");
constexpr TransactionId kTid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

std::vector<size_t> types_of(const View& v) {
  std::vector<size_t> out;
  v.for_each([&](const RawAttribute& a) { out.push_back(a.type); });
  return out;
}

constexpr auto n(Attr a) { return static_cast<size_t>(a); }

}  // namespace

TEST_CASE("a header alone is a message") {
  const auto bytes = message("");
  const auto v = View::parse(bytes);
  REQUIRE(v.has_value());
  CHECK(v->is_binding(Class::request));
  CHECK(v->integrity() == Integrity::none);
  CHECK_FALSE(v->integrity_ok(kPrimitives, kKey));
  CHECK(types_of(*v).empty());
}

TEST_CASE("method and class are read from their interleaved bits") {
  const auto of = [](uint16_t type) { return View::parse(message("", type)).value(); };
  CHECK(of(0x0001).cls() == Class::request);
  CHECK(of(0x0011).cls() == Class::indication);
  CHECK(of(0x0101).cls() == Class::success);
  CHECK(of(0x0111).cls() == Class::error);
  CHECK(of(0x0113).method() == 0x003);
  CHECK(of(0x3eef).method() == 0xfff);
  CHECK(of(0x3eef).cls() == Class::request);
  CHECK(of(0x3fff).cls() == Class::error);
}

TEST_CASE("messages with a wrong header are malformed") {
  const auto good = message("80220004 61626364");
  REQUIRE(View::parse(good).has_value());
  for (size_t n = 0; n < good.size(); ++n)
    CHECK(malformed({good.begin(), good.begin() + static_cast<int>(n)}));
  auto longer = good;
  longer.push_back(0);
  CHECK(malformed(longer));
  auto cookie = good;
  cookie[4] ^= 1;
  CHECK(malformed(cookie));
  auto type = good;
  type[0] |= 0x40;
  CHECK(malformed(type));
  auto odd = message("80220004 616263");  // a length that is no multiple of 4
  CHECK(malformed(odd));
}

TEST_CASE("attributes that leave the message are malformed") {
  CHECK(malformed(message("80220005 61626364")));
  CHECK(malformed(message("8022ffff 61626364")));
  CHECK(malformed(message("80220004 61626364 80220001")));
  CHECK_FALSE(malformed(message("80220001 61626364")));
  CHECK_FALSE(malformed(message("80220004 61626364 80220000")));
}

TEST_CASE("integrity and fingerprint attributes of a wrong length are malformed") {
  CHECK(malformed(message("00080010 00000000000000000000000000000000")));
  CHECK(malformed(message("80280003 00000000")));
  CHECK(malformed(message("001c000c 000000000000000000000000")));
  CHECK(malformed(message("001c0011 0000000000000000000000000000000000000000")));
  CHECK_FALSE(malformed(message("001c0010 00000000000000000000000000000000")));
}

TEST_CASE("nothing may follow the fingerprint") {
  CHECK_FALSE(malformed(message("80280004 00000000")));
  CHECK(malformed(message("80280004 00000000 80220000")));
  CHECK(malformed(message("80280004 00000000 80280004 00000000")));
}

TEST_CASE("a message may have 64 attributes and no more") {
  std::string attributes;
  for (size_t i = 0; i < kMaxAttributes; ++i) attributes += "80220000";
  CHECK_FALSE(malformed(message(attributes)));
  CHECK(malformed(message(attributes + "80220000")));
}

TEST_CASE("of an attribute that occurs twice the first counts") {
  const auto bytes = message("00240004 00000001 00240004 00000002");
  const View v = View::parse(bytes).value();
  CHECK(v.u32(Attr::priority) == 1);
  CHECK(types_of(v) == std::vector<size_t>{n(Attr::priority), n(Attr::priority)});
}

TEST_CASE("attributes behind the integrity are invisible, but for SHA256 integrity and fingerprint") {
  std::array<uint8_t, 256> memory;
  Builder b(memory, Class::request, Method::binding, kTid);
  b.u32(Attr::priority, 1);
  b.integrity(Integrity::sha1, kPrimitives, kKey);
  b.flag(Attr::use_candidate);
  b.integrity(Integrity::sha256, kPrimitives, kKey);
  b.attribute(Attr::username, as_bytes("late"));
  b.integrity(Integrity::sha1, kPrimitives, as_bytes("another key"));
  b.fingerprint();
  const View v = View::parse(b.message()).value();
  CHECK(v.integrity() == Integrity::sha256);
  CHECK(v.integrity_ok(Integrity::sha1, kPrimitives, kKey));
  CHECK(v.integrity_ok(Integrity::sha256, kPrimitives, kKey));
  CHECK_FALSE(v.has(Attr::use_candidate));
  CHECK_FALSE(v.username().has_value());
  CHECK(v.fingerprint_ok());
  CHECK(types_of(v) == std::vector<size_t>{n(Attr::priority), n(Attr::message_integrity),
                                           n(Attr::message_integrity_sha256), n(Attr::fingerprint)});
}

TEST_CASE("MESSAGE-INTEGRITY behind MESSAGE-INTEGRITY-SHA256 does not count") {
  std::array<uint8_t, 256> memory;
  Builder b(memory, Class::request, Method::binding, kTid);
  b.integrity(Integrity::sha256, kPrimitives, kKey);
  b.integrity(Integrity::sha1, kPrimitives, kKey);
  const View v = View::parse(b.message()).value();
  CHECK(v.integrity_ok(kPrimitives, kKey));
  CHECK_FALSE(v.integrity_ok(Integrity::sha1, kPrimitives, kKey));
  CHECK_FALSE(v.has(Attr::message_integrity));
}

TEST_CASE("a truncated SHA256 integrity is compared as far as it goes") {
  std::array<uint8_t, 256> memory;
  for (size_t kept : {16U, 20U, 28U}) {
    // RFC 8489 §14.6: the length field covers the attribute as truncated, so the digest is made anew.
    Builder b(memory, Class::request, Method::binding, kTid);
    b.u32(Attr::priority, 7);
    auto bytes = copy(b.message());
    store_be<uint16_t>(&bytes[2], static_cast<uint16_t>(bytes.size() - kHeaderBytes + 4 + kept));
    std::array<uint8_t, 32> digest;
    crypto::hmac_sha256(kKey, bytes, {}, digest.data());
    const uint8_t header[] = {0x00, 0x1c, 0x00, static_cast<uint8_t>(kept)};
    bytes.insert(bytes.end(), std::begin(header), std::end(header));
    bytes.insert(bytes.end(), digest.begin(), digest.begin() + static_cast<int>(kept));
    CHECK(View::parse(bytes).value().integrity_ok(kPrimitives, kKey));
    bytes.back() ^= 1;
    CHECK_FALSE(View::parse(bytes).value().integrity_ok(kPrimitives, kKey));
  }
}

TEST_CASE("attributes of the wrong length or form are as good as absent") {
  std::array<uint16_t, 4> list;
  const auto bytes = message(
      "00240003 00000100"           // PRIORITY of 3 bytes
      "80290004 00000000"           // ICE-CONTROLLED of 4
      "00200004 00010000"           // XOR-MAPPED-ADDRESS without an address
      "00010008 00030000 00000000"  // MAPPED-ADDRESS of family 3
      "00090004 00000763");         // ERROR-CODE 799
  const View v = View::parse(bytes).value();
  CHECK_FALSE(v.u32(Attr::priority).has_value());
  CHECK_FALSE(v.u64(Attr::ice_controlled).has_value());
  CHECK_FALSE(v.xor_address().has_value());
  CHECK_FALSE(v.plain_address().has_value());
  CHECK_FALSE(v.error_code().has_value());
  CHECK_FALSE(v.username().has_value());
  CHECK(v.unknown_attributes(list) == 0);
  for (const char* text : {"00200000", "00200002 00010000",
                           "00200018 0002000000000000000000000000000000000000"
                           "00000000",
                           "00200008 00020000 00000000"})
    CHECK_FALSE(View::parse(message(text)).value().xor_address().has_value());
}

TEST_CASE("a user name of 509 bytes is refused") {
  std::vector<uint8_t> name(509, 'u');
  std::array<uint8_t, 600> memory;
  for (size_t length : {508U, 509U}) {
    Builder b(memory, Class::request, Method::binding, kTid);
    b.attribute(Attr::username, Bytes(name).first(length));
    CHECK(View::parse(b.message()).value().username().has_value() == (length == 508));
  }
}

TEST_CASE("attributes that are not understood but must be are listed once each") {
  std::array<uint16_t, 2> two;
  std::array<uint16_t, 8> eight;
  const auto bytes = message("7ffe0000 00030004 00000000 7ffe0000 c0570000 00250000 00020000");
  const View v = View::parse(bytes).value();
  REQUIRE(v.unknown_required(eight) == 3);
  CHECK(eight[0] == 0x7ffe);
  CHECK(eight[1] == 0x0003);
  CHECK(eight[2] == 0x0002);
  CHECK(v.unknown_required(two) == 2);
}

TEST_CASE("FINGERPRINT uses the CRC of ITU-T V.42") {
  CHECK(crc32(as_bytes("123456789")) == 0xCBF43926);
  CHECK(crc32({}) == 0);
  CHECK(crc32(as_bytes("The quick brown fox jumps over the lazy dog")) == 0x414FA339);
}
