#include "net/wire/headers.h"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "net/wire/checksum.h"
#include "tests/unit/hex.h"

namespace sluice::wire {
namespace {

using sluice::test::copy;
using sluice::test::hex;

Endpoint ep(std::string_view s) { return parse_endpoint(s).value(); }

struct Path {
  Endpoint from;
  Endpoint to;
};
const std::array kPaths{Path{ep("192.0.2.1:40000"), ep("198.51.100.7:3478")},
                        Path{ep("[2001:db8::1]:40000"), ep("[2001:db8:1::2]:3478")}};

std::vector<uint8_t> packet(const Path& p, Bytes payload, const IpFields& fields = {}) {
  std::vector<uint8_t> b(kIpUdpMax + payload.size());
  const size_t n = write_ip_udp(b.data(), p.from, p.to, payload, fields);
  CHECK(n == ip_udp_header(p.to.is_v4()));
  std::copy_n(payload.data(), payload.size(), b.data() + n);
  b.resize(n + payload.size());
  return b;
}

/// RFC 1071 §4.1, the slow and obvious way.
uint16_t checksum_by_words(Bytes b) {
  uint32_t sum = 0;
  for (size_t i = 0; i < b.size(); i += 2) sum += uint32_t{b[i]} << 8 | (i + 1 < b.size() ? b[i + 1] : 0u);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint16_t as_written(uint16_t sum) {
  uint8_t b[2];
  std::memcpy(b, &sum, 2);
  return load_be<uint16_t>(b);
}

TEST_CASE("the checksum of RFC 1071's example is what the RFC says") {
  const auto b = hex("0001 f203 f4f5 f6f7");
  CHECK(as_written(checksum(b)) == 0x220d);
}

TEST_CASE("the checksum equals the word by word one at every length, and takes parts of even length") {
  std::mt19937 random(1071);
  for (size_t n = 0; n < 300; ++n) {
    std::vector<uint8_t> b(n);
    for (uint8_t& x : b) x = static_cast<uint8_t>(n % 3 == 0 ? 0xff : random());
    CHECK(as_written(checksum(b)) == checksum_by_words(b));
    const size_t cut = (random() % (n + 1)) & ~size_t{1};
    CHECK(finish_sum(add_to_sum(add_to_sum(0, Bytes(b).first(cut)), Bytes(b).subspan(cut))) == checksum(b));
  }
}

TEST_CASE("an IPv4 header is written bit by bit as RFC 791 draws it") {
  const auto payload = hex("01 02 03");
  const auto b =
      packet(kPaths[0], payload, {.traffic_class = 0xb8, .hop_limit = 63, .identification = 0x1234});
  // Version and IHL, TOS, length 31; identification, DF; TTL, UDP, checksum; addresses; ports, length,
  // checksum.
  const auto expected =
      hex("45 b8 00 1f  12 34 40 00  3f 11 3a 3e  c0 00 02 01  c6 33 64 07 "
          "9c 40 0d 96  00 0b 64 5a  01 02 03");
  CHECK(b.size() == expected.size());
  CHECK(checksum_by_words(Bytes(b).first(kIpv4Header)) == 0);
  auto masked = [](std::vector<uint8_t> v) {
    for (const size_t i : {10u, 11u, 26u, 27u}) v[i] = 0;  // the checksums have cases of their own
    return v;
  };
  CHECK(masked(b) == masked(expected));
}

TEST_CASE("an IPv4 header checksum from a real packet is reproduced") {
  auto b = hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7");
  CHECK(as_written(checksum(b)) == 0xb861);
}

TEST_CASE("an IPv6 header is written bit by bit as RFC 8200 draws it") {
  const auto payload = hex("01 02 03");
  const auto b = packet(kPaths[1], payload, {.traffic_class = 0xb8, .hop_limit = 63});
  CHECK(copy(Bytes(b).first(kIpv6Header)) ==
        hex("6b 80 00 00  00 0b 11 3f "
            "20010db8000000000000000000000001 20010db8000100000000000000000002"));
  CHECK(copy(Bytes(b).subspan(kIpv6Header, 6)) == hex("9c 40 0d 96 00 0b"));
}

TEST_CASE("what is written is read back, whatever the family, length and bytes") {
  std::mt19937 random(768);
  for (const Path& p : kPaths)
    for (size_t n = 0; n < 1500; n += 1 + n / 16) {
      std::vector<uint8_t> payload(n);
      for (uint8_t& x : payload) x = static_cast<uint8_t>(random());
      const auto tos = static_cast<uint8_t>(random());
      auto b = packet(p, payload, {.traffic_class = tos, .hop_limit = 17});
      b.resize(b.size() + n % 5, 0xee);  // Ethernet padding
      const auto d = read_ip_udp(b);
      REQUIRE(d);
      CHECK(d->from == p.from);
      CHECK(d->to == p.to);
      CHECK(copy(d->payload) == payload);
      CHECK(d->traffic_class == tos);
      CHECK(d->hop_limit == 17);
    }
}

TEST_CASE("a UDP checksum that comes out as zero is sent as all ones") {
  for (const Path& p : kPaths) {
    std::array<uint8_t, 2> payload{};
    auto b = packet(p, payload);
    const size_t check_at = ip_udp_header(p.to.is_v4()) - 2;
    // A payload equal to the checksum of the rest makes the sum all ones.
    std::memcpy(payload.data(), &b[check_at], 2);
    b = packet(p, payload);
    CHECK(load_be<uint16_t>(&b[check_at]) == 0xffff);
    CHECK(read_ip_udp(b));
  }
}

TEST_CASE("a flipped bit, a cut, a fragment and another protocol are not read") {
  for (const Path& p : kPaths) {
    const auto good = packet(p, hex("00 11 22 33 44 55 66"));
    for (size_t n = 0; n < good.size(); ++n) CHECK(!read_ip_udp(Bytes(good).first(n)));
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      auto b = good;
      b[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      // IPv6 protects neither its traffic class, flow label nor hop limit.
      const bool unprotected = !p.to.is_v4() && (bit < 4 || (bit >= 8 && bit < 32) || bit / 8 == 7);
      CHECK(read_ip_udp(b).has_value() == unprotected);
    }
  }
  for (const auto& [fragment, other] :
       {std::pair{0x2000, false}, std::pair{0x0001, false}, std::pair{0, true}}) {
    auto b = packet(kPaths[0], hex("00"));
    store_be<uint16_t>(&b[6], static_cast<uint16_t>(fragment));
    if (other) b[9] = 6;
    b[10] = b[11] = 0;
    const uint16_t sum = checksum(Bytes(b).first(kIpv4Header));
    std::memcpy(&b[10], &sum, 2);
    CHECK(!read_ip_udp(b));
  }
}

TEST_CASE("IPv4 may come with options and without a UDP checksum, IPv6 may not come without one") {
  auto b = packet(kPaths[0], hex("aa bb"));
  b[26] = b[27] = 0;
  REQUIRE(read_ip_udp(b));
  b.insert(b.begin() + kIpv4Header, {1, 1, 1, 0});  // RFC 791: no operation, three times, and the end
  b[0] = 0x46;
  store_be<uint16_t>(&b[2], static_cast<uint16_t>(b.size()));
  b[10] = b[11] = 0;
  const uint16_t sum = checksum(Bytes(b).first(24));
  std::memcpy(&b[10], &sum, 2);
  const auto d = read_ip_udp(b);
  REQUIRE(d);
  CHECK(d->from == kPaths[0].from);
  CHECK(copy(d->payload) == hex("aa bb"));

  auto six = packet(kPaths[1], hex("aa bb"));
  six[46] = six[47] = 0;
  CHECK(!read_ip_udp(six));
}

TEST_CASE("an Ethernet header has destination, source and the family's type") {
  std::array<uint8_t, kEthernetHeader> b;
  write_ethernet(b.data(), {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, true);
  CHECK(copy(b) == hex("020000000001 020000000002 0800"));
  write_ethernet(b.data(), {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, false);
  CHECK(copy(b) == hex("020000000001 020000000002 86dd"));
}

TEST_CASE("headers left for a device to complete become the whole ones once it has summed") {
  const std::vector<uint8_t> payload(333, 0xa5);
  for (const Path& p : kPaths) {
    auto whole = packet(p, payload);
    auto b = whole;
    const size_t n = write_ip_udp_unsummed(b.data(), p.from, p.to, payload.size());
    CHECK(n == ip_udp_header(p.to.is_v4()));
    // virtio 1.2 §5.1.6.2: the sum over everything from the UDP header on, the field as it is.
    const Bytes udp = Bytes(b).subspan(n - kUdpHeader);
    const uint16_t sum = checksum(udp);
    std::memcpy(b.data() + n - 2, &sum, sizeof sum);
    CHECK(b == whole);
  }
}

}  // namespace
}  // namespace sluice::wire
