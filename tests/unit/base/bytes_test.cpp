#include "net/base/bytes.h"

#include <array>

#include <doctest/doctest.h>

using namespace sluice;

TEST_CASE("a reader past its end fails for good and yields zeros") {
  const std::array<uint8_t, 5> b{1, 2, 3, 4, 5};
  Reader r(b);
  CHECK(r.u16() == 0x0102);
  CHECK(r.u24() == 0x030405);
  CHECK(r.ok());
  CHECK(r.u8() == 0);
  CHECK(!r.ok());
  CHECK(r.take(0).empty());
  CHECK(!r.skip(0));
}

TEST_CASE("a short read consumes nothing and later reads that would fit still fail") {
  const std::array<uint8_t, 3> b{1, 2, 3};
  Reader r(b);
  CHECK(r.u32() == 0);
  CHECK(r.position() == 0);
  CHECK(r.u8() == 0);
  CHECK(!r.ok());
}

TEST_CASE("a writer never writes past its end") {
  std::array<uint8_t, 4> b{9, 9, 9, 9};
  Writer w(MutBytes(b).first(3));
  w.u16(0x0102);
  w.u16(0x0304);
  CHECK(!w.ok());
  CHECK(w.size() == 2);
  CHECK(b[2] == 9);
  CHECK(b[3] == 9);
}

TEST_CASE("what is written is read back") {
  std::array<uint8_t, 32> b{};
  Writer w{MutBytes(b)};
  w.u8(0x01);
  w.u16(0x0203);
  w.u24(0x040506);
  w.u32(0x0708090a);
  w.u64(0x0b0c0d0e0f101112);
  REQUIRE(w.ok());
  for (uint8_t i = 0; i < 18; ++i) CHECK(b[i] == i + 1);
  Reader r(w.written());
  CHECK(r.u8() == 0x01);
  CHECK(r.u16() == 0x0203);
  CHECK(r.u24() == 0x040506u);
  CHECK(r.u32() == 0x0708090au);
  CHECK(r.u64() == 0x0b0c0d0e0f101112u);
  CHECK(r.left() == 0);
}
