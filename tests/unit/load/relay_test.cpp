#include <doctest/doctest.h>

#include "net/stun/message.h"
#include "tests/unit/load/rig.h"
#include "tools/load/relay_protocol.h"

using namespace sluice;
using namespace sluice::load;

namespace {

const Endpoint kRelay{Address::v4(10, 9, 9, 9), 3478};

Options options() {
  Options o;
  o.target = kRelay;
  return o;
}

Credentials logins(uint32_t n) {
  Credentials c;
  for (uint32_t i = 0; i < n; ++i)
    c.ice.push_back({"server" + std::to_string(i), "0123456789012345678901" + std::to_string(i)});
  return c;
}

/// A transparent relay: a port per client towards far side 0.
void forward(PretendWire& w, const Datagram& d) {
  if (d.from_local.kind() == Local::client) {
    CHECK(d.to == kRelay);
    const Endpoint leg{kRelay.addr, static_cast<uint16_t>(20'000 + d.from_local.index())};
    w.deliver(Local::of(Local::server, 0), leg, d.bytes, w.clock);
  } else {
    CHECK(d.to.addr == kRelay.addr);
    w.deliver(Local::of(Local::client, d.to.port - 20'000U), kRelay, d.bytes, w.clock);
  }
}

bool is_stun(const Datagram& d) { return stun::View::parse(d.bytes).has_value(); }

}  // namespace

TEST_CASE("Sessions come up by checks with integrity both ways, then media flows both ways") {
  Rig<RelayProtocol> rig(20, options(), logins(20), forward);
  rig.run(kStart + 2 * kSecond);
  CHECK(rig.sessions.setup().ready == 20);
  CHECK(rig.sessions.setup().retransmissions == 0);
  CHECK(rig.figures().up.sent == 1000);
  CHECK(rig.figures().up.delivered == 1000);
  CHECK(rig.figures().down.sent >= 980);
  CHECK(rig.figures().loss() == 0);
}

TEST_CASE("A lost check is sent again, consent is checked every few seconds") {
  int checks = 0;
  Rig<RelayProtocol> rig(1, options(), logins(1), [&](PretendWire& w, const Datagram& d) {
    if (d.from_local.kind() == Local::client && is_stun(d) && ++checks == 1) return;
    forward(w, d);
  });
  rig.run(kStart + 21 * kSecond);
  CHECK(rig.sessions.setup().ready == 1);
  CHECK(rig.sessions.setup().retransmissions == 1);
  CHECK(checks >= 6);
  CHECK(checks <= 8);
}

TEST_CASE("A relay that mixes up sessions is found out: the far side verifies ufrag and password") {
  Rig<RelayProtocol> rig(2, options(), logins(2), [](PretendWire& w, const Datagram& d) {
    Datagram spoilt = d;
    if (is_stun(d)) spoilt.bytes[30] ^= 1;
    forward(w, spoilt);
  });
  rig.run(kStart + 60 * kSecond, 5'000'000);
  CHECK(rig.sessions.setup().ready == 0);
  CHECK(rig.sessions.setup().failures.at("no answer to its checks") == 2);
}

TEST_CASE("A session whose far side falls silent is lost after 30 s") {
  Nanos silent_from = kNanosNever;
  Rig<RelayProtocol> rig(1, options(), logins(1), [&](PretendWire& w, const Datagram& d) {
    if (w.clock < silent_from) forward(w, d);
  });
  silent_from = kStart + kSecond;
  rig.run(kStart + 50 * kSecond, 5'000'000);
  CHECK(rig.sessions.setup().ready == 0);
  CHECK(rig.sessions.setup().failed == 1);
}

TEST_CASE("Lines of ufrag and password") {
  const auto read =
      parse_logins("# two\nabcd 0123456789012345678901\r\n\nefgh+/ 012345678901234567890123456789\n");
  REQUIRE(read);
  REQUIRE(read->size() == 2);
  CHECK((*read)[1].ufrag == "efgh+/");
  CHECK((*read)[0].password == "0123456789012345678901");
  for (const char* bad : {"abcd", "abc 0123456789012345678901", "abcd 012345678901234567890", "a b c\n",
                          "abcd 0123456789012345678901 x"})
    CHECK_FALSE(parse_logins(bad));
}
