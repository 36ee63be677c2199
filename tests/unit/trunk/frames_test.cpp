// Frames in a datagram: fixed bytes, every bound, and random batches there and back.
#include <random>

#include <doctest/doctest.h>

#include "tests/unit/hex.h"
#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using sluice::test::copy;
using sluice::test::hex;

namespace {

const Endpoint kClient4{Address::v4(192, 0, 2, 33), 50000};
const Endpoint kClient6 = *parse_endpoint("[2001:db8::7]:50001");
const Endpoint kLocal4{Address::v4(203, 0, 113, 1), 3478};
const Endpoint kLocal6 = *parse_endpoint("[2001:db8:1::1]:3478");

/// A key as the vectors have it, and everything needed to seal with it.
class Sealer {
 public:
  Sealer() : keys_(std::move(*crypto::GmacKeys::make(crypto::GmacKeys::Kind::automatic, 1))) {
    Key key;
    for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
    const SubKey sub = derive(crypto::kPrimitives, key, Purpose::to_server,
                              {.relay = 0x01020304,
                               .server = 0x21222324,
                               .relay_epoch = 0x1112131415161718,
                               .server_epoch = 0x3132333435363738,
                               .relay_shard = 5,
                               .server_shard = 6});
    keys_.view().set_key(0, sub.key.data());
    seal.gmac = keys_.view();
    seal.salt = sub.salt;
    seal.header = {.type = Type::to_server,
                   .key_id = 2,
                   .shard = 5,
                   .sender = 0x01020304,
                   .epoch = 0x3132333435363738,
                   .sequence = 0x42};
  }

  Seal seal;

 private:
  crypto::GmacKeys keys_;
};

Bytes body_of(Bytes datagram) {
  return datagram.subspan(kHeaderBytes, datagram.size() - kHeaderBytes - kTagBytes);
}

std::vector<uint8_t> sealed(const std::vector<Frame>& frames) {
  static Sealer sealer;
  std::vector<uint8_t> memory(kDefaultMaxSingle);
  trunk::Writer w;
  w.start(memory);
  for (const Frame& f : frames) REQUIRE(w.add(f));
  const size_t expected = w.size();
  memory.resize(w.finish(sealer.seal, trunk::Writer::More::no));
  CHECK(memory.size() == expected);
  CHECK_FALSE(w.open());
  return memory;
}

bool same(const Frame& a, const Frame& b) {
  return a.client == b.client && a.local == b.local && a.flow == b.flow && a.ecn == b.ecn &&
         a.first == b.first && a.stun == b.stun && a.direct == b.direct && copy(a.payload) == copy(b.payload);
}

/// Frames that a body holds, and whether it ended well.
std::pair<std::vector<Frame>, bool> read(Bytes body) {
  std::vector<Frame> all;
  trunk::Reader r(body);
  for (Frame f; r.next(f);) all.push_back(f);
  return {all, r.ok()};
}

bool malformed(const char* text) {
  const auto body = hex(text);
  const auto [frames, ok] = read(body);
  return frames.empty() && !ok;
}

}  // namespace

// Computed with another implementation of HKDF and AES-GCM.
TEST_CASE("a datagram with two frames has the bytes that its layout says") {
  const auto abc = hex("616263"), hi = hex("6869");
  const std::vector<Frame> frames{
      {.client = kClient4, .local = kLocal4, .ecn = 1, .first = true, .stun = true, .payload = abc},
      {.client = kClient6, .local = kLocal4, .flow = 0xdeadbeef, .direct = true, .payload = hi}};
  const auto d = sealed(frames);
  CHECK(d == hex("0a120500 01020304 3132333435363738 0000000000000042"
                 "a6 01 0003 0d96 cb007101 c350 c0000221 616263"
                 "c9 00 0002 c351 20010db8000000000000000000000007 deadbeef 6869"
                 "ce7230eff214132920090843beb7673d"));
  const auto [got, ok] = read(body_of(d));
  CHECK(ok);
  REQUIRE(got.size() == 2);
  CHECK(same(got[0], frames[0]));
  CHECK(same(got[1], frames[1]));
}

TEST_CASE("payloads are views into the datagram") {
  const auto abc = hex("616263");
  const auto d = sealed({{.client = kClient4, .local = kLocal4, .payload = abc}});
  trunk::Reader r(body_of(d));
  Frame f;
  REQUIRE(r.next(f));
  CHECK(f.payload.data() == d.data() + d.size() - kTagBytes - 3);
}

TEST_CASE(
    "a frame costs 10 bytes, 6 for a local endpoint that changes, 12 for each IPv6 address, 4 for a flow") {
  const std::vector<uint8_t> payload(100);
  const auto cost = [&](std::vector<Frame> frames) {
    for (Frame& f : frames) f.payload = payload;
    return sealed(frames).size() - kHeaderBytes - kTagBytes - frames.size() * payload.size();
  };
  const Frame v4{.client = kClient4, .local = kLocal4}, v6{.client = kClient6, .local = kLocal6};
  CHECK(cost({v4}) == 16);
  CHECK(cost({v4, v4, v4}) == 16 + 10 + 10);
  CHECK(cost({{.client = kClient4, .local = kLocal4, .flow = 1}}) == 20);
  CHECK(cost({v6}) == 40);
  CHECK(cost({v6, v6}) == 40 + 22);
  CHECK(cost({v4, v6, v6, v4}) == 16 + 40 + 22 + 16);
  CHECK(cost({{.client = kClient6, .local = kLocal6, .flow = 1}}) == kMaxFrameOverhead);
}

TEST_CASE("what always fits does, and one byte more does not for the longest frame") {
  std::vector<uint8_t> payload(always_fits(1400)), memory(1400);
  for (bool longer : {false, true}) {
    if (longer) payload.push_back(0);
    trunk::Writer w({.datagram = 1400, .single = 1400});
    w.start(memory);
    CHECK(w.add({.client = kClient6, .local = kLocal6, .flow = 1, .payload = payload}) == !longer);
    CHECK(w.empty() == longer);
  }
}

TEST_CASE("empty payloads travel too") {
  const auto d = sealed({{.client = kClient4, .local = kLocal4}, {.client = kClient6, .local = kLocal4}});
  const auto [got, ok] = read(body_of(d));
  CHECK(ok);
  REQUIRE(got.size() == 2);
  CHECK(got[1].payload.empty());
}

TEST_CASE(
    "a body that ends inside a frame is malformed, wherever it ends, and the frames before it are good") {
  const auto abc = hex("616263");
  const auto d = sealed({{.client = kClient4, .local = kLocal4, .payload = abc},
                         {.client = kClient6, .local = kLocal6, .flow = 7, .payload = abc}});
  const Bytes body = body_of(d);
  const size_t first = 16 + 3;
  for (size_t n = 0; n <= body.size(); ++n) {
    // A copy of the exact length, so that a sanitizer sees every byte read too far.
    const auto cut = copy(body.first(n));
    const auto [frames, ok] = read(cut);
    CAPTURE(n);
    CHECK(ok == (n == 0 || n == first || n == body.size()));
    CHECK(frames.size() == (n < first ? 0 : n < body.size() ? 1 : 2));
  }
}

TEST_CASE("frames that say what has no meaning are malformed") {
  CHECK_FALSE(malformed("a0 00 0000 0d96 cb007101 c350 c0000221"));
  CHECK(malformed("20 00 0000 0d96 cb007101 c350 c0000221"));  // not marked as a frame
  CHECK(malformed("80 00 0000 c350 c0000221"));                // no local endpoint, and none before
  CHECK(malformed("90 00 0000 c350 c0000221"));  // the family of a local endpoint that is not there
  for (const char* second : {"04", "80", "40", "ff"})
    CHECK(malformed((std::string("a0") + second + "0000 0d96 cb007101 c350 c0000221").c_str()));
}

TEST_CASE("a zero byte instead of a frame ends the body, whatever lies behind it") {
  const auto body = hex("a0 00 0001 0d96 cb007101 c350 c0000221 55  00 a0 00 ff");
  const auto [frames, ok] = read(body);
  CHECK(ok);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].payload[0] == 0x55);
  CHECK(read(hex("00")).second);
}

TEST_CASE("any bytes are read without a step outside") {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 rng(seed);
    std::vector<uint8_t> body(rng() % 200);
    for (auto& b : body) b = static_cast<uint8_t>(rng() % 3 == 0 ? 0xa0 : rng() % 4);
    const auto [frames, ok] = read(body);
    size_t used = 0;
    for (const Frame& f : frames) {
      used += f.payload.size() + 10;
      if (f.payload.empty()) continue;
      REQUIRE(f.payload.data() >= body.data());
      REQUIRE(f.payload.data() + f.payload.size() <= body.data() + body.size());
    }
    REQUIRE(used <= body.size());
  }
}

TEST_CASE("random batches come out as they went in") {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    std::vector<std::vector<uint8_t>> payloads;
    std::vector<Frame> frames;
    size_t size = kHeaderBytes + kTagBytes;
    for (int i = 0; i < 20; ++i) {
      payloads.emplace_back(rng() % 200);
      for (auto& b : payloads.back()) b = static_cast<uint8_t>(rng());
      Frame f{.client = rng() % 2 ? kClient4 : kClient6,
              .local = rng() % 4 ? kLocal4 : kLocal6,
              .flow = rng() % 2 ? 0 : static_cast<uint32_t>(rng()),
              .ecn = static_cast<uint8_t>(rng() % 4),
              .first = rng() % 2 == 0,
              .stun = rng() % 2 == 0,
              .direct = rng() % 2 == 0,
              .payload = payloads.back()};
      f.client.port = static_cast<uint16_t>(rng());
      size += f.payload.size() + kMaxFrameOverhead;
      if (size > kDefaultMaxDatagram) break;
      frames.push_back(f);
    }
    const auto d = sealed(frames);
    const auto [got, ok] = read(body_of(d));
    REQUIRE(ok);
    REQUIRE(got.size() == frames.size());
    for (size_t i = 0; i < got.size(); ++i) REQUIRE(same(got[i], frames[i]));
  }
}
