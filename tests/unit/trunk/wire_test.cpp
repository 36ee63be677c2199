#include "net/trunk/wire.h"

#include <doctest/doctest.h>

#include "net/wire/classify.h"
#include "tests/unit/hex.h"

using namespace sluice;
using namespace sluice::trunk;
using sluice::test::copy;
using sluice::test::hex;

namespace {

std::vector<uint8_t> smallest(const char* header) {
  auto d = hex(header);
  d.resize(d.size() + kTagBytes);
  return d;
}

constexpr const char* kHeader = "0b 1f 3f 00 01020304 1112131415161718 2122232425262728";

}  // namespace

TEST_CASE("a header is read and written as laid out") {
  const auto bytes = smallest(kHeader);
  const auto h = parse_header(bytes);
  REQUIRE(h.has_value());
  CHECK(*h == Header{.type = Type::to_relay,
                     .key_id = 15,
                     .shard = 63,
                     .sender = 0x01020304,
                     .epoch = 0x1112131415161718,
                     .sequence = 0x2122232425262728});
  std::vector<uint8_t> out(kHeaderBytes);
  write_header(out.data(), *h);
  CHECK(out == hex(kHeader));
}

TEST_CASE("headers that are too short, of another version or out of range are malformed") {
  const auto good = smallest(kHeader);
  REQUIRE(parse_header(good).has_value());
  for (size_t n = 0; n < good.size(); ++n)
    CHECK(parse_header(Bytes(good).first(n)).error() == Drop::trunk_malformed);
  const auto with = [&](size_t at, uint8_t v) {
    auto d = good;
    d[at] = v;
    return parse_header(d).has_value();
  };
  for (unsigned v = 0; v < 256; ++v) {
    CHECK(with(0, static_cast<uint8_t>(v)) == (v >= 8 && v <= 11));
    CHECK(with(1, static_cast<uint8_t>(v)) == (v >> 4 == 1));
    CHECK(with(2, static_cast<uint8_t>(v)) == (v < kMaxPeerShards));
    CHECK(with(3, static_cast<uint8_t>(v)) == (v == 0));
  }
}

TEST_CASE("no trunk datagram begins like another protocol's packet") {
  for (unsigned v = 0; v < 256; ++v) {
    const std::vector<uint8_t> b(40, static_cast<uint8_t>(v));
    if (is_trunk(b)) CHECK(wire::classify(b) == wire::PacketClass::unknown);
  }
  CHECK_FALSE(is_trunk({}));
}

TEST_CASE("a status is read and written as laid out") {
  const Status s{.draining = true,
                 .direct = true,
                 .shards = 64,
                 .max_datagram = 0x2328,
                 .server_epoch = 1,
                 .echo = 2,
                 .received = 3,
                 .lost = 4};
  std::vector<uint8_t> out(kStatusBytes);
  write_status(out.data(), s);
  CHECK(out ==
        hex("0003 40 00 2328 0000 0000000000000001 0000000000000002 0000000000000003 0000000000000004"));
  CHECK(parse_status(out) == s);
  const Status plain{};
  write_status(out.data(), plain);
  CHECK(parse_status(out) == plain);
}

TEST_CASE("a status of another length, of impossible shards or of a useless datagram length is malformed") {
  std::vector<uint8_t> good(kStatusBytes);
  write_status(good.data(), {});
  for (size_t n : {size_t{0}, kStatusBytes - 1, kStatusBytes + 1}) {
    std::vector<uint8_t> d(n, 1);
    CHECK(parse_status(d).error() == Drop::trunk_malformed);
  }
  const auto refused = [](Status s) {
    std::vector<uint8_t> d(kStatusBytes);
    write_status(d.data(), s);
    return !parse_status(d).has_value();
  };
  CHECK(refused({.shards = 0}));
  CHECK(refused({.shards = 65}));
  CHECK(refused({.max_datagram = kMinMaxDatagram - 1}));
  CHECK_FALSE(refused({.max_datagram = kMinMaxDatagram}));
}

TEST_CASE("flags of a status that are not known yet are ignored") {
  std::vector<uint8_t> d(kStatusBytes);
  write_status(d.data(), {});
  d[0] = 0xff;
  d[1] = 0xfc;
  CHECK(parse_status(d) == Status{});
}
