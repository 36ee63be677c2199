// Allocations as operators see and end them, and what the wall clock does to logins.
#include <doctest/doctest.h>

#include "engine/role/turn_reports.h"
#include "tests/unit/engine/turn_rig.h"

using namespace sluice;
using namespace sluice::test;
using namespace sluice::test::turn_rig;
using engine::relay::TurnConfig;

namespace {

/// What the shard has published, by allocation.
std::vector<engine::TurnReport> published(engine::Core& c) {
  std::vector<engine::TurnReport> out;
  for (uint32_t i = 0; i < c.turn.reports_end.load(); ++i) {
    engine::TurnReport r;
    if (c.turn.reports[i].load(r) && r.info.handle) out.push_back(r);
  }
  return out;
}

engine::Command command(engine::Command::Kind kind) {
  engine::Command c;
  c.kind = kind;
  return c;
}

}  // namespace

TEST_CASE("time-limited credentials follow the wall clock when it is set") {
  TurnConfig k = config();
  k.secrets = {"0123456789abcdef"};
  Rig r(1, k);
  const auto login = [&](uint16_t port) {
    TurnClient c(r.s, {kAlice.addr, port}, 0, "1000:alice");
    const auto password = turn::rest_password(crypto::kPrimitives, as_bytes(k.secrets[0]), c.user);
    c.password.assign(password.data(), password.size());
    return c.allocate().code();
  };
  const auto set_clock = [&](Micros offset) {
    auto c = command(engine::Command::Kind::wall_clock);
    c.wall_offset = offset;
    r.s.tell(0, c);
    r.s.step();
  };
  CHECK(login(1) == 0);
  set_clock(seconds(1000));
  CHECK(login(2) == 401);
  set_clock(seconds(900));
  CHECK(login(3) == 0);
}

TEST_CASE("an allocation is published as it is made, used, and ended by its client") {
  Rig r;
  TurnClient c = r.client(kAlice, 0);
  c.say(kChannel, "there");
  c.say(kChannel, "and there");
  r.s.place(0, kPeer, as_bytes("back"), c.relay);
  r.s.step();
  r.s.advance(millis(250));
  r.s.step();
  const auto all = published(r.s.core(0));
  REQUIRE(all.size() == 1);
  const turn::AllocationInfo& info = all[0].info;
  CHECK(all[0].user.view() == "alice");
  CHECK(info.client.remote == kAlice);
  CHECK(info.relays[0] == c.relay);
  CHECK(info.peers == 1);
  CHECK(info.channels == 1);
  CHECK(info.ends_s - info.made_s == 601);
  CHECK(info.traffic.to_peer_packets == 2);
  CHECK(info.traffic.to_peer_bytes == 14);
  CHECK(info.traffic.to_client_packets == 1);
  CHECK(info.traffic.to_client_bytes == 4);
  CHECK(c.refresh(0).code() == 0);
  CHECK(published(r.s.core(0)).empty());
}

TEST_CASE("an operator ends one allocation, by its name only, and its stream with it") {
  Rig r(1, config(), ports(), {.streams = 64});
  TurnClient c(r.s, kAlice), other(r.s, kBob, 0, "bob");
  c.ifindex = turn_stream(2);
  REQUIRE(c.allocate().code() == 0);
  REQUIRE(other.allocate().code() == 0);
  const Handle name = published(r.s.core(0))[0].info.handle;
  auto end = command(engine::Command::Kind::turn_close);
  end.session = {name.index, name.gen + 1};
  r.s.tell(0, end);
  r.s.step();
  CHECK(r.allocations() == 2);
  end.session = {name.index, name.gen};
  r.s.tell(0, end);
  r.s.tell(0, end);
  r.s.step();
  CHECK(r.allocations() == 1);
  CHECK(published(r.s.core(0)).size() == 1);
  CHECK(r.s.backend(0).open_ports == 1);
  CHECK(r.s.core(0).flows.size() == 1);
  CHECK(r.s.closed_streams() == std::vector<uint32_t>{c.ifindex});
}

TEST_CASE("a drain makes no new allocations, and its end gives all ports back and closes streams") {
  Rig r(1, config(), ports(), {.streams = 64});
  TurnClient a = r.client(kAlice, 0), b(r.s, kBob, 0, "bob"), late(r.s, {kBob.addr, 77}, 0, "bob");
  b.ifindex = turn_stream(2);
  REQUIRE(b.allocate([](stun::Builder& m) {
             const std::array<uint8_t, 1> reserve{0x80};
             m.attribute(stun::Attr::even_port, reserve);
           }).code() == 0);
  CHECK(r.s.backend(0).open_ports == 3);
  r.s.tell(0, command(engine::Command::Kind::draining));
  r.s.step();
  CHECK(late.allocate().code() == 508);
  CHECK(a.refresh(600).code() == 0);
  engine::ShardReport report;
  REQUIRE(r.s.shard(0).report(report));
  CHECK(report.draining);
  CHECK(report.turn.allocations == 2);
  r.s.tell(0, command(engine::Command::Kind::turn_end));
  r.s.step();
  REQUIRE(r.s.shard(0).report(report));
  CHECK(report.turn.allocations == 0);
  CHECK(report.turn.deleted == 2);
  CHECK(report.turn.reservations == 0);
  CHECK(r.s.backend(0).open_ports == 0);
  CHECK(r.s.core(0).flows.size() == 0);
  CHECK(published(r.s.core(0)).empty());
  CHECK(r.s.closed_streams() == std::vector<uint32_t>{b.ifindex});
  CHECK(a.refresh(600).code() == 437);
}
