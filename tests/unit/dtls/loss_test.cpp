// The handshake over bad links, in virtual time, from seeds.
#include <doctest/doctest.h>

#include "tests/unit/dtls/call.h"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("handshakes finish over links that lose, repeat and reorder, with messages in fragments") {
  int replays = 0, retransmissions = 0;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    std::mt19937 r(seed);
    ClientOptions o;
    o.mtu = std::array<long, 4>{256, 300, 500, 1200}[r() % 4];
    const auto below = [&r](int n) { return static_cast<int>(r() % static_cast<unsigned>(n)); };
    const LinkFaults f{0.05 * below(6), 0.1 * below(4), millis(10 + below(150)), millis(below(120))};
    Call call(o, f, seed);
    call.free_when_connected = r() % 2 == 0;
    REQUIRE(call.connect());
    const auto keys = call.remains ? call.remains->keys : call.server->export_keys().value();
    CHECK(same(keys, call.client.keys()));
    if (call.remains) replays += call.remains->replays;
    if (call.server) retransmissions += static_cast<int>(call.server->retransmissions());
  }
  CHECK(replays > 0);
  CHECK(retransmissions > 0);
}

TEST_CASE("the stored last flight lets a client finish when the SSL object is gone") {
  for (const long mtu : {256L, 1200L}) {
    for (int lost = 1; lost <= 5; ++lost) {
      ClientOptions o;
      o.mtu = mtu;
      Call call(o);
      call.free_when_connected = true;
      int last_flights_lost = 0;
      call.filter = [&](bool to_server, const Datagram& d) {
        // Our Finished is the one handshake record of epoch 1 in this direction, too.
        if (to_server || !dtls::looks_like_client_retransmission(d)) return true;
        return ++last_flights_lost > lost;
      };
      REQUIRE(call.connect());
      REQUIRE(call.remains);
      CHECK(call.remains->replays == lost);
      CHECK(call.remains->last_flight.size() <= 192);
      CHECK(call.remains->close_notify.size() <= 64);
      CHECK(same(call.remains->keys, call.client.keys()));
    }
  }
}

TEST_CASE(
    "a lost flight is sent again after 200 ms, then after twice as long each time, with new record numbers") {
  Call call;
  std::vector<std::pair<Micros, Datagram>> from_server;
  call.filter = [&](bool to_server, const Datagram& d) {
    if (!to_server) from_server.emplace_back(call.now, d);
    return to_server && from_server.empty();
  };
  call.start();
  call.run(call.now + seconds(8), [] { return false; });
  REQUIRE(from_server.size() >= 6);
  Micros expected = millis(200);
  uint64_t next = 0;
  for (size_t i = 0; i < from_server.size(); ++i) {
    if (i > 0) {
      CHECK((from_server[i].first - from_server[i - 1].first).us == expected.us);
      expected = std::min(expected * 2, dtls::kMaxTimer);
    }
    dtls::RecordReader reader(from_server[i].second);
    while (const auto record = reader.next()) CHECK(record->sequence == next++);
    CHECK(!reader.malformed());
  }
  CHECK(call.server->retransmissions() == from_server.size() - 1);
}

TEST_CASE("a handshake whose client falls silent fails after 30 s") {
  Call call;
  call.filter = [](bool to_server, const Datagram&) { return to_server; };
  call.start();
  const Micros began = call.now;
  call.run(began + seconds(100), [&] { return call.server->state() == dtls::State::failed; });
  CHECK(call.server->failure() == dtls::Failure::timeout);
  CHECK((call.now - began).us == (dtls::kHandshakeLimit + millis(20)).us);
  CHECK(call.server->deadline() == kNever);
}

TEST_CASE("timers follow the time that is passed in, not the wall clock") {
  Call call;
  call.client.start();
  const auto hello = call.client.take();
  REQUIRE(hello.size() == 1);
  call.server->input(hello[0], seconds(5000), call.out);
  CHECK(call.server->deadline() == seconds(5000) + millis(200));
  call.out.clear();
  // The wall clock leaps an hour, then jumps back a year: nothing is sent early, nothing is held up.
  for (const Micros wall : {seconds(3599), Micros{-seconds(31'536'000).us}, seconds(2)}) {
    set_virtual_time(wall);
    call.server->input(hello[0], seconds(5000) + millis(100), call.out);
    call.server->timeout(seconds(5000) + millis(199), call.out);
    CHECK(call.out.empty());
  }
  call.server->timeout(seconds(5000) + millis(200), call.out);
  CHECK(!call.out.empty());
  CHECK(call.server->deadline() == seconds(5000) + millis(600));
}

TEST_CASE("no datagram is longer than the MTU") {
  Call call;
  size_t longest = 0;
  call.filter = [&](bool to_server, const Datagram& d) {
    if (!to_server) longest = std::max(longest, d.size());
    return true;
  };
  REQUIRE(call.connect());
  CHECK(longest <= dtls::kMtu);
}
