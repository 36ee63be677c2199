#include "tools/load/generator.h"

#include <doctest/doctest.h>

#include "tests/unit/load/rig.h"
#include "tools/load/udp_protocol.h"

using namespace sluice;
using namespace sluice::load;

namespace {

const Endpoint kForwarder{Address::v4(10, 9, 9, 9), 5000};
struct UdpRig : Rig<UdpProtocol> {
  UdpRig(uint32_t n, UdpPath path, PretendWire::Network network)
      : Rig(n, make_options(path), {}, std::move(network)) {}
  static Options make_options(UdpPath path) {
    Options o;
    o.target = kForwarder;
    o.path = path;
    return o;
  }
};

/// Sends everything to the port beside, a millisecond after it was meant to leave.
void to_partner(PretendWire& wire, const Datagram& d) {
  const auto kind = d.from_local.kind() == Local::client ? Local::partner : Local::client;
  wire.deliver(Local::of(kind, d.from_local.index()), kForwarder, d.bytes,
               read_mark(d.bytes).intended + 1'000'000);
}

}  // namespace

TEST_CASE("A second of 50 packets/s each way, all delivered, latency from the intended moment") {
  UdpRig rig(10, UdpPath::pairs, to_partner);
  rig.run(kStart + 2 * kSecond);
  for (const WayFigures* w : {&rig.figures().up, &rig.figures().down}) {
    // Far sides begin half an interval later: the first 20 ms lack half of their packets.
    CHECK(w->sent == (w == &rig.figures().up ? 500 : 495));
    CHECK(w->delivered == w->sent);
    CHECK(w->latency.min() == 1'000'000);
    CHECK(w->latency.max() == 1'000'000);
  }
  CHECK(rig.figures().lag.max() <= 1'000'000);
  CHECK(rig.sessions.setup().ready == 10);
}

TEST_CASE("A stall of the generator is no pause of the load: what is due is sent, late, and said to be") {
  UdpRig rig(10, UdpPath::pairs, to_partner);
  rig.run(kStart + kSecond / 2);
  rig.now += kSecond / 4;
  rig.run(kStart + 2 * kSecond);
  CHECK(rig.figures().up.sent == 500);
  CHECK(rig.figures().lag.percentile(99) > kSecond / 5);
  CHECK_FALSE(generator_limits(rig.figures(), {}).empty());
}

TEST_CASE("Losses, duplicates and disorder are counted apart") {
  int n = 0;
  std::vector<Datagram> held;
  UdpRig rig(1, UdpPath::pairs, [&](PretendWire& w, const Datagram& d) {
    if (read_mark(d.bytes).way == Way::down) return;  // lost
    if (++n % 10 == 0) {
      held.push_back(d);
      return;
    }
    to_partner(w, d);
    if (n % 10 == 5) to_partner(w, d);
    for (const Datagram& h : held) to_partner(w, h);
    held.clear();
  });
  rig.run(kStart + 2 * kSecond);
  CHECK(rig.figures().up.delivered == 50);
  CHECK(rig.figures().up.duplicates == 5);
  CHECK(rig.figures().up.reordered == 5);
  CHECK(rig.figures().down.lost() == 50);
  CHECK(rig.figures().loss() == doctest::Approx(0.5));
}

TEST_CASE("The far side answers to where the first packet came from") {
  const Endpoint leg{Address::v4(10, 9, 9, 9), 40'000};
  UdpRig rig(3, UdpPath::sink, [&](PretendWire& w, const Datagram& d) {
    const Mark m = read_mark(d.bytes);
    if (m.way == Way::up) {
      CHECK(d.to == kForwarder);
      w.deliver(Local::of(Local::server, 0), leg, d.bytes, m.intended);
    } else {
      CHECK(d.to == leg);
      w.deliver(Local::of(Local::client, m.session), kForwarder, d.bytes, m.intended);
    }
  });
  rig.run(kStart + 2 * kSecond);
  CHECK(rig.figures().up.delivered == 150);
  CHECK(rig.figures().down.delivered >= 147);
  CHECK(rig.figures().down.lost() == 0);
}

TEST_CASE("What is left over from another run, or is no media, is nobody's") {
  UdpRig rig(1, UdpPath::echo, [](PretendWire& w, const Datagram& d) {
    std::vector<uint8_t> old = d.bytes;
    Mark m = read_mark(old);
    m.run ^= 1;
    write_rtp(old, m);
    w.deliver(d.from_local, kForwarder, old, m.intended);
    w.deliver(d.from_local, kForwarder, {1, 2, 3}, m.intended);
    w.deliver(d.from_local, kForwarder, {}, m.intended);
  });
  rig.run(kStart + kSecond / 2);
  CHECK(rig.figures().up.delivered == 0);
  CHECK(rig.figures().strays > 0);
}

TEST_CASE("The series says in which second packets were meant to leave") {
  UdpRig rig(2, UdpPath::pairs, to_partner);
  rig.run(kStart + 4 * kSecond);
  const auto& series = rig.generator.series();
  REQUIRE(series.size() >= 3);
  for (size_t i = 1; i < 3; ++i) {
    CHECK(series[i].sent == 200);
    CHECK(series[i].delivered == 200);
    CHECK(series[i].ready == 2);
  }
}

TEST_CASE("Sessions that are begun in clumps keep the pace") {
  Options o = UdpRig::make_options(UdpPath::pairs);
  o.setup_clump = 8;
  Rig<UdpProtocol> rig(44, o, {}, to_partner);
  rig.generator.set_pace({.target = 44, .setup_rate = 1000});
  const Nanos begun = rig.now;
  const auto ready_after = [&](Nanos passed) {
    rig.run(begun + passed);
    return rig.sessions.setup().ready;
  };
  CHECK(ready_after(1'000'000) == 8);
  CHECK(ready_after(7'500'000) == 8);
  CHECK(ready_after(8'500'000) == 16);
  CHECK(ready_after(39'500'000) == 40);
  CHECK(ready_after(41'000'000) == 44);
}

namespace {

/// Counts timers that have run out.
class Alarms final : public Protocol {
 public:
  using Protocol::Protocol;
  void open(uint32_t s, Nanos now) override {
    bench_.sessions.ready(s, now);
    bench_.sessions.set_timer(s, kStart + 60 * kSecond);
  }
  void on_timer(uint32_t, Nanos) override { ++rung; }
  uint32_t rung = 0;
};

}  // namespace

TEST_CASE("Of very many sessions a round looks at a part of the timers, and in turn at all of them") {
  constexpr uint32_t kMany = 100'000;
  Options o;
  o.up = o.down = false;
  Rig<Alarms> rig(kMany, o, {}, [](PretendWire&, const Datagram&) {});
  rig.generator.set_pace({.target = kMany, .setup_rate = 1e6});
  rig.wire.clock = rig.now;
  while (rig.sessions.setup().ready < kMany) rig.run(rig.now + 10'000'000);
  rig.now = kStart + 60 * kSecond;
  rig.run(rig.now + 1'000'000, 1'000'000);
  CHECK(rig.protocol.rung > 0);
  CHECK(rig.protocol.rung < kMany / 10);
  rig.run(rig.now + 20'000'000, 1'000'000);
  CHECK(rig.protocol.rung == kMany);
}
