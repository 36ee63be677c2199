// How a relay's shard and a server's shards come to send each other frames, and how they do after restarts.
#include <doctest/doctest.h>

#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;

namespace {

struct Pair {
  Node relay{{.id = kRelay, .shard = 2, .shards = 4}, address_of(1), 1};
  Node server{{.id = kServer, .shard = 3, .shards = 8, .direct = true}, address_of(2), 2};
};

/// The one frame of data that arrives.
template <class R>
void check_frame(const R& received, PeerIndex peer) {
  REQUIRE(received.has_value());
  CHECK(received->peer == peer);
  trunk::Reader r(received->body);
  Frame f;
  REQUIRE(r.next(f));
  CHECK(f.client == kFrame.client);
  CHECK(f.local == kFrame.local);
  CHECK_FALSE(r.next(f));
  CHECK(r.ok());
}

}  // namespace

TEST_CASE(
    "hello, welcome, data: the relay is up after one round trip, the server once data proves the address") {
  Pair p;
  const auto server = p.relay.trunk.add_server(kServer, p.server.address, 1, kStart);
  REQUIRE(server.has_value());
  CHECK_FALSE(p.relay.trunk.can_send(*server));
  CHECK(p.relay.trunk.deadline() == kStart);

  const auto hello = next_hello(p.relay, kStart);
  REQUIRE(hello.has_value());
  const auto heard = p.server.receive(*hello, p.relay, kStart);
  REQUIRE(heard.has_value());
  CHECK(heard->type == Type::hello);
  CHECK_FALSE(p.server.trunk.can_send(heard->peer));
  CHECK_FALSE(p.server.trunk.route(heard->peer).has_value());

  const Datagram welcome = p.server.welcome(heard->peer);
  CHECK(welcome.size() == hello->size());
  const auto up = p.relay.receive(welcome, p.server, kStart + millis(3));
  REQUIRE(up.has_value());
  CHECK(up->change == Change::up);
  CHECK(p.relay.trunk.can_send(*server));
  CHECK(p.relay.trunk.figures(*server).rtt == millis(3));
  CHECK(p.relay.trunk[*server].status.shards == 8);
  CHECK(p.relay.trunk[*server].status.direct);

  const Datagram up_frames = p.relay.data(*server, {&kFrame, 1});
  const auto data = p.server.receive(up_frames, p.relay, kStart + millis(4));
  check_frame(data, heard->peer);
  CHECK(data->change == Change::up);
  CHECK(p.server.trunk.can_send(heard->peer));
  CHECK(p.server.trunk[heard->peer].remote == p.relay.address);
  CHECK(p.server.trunk[heard->peer].association.relay_shard == 2);

  check_frame(p.relay.receive(p.server.data(heard->peer, {&kFrame, 1}), p.server, kStart + millis(5)),
              *server);
}

TEST_CASE("either kind of GMAC speaks with the other") {
  using Kind = crypto::GmacKeys::Kind;
  Node relay({.id = kRelay}, address_of(1), 1, 4, 4, Kind::openssl);
  Node server({.id = kServer}, address_of(2), 2, 4, 4, Kind::automatic);
  const Link link = connect(relay, server, kServer, kStart);
  check_frame(server.receive(relay.data(link.server, {&kFrame, 1}), relay, kStart + millis(1)), link.relay);
  check_frame(relay.receive(server.data(link.relay, {&kFrame, 1}), server, kStart + millis(1)), link.server);
}

TEST_CASE("frames to the relay follow it when its address changes, but not a datagram that comes late") {
  Pair p;
  const Link link = connect(p.relay, p.server, kServer, kStart);
  const Datagram late = p.relay.data(link.server, {&kFrame, 1}),
                 next = p.relay.data(link.server, {&kFrame, 1});
  const Endpoint moved = address_of(1, 4001);
  const auto r = p.server.trunk.receive(next, moved, p.server.address, kStart + millis(1));
  REQUIRE(r.has_value());
  CHECK(r->change == Change::moved);
  CHECK(p.server.trunk[link.relay].remote == moved);
  const auto old = p.server.receive(late, p.relay, kStart + millis(2));
  REQUIRE(old.has_value());
  CHECK(old->change == Change::none);
  CHECK(p.server.trunk[link.relay].remote == moved);
}

TEST_CASE(
    "a relay that restarts is another peer at once, and nothing of its old life is accepted as the new") {
  Pair p;
  const Link before = connect(p.relay, p.server, kServer, kStart);
  const Datagram captured = p.relay.data(before.server, {&kFrame, 1});
  Node again({.id = kRelay, .shard = 2}, p.relay.address, 77);
  const Link after = connect(again, p.server, kServer, kStart + seconds(1));
  CHECK(after.relay != before.relay);
  // It was never received, so it is accepted, as of the old association.
  const auto r = p.server.receive(captured, p.relay, kStart + seconds(1));
  REQUIRE(r.has_value());
  CHECK(r->peer == before.relay);
  CHECK(p.server.receive(captured, p.relay, kStart + seconds(1)).error() == Drop::trunk_replayed);

  // What the server sends to the old life is nothing to the new one.
  CHECK(again.receive(p.server.data(before.relay, {&kFrame, 1}), p.server, kStart + seconds(1)).error() ==
        Drop::trunk_stale);
}

TEST_CASE("an epoch that was forgotten cannot be brought back by replaying its hello and data") {
  Pair p;
  const auto server = p.relay.trunk.add_server(kServer, p.server.address, 1, kStart);
  const auto hello = next_hello(p.relay, kStart);
  const auto heard = p.server.receive(*hello, p.relay, kStart);
  (void)p.relay.receive(p.server.welcome(heard->peer), p.server, kStart);
  const Datagram data = p.relay.data(*server, {&kFrame, 1});
  check_frame(p.server.receive(data, p.relay, kStart), heard->peer);

  Datagram unused(kControlBytes);
  const Micros later = kStart + seconds(11);
  const auto due = p.server.trunk.poll(later, unused);
  REQUIRE(due.has_value());
  CHECK(due->change == Change::forgotten);
  CHECK(p.server.receive(data, p.relay, later).error() == Drop::trunk_stale);
  const auto replayed = p.server.receive(*hello, p.relay, later);
  REQUIRE(replayed.has_value());
  CHECK(p.server.receive(data, p.relay, later).error() == Drop::trunk_stale);
  CHECK_FALSE(p.server.trunk.can_send(replayed->peer));
}

TEST_CASE("a server that restarts is noticed by the next hello, and a round trip later it is up again") {
  Pair p;
  const Link link = connect(p.relay, p.server, kServer, kStart);
  const Datagram captured = p.relay.data(link.server, {&kFrame, 1});
  const uint64_t old_epoch = p.relay.trunk[link.server].association.relay_epoch;

  Node again({.id = kServer, .shard = 3, .shards = 8}, p.server.address, 99);
  const Micros t = kStart + millis(21);
  CHECK(again.receive(captured, p.relay, t).error() == Drop::trunk_stale);
  auto hello = next_hello(p.relay, t);
  REQUIRE(hello.has_value());
  auto heard = again.receive(*hello, p.relay, t);
  REQUIRE(heard.has_value());
  auto r = p.relay.receive(again.welcome(heard->peer), again, t);
  REQUIRE(r.has_value());
  CHECK(r->change == Change::restarted);
  CHECK_FALSE(p.relay.trunk.can_send(link.server));
  CHECK(p.relay.trunk[link.server].association.relay_epoch != old_epoch);

  hello = next_hello(p.relay, t);
  REQUIRE(hello.has_value());
  heard = again.receive(*hello, p.relay, t);
  REQUIRE(heard.has_value());
  r = p.relay.receive(again.welcome(heard->peer), again, t);
  REQUIRE(r.has_value());
  CHECK(r->change == Change::up);
  check_frame(again.receive(p.relay.data(link.server, {&kFrame, 1}), p.relay, t), heard->peer);
  CHECK(again.receive(captured, p.relay, t).error() == Drop::trunk_stale);
}

TEST_CASE("a captured welcome of a server's former life does not bring that back") {
  Pair p;
  const auto server = p.relay.trunk.add_server(kServer, p.server.address, 1, kStart);
  const auto hello = next_hello(p.relay, kStart);
  const Datagram first = p.server.welcome(p.server.receive(*hello, p.relay, kStart)->peer);
  Node other({.id = kServer, .shard = 4}, p.server.address, 5);
  const Datagram second = other.welcome(other.receive(*hello, p.relay, kStart)->peer);
  REQUIRE(p.relay.receive(first, p.server, kStart)->change == Change::up);
  // The hello is answered; only a later one could be.
  CHECK(p.relay.receive(second, other, kStart).error() == Drop::trunk_replayed);
  CHECK(p.relay.trunk.can_send(*server));
}

TEST_CASE("two relays of the same id and shard do not disturb each other") {
  Pair p;
  Node twin({.id = kRelay, .shard = 2}, address_of(5), 55);
  const Link a = connect(p.relay, p.server, kServer, kStart), b = connect(twin, p.server, kServer, kStart);
  CHECK(a.relay != b.relay);
  for (int i = 1; i < 20; ++i) {
    const Micros t = kStart + millis(i * 21);
    for (Node* relay : {&p.relay, &twin}) {
      const Link& link = relay == &twin ? b : a;
      const auto hello = next_hello(*relay, t);
      REQUIRE(hello.has_value());
      const auto heard = p.server.receive(*hello, *relay, t);
      REQUIRE(heard.has_value());
      CHECK(heard->peer == link.relay);
      CHECK(relay->receive(p.server.welcome(link.relay), p.server, t)->change == Change::none);
      check_frame(p.server.receive(relay->data(link.server, {&kFrame, 1}), *relay, t), link.relay);
      CHECK(p.server.trunk[link.relay].remote == relay->address);
    }
  }
}

TEST_CASE("a server under another id than configured stays down, and says which id it has") {
  Pair p;
  const auto server = p.relay.trunk.add_server(kServer + 1, p.server.address, 1, kStart);
  const auto hello = next_hello(p.relay, kStart);
  const auto heard = p.server.receive(*hello, p.relay, kStart);
  REQUIRE(heard.has_value());
  CHECK(p.relay.receive(p.server.welcome(heard->peer), p.server, kStart).error() == Drop::trunk_auth);
  CHECK(p.relay.trunk[*server].named == kServer);
  CHECK_FALSE(p.relay.trunk.can_send(*server));
}

TEST_CASE("another key, another key id or a key that was removed: nothing") {
  Pair p;
  CHECK_FALSE(p.relay.trunk.add_server(kServer, p.server.address, 2, kStart).has_value());
  p.relay.trunk.set_key(2, test_key(0x22));
  REQUIRE(p.relay.trunk.add_server(kServer, p.server.address, 2, kStart).has_value());
  const auto hello = next_hello(p.relay, kStart);
  CHECK(p.server.receive(*hello, p.relay, kStart).error() == Drop::trunk_auth);
  p.server.trunk.set_key(2, test_key(0x33));
  CHECK(p.server.receive(*hello, p.relay, kStart).error() == Drop::trunk_auth);
  p.server.trunk.set_key(2, test_key(0x22));
  const auto heard = p.server.receive(*hello, p.relay, kStart);
  REQUIRE(heard.has_value());

  const Link link = connect(p.relay, p.server, kServer, kStart);
  p.server.trunk.remove_key(2);
  CHECK(p.server.trunk[heard->peer].role == Role::none);
  CHECK(p.server.trunk[link.relay].role == Role::relay);
  CHECK(p.server.receive(*hello, p.relay, kStart).error() == Drop::trunk_auth);
}

TEST_CASE("another shard of the server answers the relay by the route that its own shard gives it") {
  Pair p;
  Node other({.id = kServer, .shard = 5, .shards = 8}, p.server.address, 6);
  const Link link = connect(p.relay, p.server, kServer, kStart);
  const auto route = p.server.trunk.route(link.relay);
  REQUIRE(route.has_value());
  const auto adopted = other.trunk.adopt(*route);
  REQUIRE(adopted.has_value());
  CHECK(other.trunk.adopt(*route) == adopted);
  CHECK(other.trunk.can_send(*adopted));
  CHECK(other.trunk[*adopted].remote == p.relay.address);

  const Datagram d = other.data(*adopted, {&kFrame, 1});
  check_frame(p.relay.receive(d, other, kStart), link.server);
  CHECK(p.relay.receive(d, other, kStart).error() == Drop::trunk_replayed);
  check_frame(p.relay.receive(p.server.data(link.relay, {&kFrame, 1}), p.server, kStart), link.server);

  // Made anew it goes on with its sequences, so what the relay has seen stays seen.
  other.trunk.remove(*adopted);
  const auto again = other.trunk.adopt(*route);
  REQUIRE(again.has_value());
  check_frame(p.relay.receive(other.data(*again, {&kFrame, 1}), other, kStart), link.server);
  CHECK(p.relay.receive(d, other, kStart).error() == Drop::trunk_replayed);
}

TEST_CASE("when peers or receiving states run out, a newcomer is refused and the others stay") {
  Node server({.id = kServer}, address_of(2), 2, 2, 2);
  Node a({.id = 1}, address_of(11), 11), b({.id = 2}, address_of(12), 12), c({.id = 3}, address_of(13), 13);
  const Link first = connect(a, server, kServer, kStart);
  connect(b, server, kServer, kStart);
  REQUIRE(c.trunk.add_server(kServer, server.address, 1, kStart).has_value());
  const auto hello = next_hello(c, kStart);
  CHECK(server.receive(*hello, c, kStart).error() == Drop::trunk_full);
  check_frame(server.receive(a.data(first.server, {&kFrame, 1}), a, kStart), first.relay);
  server.trunk.remove(first.relay);
  CHECK(server.receive(*hello, c, kStart).has_value());

  Node relay({.id = kRelay}, address_of(1), 1, 2, 1), one({.id = kServer, .shard = 0}, address_of(2), 3),
      two({.id = kServer, .shard = 1}, address_of(2), 4);
  const Link link = connect(relay, one, kServer, kStart);
  const auto adopted = two.trunk.adopt(*one.trunk.route(link.relay));
  CHECK(relay.receive(two.data(*adopted, {&kFrame, 1}), two, kStart).error() == Drop::trunk_full);
  check_frame(relay.receive(one.data(link.relay, {&kFrame, 1}), one, kStart), link.server);
}

TEST_CASE("limits of a writer are the smaller of both sides'") {
  Node relay({.id = kRelay, .max_datagram = 1400, .max_single = 1800}, address_of(1), 1);
  Node server({.id = kServer, .max_datagram = 1300, .max_single = 1300}, address_of(2), 2);
  const Link link = connect(relay, server, kServer, kStart);
  const std::vector<uint8_t> most(1300 - 56), more(1300 - 55);
  Datagram memory(1800);
  trunk::Writer w = relay.trunk.writer(link.server);
  w.start(memory);
  CHECK_FALSE(w.add(frame(more)));
  CHECK(w.add(frame(most)));
}
