#include "net/dtls/record.h"

#include <array>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::dtls;

namespace {
std::vector<uint8_t> record(uint8_t type, uint16_t epoch, uint64_t sequence, size_t length) {
  std::vector<uint8_t> d(kRecordHeader + length);
  Writer w{MutBytes(d)};
  w.u8(type), w.u16(0xfefd), w.u16(epoch), w.u16(static_cast<uint16_t>(sequence >> 32));
  w.u32(static_cast<uint32_t>(sequence)), w.u16(static_cast<uint16_t>(length));
  return d;
}
std::vector<uint8_t> operator+(std::vector<uint8_t> a, const std::vector<uint8_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
}  // namespace

TEST_CASE("all records of a datagram are read") {
  const auto d = record(20, 0, 5, 1) + record(22, 1, 0xffff'ffff'ffff, 40);
  RecordReader r(d);
  auto a = r.next();
  REQUIRE(a);
  CHECK(a->type == ContentType::change_cipher_spec);
  CHECK(a->version == 0xfefd);
  CHECK(a->sequence == 5);
  CHECK(a->fragment.size() == 1);
  auto b = r.next();
  REQUIRE(b);
  CHECK(b->epoch == 1);
  CHECK(b->sequence == 0xffff'ffff'ffff);
  CHECK(b->fragment.size() == 40);
  CHECK(!r.next());
  CHECK(!r.malformed());
  CHECK(well_formed(d));
}

TEST_CASE("a datagram cut anywhere but between records is malformed") {
  const auto d = record(22, 0, 0, 30) + record(20, 0, 1, 1);
  for (size_t n = 0; n <= d.size(); ++n)
    CHECK(well_formed(Bytes(d).first(n)) == (n == kRecordHeader + 30 || n == d.size()));
}

TEST_CASE("unknown types, versions and lengths are malformed, and stop the reader for good") {
  for (const uint8_t type : std::array<uint8_t, 6>{0, 19, 24, 25, 64, 255})
    CHECK(!well_formed(record(type, 0, 0, 4)));
  for (const uint8_t major : std::array<uint8_t, 3>{0x03, 0x00, 0xff}) {
    auto d = record(22, 0, 0, 4);
    d[1] = major;
    CHECK(!well_formed(d));
  }
  CHECK(well_formed(record(23, 0, 0, kMaxFragment)));
  CHECK(!well_formed(record(23, 0, 0, kMaxFragment + 1u)));
  const auto d = record(24, 0, 0, 0) + record(22, 1, 0, 20);
  RecordReader r(d);
  CHECK(!r.next());
  CHECK(!r.next());
  CHECK(r.malformed());
}

TEST_CASE("only records under the handshake's keys count as the client's last flight or goodbye") {
  CHECK(looks_like_client_retransmission(record(22, 0, 0, 80) + record(20, 0, 1, 1) + record(22, 1, 0, 40)));
  CHECK(!looks_like_client_retransmission(record(22, 0, 0, 80) + record(20, 0, 1, 1)));
  CHECK(!looks_like_client_retransmission(record(23, 1, 0, 40)));
  CHECK(!looks_like_client_retransmission({}));
  CHECK(is_alert(record(21, 1, 1, 26)));
  CHECK(!is_alert(record(21, 0, 1, 2)));
  CHECK(is_handshake(record(22, 0, 0, 80)));
  CHECK(!is_handshake(record(22, 1, 0, 80)));
  // What stands in front of the damage still counts.
  CHECK(is_alert(record(21, 1, 1, 26) + std::vector<uint8_t>{1, 2, 3}));
}
