#include "net/stun/builder.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "net/crypto/hmac.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::stun;
using crypto::kPrimitives;

namespace {

constexpr TransactionId kTid{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 255, 254};
const Bytes kKey = as_bytes("password");

void write_everything(Builder& b) {
  const std::array<uint16_t, 3> unknown{0x0003, 0x7ffe, 0x1234};
  b.username("abcd", "efghi");
  b.u32(Attr::priority, 0x6e7f1eff);
  b.u64(Attr::ice_controlling, 0x1122334455667788);
  b.flag(Attr::use_candidate);
  b.xor_address(Attr::xor_mapped_address, parse_endpoint("[2001:db8::1]:65535").value());
  b.error_code(420, reason_phrase(420));
  b.unknown_attributes(unknown);
  b.integrity(Integrity::sha1, kPrimitives, kKey);
  b.integrity(Integrity::sha256, kPrimitives, kKey);
  b.fingerprint();
}

}  // namespace

TEST_CASE("what the builder writes the view reads") {
  std::array<uint8_t, 512> memory;
  Builder b(memory, Class::error, Method::binding, kTid);
  write_everything(b);
  const auto v = View::parse(b.message());
  REQUIRE(v.has_value());
  CHECK(v->is_binding(Class::error));
  CHECK(v->transaction_id() == kTid);
  CHECK(v->username() == "abcd:efghi");
  CHECK(v->u32(Attr::priority) == 0x6e7f1eff);
  CHECK(v->u64(Attr::ice_controlling) == 0x1122334455667788);
  CHECK(v->has(Attr::use_candidate));
  CHECK(v->xor_address() == parse_endpoint("[2001:db8::1]:65535"));
  CHECK(v->error_code().value().code == 420);
  CHECK(v->error_code().value().reason == "Unknown Attribute");
  std::array<uint16_t, 8> unknown;
  REQUIRE(v->unknown_attributes(unknown) == 3);
  CHECK(unknown[1] == 0x7ffe);
  CHECK(v->integrity_ok(Integrity::sha1, kPrimitives, kKey));
  CHECK(v->integrity_ok(Integrity::sha256, kPrimitives, kKey));
  CHECK(v->fingerprint_ok());
}

TEST_CASE("a message that does not fit is empty, and the memory behind stays untouched") {
  std::array<uint8_t, 512> whole;
  Builder full(whole, Class::request, Method::binding, kTid);
  write_everything(full);
  REQUIRE(full.size() > 0);
  for (size_t room = 0; room <= full.size(); ++room) {
    std::array<uint8_t, 512> memory;
    memory.fill(0xEE);
    Builder b(MutBytes(memory).first(room), Class::request, Method::binding, kTid);
    write_everything(b);
    CHECK(b.size() == (room == full.size() ? room : 0));
    CHECK(std::all_of(memory.begin() + static_cast<int>(room), memory.end(),
                      [](uint8_t x) { return x == 0xEE; }));
  }
}

TEST_CASE("values longer than an attribute can be are refused") {
  std::vector<uint8_t> memory(80'000), value(70'000);
  Builder b(memory, Class::request, Method::binding, kTid);
  b.attribute(Attr::software, value);
  CHECK(b.size() == 0);
  b.u32(Attr::priority, 1);
  CHECK(b.size() == 0);
}

TEST_CASE("an overlong reason phrase is cut") {
  std::array<uint8_t, 600> memory;
  Builder b(memory, Class::error, Method::binding, kTid);
  b.error_code(400, std::string(600, 'x'));
  CHECK(View::parse(b.message()).value().error_code().value().reason.size() == 508);
}

TEST_CASE("IPv4 addresses are written as IPv4") {
  std::array<uint8_t, 64> memory;
  Builder b(memory, Class::success, Method::binding, kTid);
  b.xor_address(Attr::xor_mapped_address, parse_endpoint("203.0.113.7:1").value());
  CHECK(b.size() == kHeaderBytes + attribute_bytes(8));
  CHECK(View::parse(b.message()).value().xor_address() == parse_endpoint("203.0.113.7:1"));
}
