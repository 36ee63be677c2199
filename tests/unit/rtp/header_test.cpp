#include "net/rtp/header.h"

#include <array>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rtp;

namespace {
using Packet = std::vector<uint8_t>;

Packet fixed_header(uint8_t first = 0x80) {
  return {first, 0xe0 | 0x0f, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xba, 0xbe};
}
Packet with_extension(uint16_t profile, const Packet& elements) {
  Packet p = fixed_header(0x90);
  const size_t words = (elements.size() + 3) / 4;
  p.push_back(static_cast<uint8_t>(profile >> 8));
  p.push_back(static_cast<uint8_t>(profile));
  p.push_back(static_cast<uint8_t>(words >> 8));
  p.push_back(static_cast<uint8_t>(words));
  p.insert(p.end(), elements.begin(), elements.end());
  p.resize(16 + words * 4);
  return p;
}
std::vector<Element> elements_of(const Packet& p) {
  std::vector<Element> out;
  const auto h = parse_header(p);
  REQUIRE(h);
  ElementReader reader = h->elements();
  for (Element e; reader.next(e);) out.push_back(e);
  return out;
}
Packet bytes_of(Bytes b) { return {b.begin(), b.end()}; }
}  // namespace

TEST_CASE("the fixed header of RFC 3550 section 5.1") {
  Packet p = fixed_header();
  p.push_back(0x55);
  const auto h = parse_header(p);
  REQUIRE(h);
  CHECK(h->marker);
  CHECK(h->payload_type == 111);
  CHECK(h->seq.v == 0x1234);
  CHECK(h->timestamp.v == 0xdeadbeef);
  CHECK(h->ssrc.v == 0xcafebabe);
  CHECK(h->header_len == 12);
  CHECK(h->csrc_count() == 0);
  CHECK(bytes_of(*payload(*h, p)) == Packet{0x55});
}

TEST_CASE("versions other than 2 and every truncation are refused") {
  for (int version : {0, 1, 3}) CHECK(!parse_header(fixed_header(static_cast<uint8_t>(version << 6))));
  Packet whole = with_extension(0xbede, {0x10, 1, 0x21, 2, 3});
  whole[0] |= 2;
  whole.insert(whole.begin() + 12, {0, 0, 0, 1, 0, 0, 0, 2});
  REQUIRE(parse_header(whole));
  CHECK(parse_header(whole)->header_len == whole.size());
  for (size_t n = 0; n < whole.size(); ++n) CHECK(!parse_header(Bytes(whole).first(n)));
}

TEST_CASE("contributing sources are listed and counted into the header") {
  Packet p = fixed_header(0x8f);
  for (uint8_t i = 0; i < 15; ++i) p.insert(p.end(), {0, 0, 1, i});
  const auto h = parse_header(p);
  REQUIRE(h);
  CHECK(h->csrc_count() == 15);
  CHECK(h->csrc_at(14).v == 0x10e);
  CHECK(h->header_len == 72);
}

TEST_CASE("padding is as long as its last byte says, never longer than the payload and never nothing") {
  Packet p = fixed_header(0xa0);
  p.insert(p.end(), {1, 2, 3, 0, 2});
  const auto h = parse_header(p);
  CHECK(bytes_of(*payload(*h, p)) == Packet{1, 2, 3});
  p.back() = 5;
  CHECK(payload(*h, p)->empty());
  p.back() = 6;
  CHECK(!payload(*h, p));
  p.back() = 0;
  CHECK(!payload(*h, p));
  CHECK(!payload(*h, Bytes(p).first(12)));
}

TEST_CASE("the one-byte form of RFC 8285 section 4.2, padding between elements") {
  // The figure of section 4.2: lengths 1, 2 and 4, with two bytes of padding before the last.
  const Packet p = with_extension(0xbede, {0x10, 0xaa, 0x21, 0xbb, 0xbb, 0, 0, 0x33, 1, 2, 3, 4});
  const auto list = elements_of(p);
  REQUIRE(list.size() == 3);
  CHECK(list[0].id == 1);
  CHECK(bytes_of(list[0].data) == Packet{0xaa});
  CHECK(bytes_of(list[1].data) == Packet{0xbb, 0xbb});
  CHECK(list[2].id == 3);
  CHECK(bytes_of(list[2].data) == Packet{1, 2, 3, 4});
  CHECK(parse_header(p)->find(2)->size() == 2);
  CHECK(!parse_header(p)->find(4));
  CHECK(!parse_header(p)->find(0));
}

TEST_CASE("the two-byte form of RFC 8285 section 4.3, with an empty element and an id above 14") {
  const Packet p = with_extension(0x1003, {1, 0, 2, 1, 0xbb, 0, 200, 4, 1, 2, 3, 4});
  const auto list = elements_of(p);
  REQUIRE(list.size() == 3);
  CHECK(list[0].data.empty());
  CHECK(list[1].id == 2);
  CHECK(list[2].id == 200);
  CHECK(list[2].data.size() == 4);
}

TEST_CASE("id 15 and id 0 with a length end the one-byte form, what came before them counts") {
  CHECK(elements_of(with_extension(0xbede, {0x10, 1, 0xf0, 9, 0x20, 2})).size() == 1);
  CHECK(elements_of(with_extension(0xbede, {0x10, 1, 0x01, 9, 9, 0x20, 2})).size() == 1);
  // In the two-byte form 15 is an id like any other.
  CHECK(elements_of(with_extension(0x1000, {15, 1, 1, 2, 1, 2})).size() == 2);
}

TEST_CASE("an element that overruns the extension is not there") {
  CHECK(elements_of(with_extension(0xbede, {0x10, 1, 0x22, 2})).size() == 1);
  CHECK(elements_of(with_extension(0xbede, {0x1f, 1, 2, 3})).empty());
  CHECK(elements_of(with_extension(0x1000, {1, 3, 1, 2})).empty());
  CHECK(elements_of(with_extension(0x1000, {1, 1, 1, 7})).size() == 1);
}

TEST_CASE("an extension of another profile has a length but no elements") {
  const Packet p = with_extension(0xabcd, {0x10, 1, 0x10, 1});
  CHECK(elements_of(p).empty());
  CHECK(parse_header(p)->header_len == p.size());
}

TEST_CASE("the known extensions are read by their negotiated ids") {
  ExtMap map;
  map.set(ExtKind::mid, 4);
  map.set(ExtKind::audio_level, 1);
  map.set(ExtKind::transport_cc, 3);
  map.set(ExtKind::abs_send_time, 2);
  map.set(ExtKind::rid, 5);
  const Packet p = with_extension(
      0xbede, {0x10, 0x80 | 23, 0x22, 1, 2, 3, 0x31, 0xab, 0xcd, 0x40, '0', 0x52, 'a', 'b', 'c', 0x60, 9});
  const auto known = read_extensions(*parse_header(p), map);
  CHECK(known.mid == "0");
  CHECK(known.rid == "abc");
  CHECK(known.audio_level == AudioLevel{true, 23});
  CHECK(known.abs_send_time == 0x010203);
  CHECK(known.transport_seq == 0xabcd);
  CHECK(known.repaired_rid.empty());
}

TEST_CASE("a written header parses back with its elements") {
  ElementList elements;
  CHECK(elements.add_mid(4, "audio"));
  CHECK(elements.add_audio_level(1, {true, 5}));
  CHECK(elements.add_abs_send_time(2, 0x123456));
  CHECK(elements.add_transport_seq(3, 0xfffe));
  std::array<uint8_t, 64> out{};
  const size_t n = write_header(out, {true, 96, SeqNo{65535}, RtpTime{7}, Ssrc{8}}, elements);
  REQUIRE(n == header_size(elements));
  CHECK(n % 4 == 0);
  const auto h = parse_header(Bytes(out).first(n));
  REQUIRE(h);
  CHECK(h->header_len == n);
  CHECK(h->marker);
  CHECK(h->payload_type == 96);
  CHECK(h->seq.v == 65535);
  CHECK(as_text(*h->find(4)) == "audio");
  CHECK(read_audio_level(*h->find(1)) == AudioLevel{true, 5});
  CHECK(read_abs_send_time(*h->find(2)) == 0x123456);
  CHECK(read_transport_seq(*h->find(3)) == 0xfffe);
  for (size_t less = 0; less < n; ++less) CHECK(write_header(MutBytes(out).first(less), {}, elements) == 0);
}

TEST_CASE("a header without elements has no extension") {
  std::array<uint8_t, 12> out;
  CHECK(write_header(out, {}, {}) == 12);
  CHECK(out[0] == 0x80);
}

TEST_CASE("elements that the one-byte form cannot hold are left out") {
  ElementList elements;
  const std::string long_mid(17, 'x'), longest(16, 'x');
  CHECK(!elements.add_mid(0, "0"));
  CHECK(!elements.add_mid(15, "0"));
  CHECK(!elements.add_mid(1, ""));
  CHECK(!elements.add_mid(1, long_mid));
  CHECK(!elements.add_audio_level(0, {}));
  CHECK(elements.count() == 0);
  CHECK(elements.wire_size() == 0);
  CHECK(elements.add_mid(14, longest));
  for (size_t i = 1; i < ElementList::kMax; ++i) CHECK(elements.add_audio_level(2, {}));
  CHECK(!elements.add_audio_level(2, {}));
}

TEST_CASE("a copied element takes the subscriber's id") {
  ExtMap from, to;
  from.set(ExtKind::video_orientation, 200);
  const Packet p = with_extension(0x1000, {200, 1, 3});
  ElementList elements;
  CHECK(!elements.copy(ExtKind::video_orientation, *parse_header(p), from, to));
  to.set(ExtKind::video_orientation, 7);
  CHECK(elements.copy(ExtKind::video_orientation, *parse_header(p), from, to));
  CHECK(!elements.copy(ExtKind::playout_delay, *parse_header(p), from, to));
  std::array<uint8_t, 32> out;
  const size_t n = write_header(out, {}, elements);
  CHECK(bytes_of(*parse_header(Bytes(out).first(n))->find(7)) == Packet{3});
}

TEST_CASE("random headers with random elements round-trip") {
  std::mt19937 random(3);
  for (int round = 0; round < 2'000; ++round) {
    std::array<std::array<uint8_t, 16>, ElementList::kMax> data;
    std::vector<Element> in;
    ElementList list;
    for (size_t i = 0, n = random() % (ElementList::kMax + 1); i < n; ++i) {
      for (uint8_t& b : data[i]) b = static_cast<uint8_t>(random());
      in.push_back({static_cast<uint8_t>(1 + random() % 14), Bytes(data[i]).first(1 + random() % 16)});
      REQUIRE(list.add(in.back().id, in.back().data));
    }
    const Fields f{random() % 2 == 0, static_cast<uint8_t>(random() % 128),
                   SeqNo{static_cast<uint16_t>(random())}, RtpTime{static_cast<uint32_t>(random())},
                   Ssrc{static_cast<uint32_t>(random())}};
    Packet out(header_size(list));
    REQUIRE(write_header(out, f, list) == out.size());
    const auto h = parse_header(out);
    REQUIRE(h);
    REQUIRE(h->header_len == out.size());
    REQUIRE(h->marker == f.marker);
    REQUIRE(h->payload_type == f.payload_type);
    REQUIRE(h->seq == f.seq);
    REQUIRE(h->timestamp == f.timestamp);
    REQUIRE(h->ssrc == f.ssrc);
    const auto back = elements_of(out);
    REQUIRE(back.size() == in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      REQUIRE(back[i].id == in[i].id);
      REQUIRE(bytes_of(back[i].data) == bytes_of(in[i].data));
    }
  }
}
