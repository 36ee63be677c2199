#include "net/wire/classify.h"

#include <array>

#include <doctest/doctest.h>

using namespace sluice;
using wire::classify;
using wire::PacketClass;

namespace {
struct Range {
  int first, last;
  PacketClass expected;
};
// RFC 7983 §7 as RFC 9443 §3 changed it: QUIC has 64..79 too, but that only on sockets without TURN channels.
constexpr std::array kRanges{
    Range{0, 3, PacketClass::stun},           Range{4, 15, PacketClass::unknown},
    Range{16, 19, PacketClass::zrtp},         Range{20, 63, PacketClass::dtls},
    Range{64, 79, PacketClass::turn_channel}, Range{80, 127, PacketClass::quic},
    Range{128, 191, PacketClass::rtp},        Range{192, 255, PacketClass::quic},
};

PacketClass classify_bytes(int first, int second) {
  const std::array<uint8_t, 4> b{static_cast<uint8_t>(first), static_cast<uint8_t>(second), 0, 0};
  return classify(b);
}
}  // namespace

TEST_CASE("every first byte belongs to the protocol of RFC 7983 and RFC 9443") {
  int next = 0;
  for (const Range& r : kRanges) {
    CHECK(r.first == next);
    for (int first = r.first; first <= r.last; ++first) {
      CAPTURE(first);
      CHECK(classify_bytes(first, 0) == r.expected);
    }
    next = r.last + 1;
  }
  CHECK(next == 256);
}

TEST_CASE("the second byte tells RTCP from RTP, and only from RTP") {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const bool media = first >= 128 && first <= 191;
      // RFC 5761 §4: 192..223 with the marker bit in the way, so payload types 64..95.
      const bool control = second >= 192 && second <= 223;
      if (media)
        REQUIRE(classify_bytes(first, second) == (control ? PacketClass::rtcp : PacketClass::rtp));
      else
        REQUIRE(classify_bytes(first, second) == classify_bytes(first, 0));
    }
}

TEST_CASE("what is shorter than four bytes is nothing, whatever it begins with") {
  std::array<uint8_t, 4> b{};
  for (int first = 0; first < 256; ++first) {
    b[0] = static_cast<uint8_t>(first);
    for (size_t n = 0; n < 4; ++n) CHECK(classify(Bytes(b).first(n)) == PacketClass::runt);
    CHECK(classify(b) != PacketClass::runt);
  }
}
