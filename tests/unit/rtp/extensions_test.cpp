#include "net/rtp/extensions.h"

#include <array>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

TEST_CASE("every kind has a URI of its own that leads back to it") {
  for (size_t i = 0; i < kExtKinds; ++i) {
    const auto kind = static_cast<ExtKind>(i);
    CHECK(ext_kind_of(uri_of(kind)) == kind);
  }
  CHECK(!ext_kind_of("urn:ietf:params:rtp-hdrext:sdes"));
  CHECK(!ext_kind_of(""));
}

TEST_CASE("an id means one kind, the one it was given last") {
  ExtMap map;
  CHECK(map.id(ExtKind::mid) == 0);
  CHECK(!map.kind(0));
  map.set(ExtKind::mid, 3);
  CHECK(map.kind(3) == ExtKind::mid);
  map.set(ExtKind::rid, 3);
  CHECK(map.kind(3) == ExtKind::rid);
  CHECK(map.id(ExtKind::mid) == 0);
  map.set(ExtKind::rid, 9);
  CHECK(!map.kind(3));
  map.set(ExtKind::rid, 0);
  CHECK(!map.kind(9));
  map.set(ExtKind::color_space, 255);
  CHECK(map.kind(255) == ExtKind::color_space);
}

TEST_CASE("audio level of RFC 6464: voice bit and -dBov") {
  const std::array<uint8_t, 1> loud{0x80}, silent{0x7f};
  CHECK(read_audio_level(loud) == AudioLevel{true, 0});
  CHECK(read_audio_level(silent) == AudioLevel{false, 127});
  CHECK(!read_audio_level({}));
  for (int b = 0; b < 256; ++b) {
    const std::array<uint8_t, 1> data{static_cast<uint8_t>(b)};
    CHECK(write_audio_level(*read_audio_level(data)) == b);
  }
}

TEST_CASE("abs-send-time is seconds in 6.18 fixed point and wraps after 64 s") {
  CHECK(abs_send_time(seconds(1)) == 1u << 18);
  CHECK(abs_send_time(millis(500)) == 1u << 17);
  CHECK(abs_send_time(seconds(64)) == 0);
  CHECK(abs_send_time(seconds(65) + millis(250)) == (1u << 18) + (1u << 16));
  CHECK(abs_send_time(seconds(63) + micros(999'999)) == 0xffffff);
  const std::array<uint8_t, 3> data{0xff, 0, 1};
  CHECK(read_abs_send_time(data) == 0xff0001);
  CHECK(!read_abs_send_time(Bytes(data).first(2)));
}

TEST_CASE("a transport-wide number is two bytes, more may follow") {
  // Version 02 of the extension appends a feedback request.
  const std::array<uint8_t, 4> data{0x12, 0x34, 0, 0};
  CHECK(read_transport_seq(data) == 0x1234);
  CHECK(read_transport_seq(Bytes(data).first(2)) == 0x1234);
  CHECK(!read_transport_seq(Bytes(data).first(1)));
}
