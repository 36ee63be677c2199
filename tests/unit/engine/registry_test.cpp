#include "engine/signal/registry.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "engine/shard/directory.h"
#include "engine/signal/rooms.h"

using namespace sluice;
using namespace sluice::engine;

TEST_CASE("a registry refuses when full and never gives a name twice") {
  Registry r(2);
  const SessionKey a = r.create(seconds(1))->spec.key;
  REQUIRE(r.create(seconds(2)) != nullptr);
  CHECK(r.create(seconds(3)) == nullptr);
  r.erase(a);
  CHECK(r.find(a) == nullptr);
  const SessionKey again = r.create(seconds(4))->spec.key;
  CHECK(again.index == a.index);
  CHECK(again.gen != a.gen);
  CHECK(r.find(a) == nullptr);
  CHECK(r.live() == 2);
}

TEST_CASE("of a session that has gone no password is left, neither here nor in the directory") {
  Registry r(1);
  Directory d(1);
  SessionRecord* const record = r.create(seconds(1));
  record->spec.remote_pwd.assign("0123456789012345678901");
  d.publish(record->spec);
  const SessionKey key = record->spec.key;
  d.erase(key);
  r.erase(key);
  CHECK(std::ranges::all_of(record->spec.remote_pwd.data, [](char c) { return c == 0; }));
  SessionSpec spec;
  spec.remote_pwd.assign("overwritten");
  // An erased entry names no session; the empty key reads what is really there.
  REQUIRE(d.read({key.index, 0}, spec));
  CHECK(std::ranges::all_of(spec.remote_pwd.data, [](char c) { return c == 0; }));
}

TEST_CASE("sessions are listed oldest first, whatever slots they sit in") {
  Registry r(4);
  const SessionKey a = r.create(seconds(1))->spec.key;
  const SessionKey b = r.create(seconds(2))->spec.key;
  r.erase(a);
  const SessionKey c = r.create(seconds(3))->spec.key;
  std::vector<SessionKey> order;
  r.for_each([&](const SessionRecord& s) { order.push_back(s.spec.key); });
  CHECK(order == std::vector{b, c});
}

TEST_CASE("a session key survives being packed") {
  const SessionKey k{123456, 0x3ffffff};
  CHECK(SessionKey::unpack(k.packed()) == k);
}

TEST_CASE("a room lives as long as somebody holds it, and comes back under another generation") {
  Rooms rooms(1);
  const auto a = rooms.hold("lobby");
  REQUIRE(a);
  CHECK(rooms.hold("lobby")->gen == a->gen);
  CHECK(!rooms.hold("other"));
  CHECK(!rooms.release(a->index));
  CHECK(rooms.release(a->index));
  CHECK(rooms.find("lobby") == nullptr);
  CHECK(rooms.hold("lobby")->gen != a->gen);
}

TEST_CASE("shards are told where the players sit") {
  Rooms rooms(4);
  const auto room = rooms.hold("r");
  rooms.at(room->index).players[0] = 2;
  rooms.at(room->index).players[5] = 1;
  rooms.at(room->index).publisher = {3, 4};
  const Command c = rooms.command_for(room->index);
  CHECK(c.kind == Command::Kind::room);
  CHECK(c.shards_with_players == 0b100001);
  CHECK(c.session == SessionKey{3, 4});
  CHECK(c.room_gen == room->gen);
}
