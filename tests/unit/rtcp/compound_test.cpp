#include "net/rtcp/compound.h"

#include <array>
#include <vector>

#include "net/rtcp/builder.h"
#include "tests/unit/rtcp/packets.h"

using namespace sluice;
using namespace sluice::rtcp;

namespace {
std::vector<View> all(const Packet& p, bool expect_ok = true) {
  std::vector<View> out;
  CompoundReader reader(p);
  for (View v; reader.next(v);) out.push_back(v);
  CHECK(reader.ok() == expect_ok);
  CHECK(well_formed(p) == expect_ok);
  return out;
}
}  // namespace

TEST_CASE("a compound packet is walked one packet at a time") {
  const Packet p{0x81, 203, 0, 1, 0, 0, 0, 9, 0x8f, 206, 0, 0};
  const auto list = all(p);
  REQUIRE(list.size() == 2);
  CHECK(list[0].type == Type::bye);
  CHECK(list[0].count == 1);
  CHECK(bytes_of(list[0].body) == Packet{0, 0, 0, 9});
  CHECK(list[1].type == Type::psfb);
  CHECK(list[1].count == 15);
  CHECK(list[1].body.empty());
  CHECK(first_sender(p).v == 9);
}

TEST_CASE("feedback may stand alone (RFC 5506) and unknown types are passed on") {
  CHECK(all({0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}).size() == 1);
  CHECK(static_cast<int>(all({0x80, 223, 0, 0})[0].type) == 223);
}

TEST_CASE("nothing, truncation, another version and a length beyond the end are errors") {
  all({}, false);
  all({0x80}, false);
  all({0x80, 201, 0}, false);
  all({0x40, 201, 0, 0}, false);
  all({0xc0, 201, 0, 0}, false);
  all({0x80, 201, 0, 1, 0, 0, 0}, false);
  all({0x80, 201, 0xff, 0xff, 0, 0, 0, 0}, false);
  // What came before the error was good.
  CHECK(all({0x80, 201, 0, 1, 0, 0, 0, 1, 0x80}, false).size() == 1);
}

TEST_CASE("padding is cut off, whatever its length, and must fit") {
  CHECK(all({0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4})[0].body.size() == 4);
  // As libwebrtc pads transport feedback.
  CHECK(all({0xaf, 205, 0, 1, 7, 8, 9, 1})[0].body.size() == 3);
  CHECK(all({0xa0, 201, 0, 1, 0, 0, 0, 4})[0].body.empty());
  all({0xa0, 201, 0, 1, 0, 0, 0, 5}, false);
  all({0xa0, 201, 0, 1, 0, 0, 0, 0}, false);
  all({0xa0, 201, 0, 0}, false);
}

TEST_CASE("a built compound packet parses back in order, and what does not fit changes nothing") {
  std::array<uint8_t, 200> memory;
  Builder b(memory);
  CHECK(b.empty());
  const std::array blocks{ReportBlock{.source = Ssrc{2}, .jitter = 3}};
  const std::array missing{SeqNo{5}, SeqNo{7}};
  const std::array fir{FirEntry{Ssrc{2}, 1}};
  const std::array sources{Ssrc{1}};
  const std::array dlrr{DlrrEntry{Ssrc{3}, 4, 5}};
  CHECK(b.sender_report(Ssrc{1}, {}, blocks));
  CHECK(b.receiver_report(Ssrc{1}, {}));
  CHECK(b.sdes_cname(Ssrc{1}, "c"));
  CHECK(b.nack(Ssrc{1}, Ssrc{2}, missing));
  CHECK(b.pli(Ssrc{1}, Ssrc{2}));
  CHECK(b.fir(Ssrc{1}, fir));
  CHECK(b.xr_rrtr(Ssrc{1}, NtpTime{9}));
  CHECK(b.xr_dlrr(Ssrc{1}, dlrr));
  const Packet before = bytes_of(b.written());
  CHECK(!b.bye(sources, "a reason that is too long for what is left"));
  CHECK(bytes_of(b.written()) == before);
  std::vector<Type> types;
  for (const View& v : all(before)) types.push_back(v.type);
  CHECK(types == std::vector<Type>{Type::sender_report, Type::receiver_report, Type::sdes, Type::rtpfb,
                                   Type::psfb, Type::psfb, Type::xr, Type::xr});
  b.clear();
  CHECK(b.remb(Ssrc{1}, 1'000'000, sources));
  CHECK(b.bye(sources));
  CHECK(all(bytes_of(b.written())).size() == 2);
}

TEST_CASE("the recorder's feedback joins a compound packet when it is due") {
  std::array<uint8_t, 200> memory;
  Builder b(memory);
  TwccRecorder recorder;
  recorder.on_packet(1, Ssrc{2}, seconds(1));
  CHECK(!b.twcc(recorder, Ssrc{1}, seconds(1)));
  CHECK(b.twcc(recorder, Ssrc{1}, seconds(1) + TwccRecorder::kInterval));
  CHECK(parse_twcc(only(b.written())));
}
