#include "net/rtcp/twcc.h"

#include <array>
#include <random>

#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {
std::vector<TwccStatus> statuses(const Twcc& t) {
  std::vector<TwccStatus> out;
  t.for_each([&](const TwccStatus& s) { out.push_back(s); });
  return out;
}
Packet message(uint16_t count, const Packet& chunks_and_deltas) {
  const Packet head{0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe};
  Packet p(128);
  Writer w(p);
  w.bytes(head);
  w.u16(count);
  w.u24(2);
  w.u8(9);
  w.bytes(chunks_and_deltas);
  p.resize(w.size());
  p.resize((p.size() + 3) / 4 * 4);
  p[3] = static_cast<uint8_t>(p.size() / 4 - 1);
  return p;
}
}  // namespace

TEST_CASE("the chunks of draft-holmer section 3.1.3 and 3.1.4 decode to arrivals") {
  // Run of 2 "small"; one-bit vector 0 1 1 0...; two-bit vector: large, lost, small.
  const Packet p = message(2 + 14 + 3, {0x20, 2, 0x80 | 0x18, 0, 0xc0 | 0x21, 0,  //
                                        4, 8, 16, 32, 0xff, 0xfc, 1});
  const auto t = parse_twcc(only(p));
  REQUIRE(t);
  CHECK(t->sender.v == 1);
  CHECK(t->media.v == 2);
  CHECK(t->base_seq == 65'534);
  CHECK(t->reference_time == 2);
  CHECK(t->feedback_count == 9);
  const auto list = statuses(*t);
  REQUIRE(list.size() == 19);
  CHECK(list[0].seq == 65'534);
  CHECK(list[2].seq == 0);
  CHECK(list[0].arrival_ticks == 512 + 4);
  CHECK(list[1].arrival_ticks == 512 + 12);
  CHECK(!list[2].received);
  CHECK(list[3].arrival_ticks == 512 + 28);
  CHECK(list[4].arrival_ticks == 512 + 60);
  for (size_t i = 5; i < 16; ++i) CHECK(!list[i].received);
  CHECK(list[16].arrival_ticks == 512 + 56);
  CHECK(!list[17].received);
  CHECK(list[18].arrival_ticks == 512 + 57);
}

TEST_CASE("missing chunks, missing deltas, the reserved symbol and no status at all are refused") {
  CHECK(parse_twcc(only(message(1, {0x20, 1, 7}))));
  CHECK(!parse_twcc(only(message(0, {0x20, 1, 7}))));
  CHECK(!parse_twcc(only(message(3, {0x20, 1, 7, 0}))));
  CHECK(!parse_twcc(only(message(8'191, {0x3f, 0xff, 7, 7}))));
  CHECK(!parse_twcc(only(message(1, {0x60, 1, 7, 7}))));
  CHECK(!parse_twcc(only(message(2, {0xf0, 0, 7, 7}))));
  CHECK(!parse_twcc(only(message(1, {}))));
  CHECK(!parse_twcc(only(Packet{0x8f, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2})));
  // A run of none goes nowhere, but does no harm.
  CHECK(statuses(*parse_twcc(only(message(1, {0x20, 0, 0x20, 1, 7})))).size() == 1);
  // A negative reference time.
  Packet p = message(1, {0x20, 1, 7, 0});
  p[16] = p[17] = p[18] = 0xff;
  CHECK(statuses(*parse_twcc(only(p)))[0].arrival_ticks == -256 + 7);
}

TEST_CASE("a message that Chromium sent in a call, padded by one byte") {
  const Packet p{0xaf, 0xcd, 0,    7, 0,    0, 0,    1,    0xdd, 0x58, 0x6e, 0xb6, 0, 1, 0,    9,
                 0x5e, 0x91, 0x10, 0, 0x20, 9, 0x1c, 0x0c, 0x2c, 0x38, 0,    4,    0, 8, 0x18, 1};
  const auto t = parse_twcc(only(p));
  REQUIRE(t);
  CHECK(t->media.v == 0xdd586eb6);
  CHECK(t->reference_time == 6'197'520);
  std::vector<int64_t> arrivals;
  for (const TwccStatus& s : statuses(*t)) {
    CHECK(s.received);
    arrivals.push_back(s.arrival_ticks - int64_t{6'197'520} * 256);
  }
  // 7, 3, 11, 14, 0, 1, 0, 2 and 6 ms after each other.
  CHECK(arrivals == std::vector<int64_t>{28, 40, 84, 140, 140, 144, 144, 152, 176});
}

TEST_CASE("one packet received in time takes 24 bytes") {
  const std::array<int64_t, 1> arrivals{1'000};
  Packet p(100);
  const TwccWritten w = write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, arrivals);
  CHECK(w.bytes == 24);
  CHECK(w.packets == 1);
  CHECK(bytes_of(Bytes(p).first(24)) ==
        Packet{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 1, 0, 0, 3, 3, 0x20, 1, 1'000 - 768, 0});
  for (size_t n = 0; n < 24; ++n)
    CHECK(write_twcc(MutBytes(p).first(n), Ssrc{1}, Ssrc{2}, 7, 3, arrivals).bytes == 0);
}

TEST_CASE("nothing received is nothing to say") {
  Packet p(100);
  const std::array<int64_t, 3> lost{kTwccLost, kTwccLost, kTwccLost};
  CHECK(write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, lost).bytes == 0);
  CHECK(write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, {}).bytes == 0);
}

TEST_CASE("a delta that 16 bits cannot hold ends the message before it") {
  std::array<int64_t, 4> arrivals{1'000, 1'000 + 32'767, kTwccLost, 1'000 + 65'535};
  Packet p(100);
  TwccWritten w = write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, arrivals);
  CHECK(w.packets == 3);
  arrivals[3] = 1'000 - 2;
  w = write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, arrivals);
  CHECK(w.packets == 3);
  arrivals[3] = 1'000;
  w = write_twcc(p, Ssrc{1}, Ssrc{2}, 7, 3, arrivals);
  CHECK(w.packets == 4);
  CHECK(statuses(*parse_twcc(only(Bytes(p).first(w.bytes))))[3].arrival_ticks == 1'000);
}

TEST_CASE("random arrivals come back as they were, split over messages of any size") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto loss = 1 + random() % 40, spread = 1 + random() % 2'000;
    std::vector<int64_t> arrivals(1 + random() % 700);
    int64_t at = 100'000 + static_cast<int64_t>(random() % 1'000'000);
    for (int64_t& a : arrivals) {
      at += static_cast<int64_t>(random() % spread) - static_cast<int64_t>(spread / 8);
      a = random() % loss == 0 && &a != &arrivals.back() ? kTwccLost : at;
    }
    const auto base = static_cast<uint16_t>(random());
    for (size_t done = 0; done < arrivals.size();) {
      Packet p(40 + random() % 1'160);
      const auto rest = std::span(arrivals).subspan(done);
      const TwccWritten w = write_twcc(p, Ssrc{1}, Ssrc{2}, static_cast<uint16_t>(base + done), 0, rest);
      REQUIRE(w.bytes > 0);
      REQUIRE(w.bytes % 4 == 0);
      REQUIRE(w.packets > 0);
      const auto t = parse_twcc(only(Bytes(p).first(w.bytes)));
      REQUIRE(t);
      const auto list = statuses(*t);
      REQUIRE(list.size() == w.packets);
      for (size_t i = 0; i < list.size(); ++i) {
        REQUIRE(list[i].seq == static_cast<uint16_t>(base + done + i));
        REQUIRE(list[i].received == (rest[i] != kTwccLost));
        if (list[i].received) REQUIRE(list[i].arrival_ticks == rest[i]);
      }
      done += w.packets;
    }
  }
}
