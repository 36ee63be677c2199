// Calls through a relay and its trunk: what reaches whom, and what happens when either side begins anew.
#include "engine/role/trunk.h"

#include <doctest/doctest.h>

#include "tests/support/trunk_pair.h"

using namespace sluice;
using namespace sluice::test;
using engine::Role;

namespace {

constexpr Endpoint kThief{Address::v4(10, 66, 6, 6), 666};

/// The media tier's shard 0 sends what it likes to whomever it likes, by its first relay.
void send_from_media(TrunkPair& p, const Endpoint& to, std::string_view payload) {
  engine::Core& c = p.media->core(0);
  Packet out;
  out.slot = c.take_slot();
  out.offset = kHeadroom;
  out.len = static_cast<uint16_t>(payload.size());
  std::ranges::copy(payload, c.pool.slot_bytes(out.slot) + kHeadroom);
  out.remote = to;
  out.local = kServer;
  out.ifindex = engine::kTrunkInterface | 0;
  c.transmit(out);
  p.step();
}

}  // namespace

TEST_CASE("a call through the trunk: the media tier sees the client, and the client its relay") {
  TrunkPair p;
  p.run(5);
  CHECK(p.server().up);
  Client c = p.connect(Role::agent);
  const ice::PathAddress& path = p.media->core(0).hot[c.key().index].path;
  CHECK(path.remote == c.at);
  CHECK(path.local == kServer);
  CHECK(engine::is_trunk(path.ifindex));
  CHECK(engine::relay::totals(p.relay->core(0)).unconfirmed == 0);
  p.heard(c);
  p.say(c, 1, "hello");
  p.say(c, 2, "there");
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>{"hello", "there"});
  CHECK(p.server().up_packets >= 3);
  CHECK(p.server().down_packets >= 3);
  CHECK(p.server().flows == 1);
  CHECK(p.relay->backend(0).sent.empty());
}

TEST_CASE("packets of many clients share datagrams, each way") {
  TrunkPair p;
  p.run(5);
  std::vector<Client> clients;
  for (int i = 0; i < 28; ++i) clients.push_back(p.connect(Role::agent));
  p.run(19);
  for (Client& c : clients) p.heard(c);
  const uint64_t up = p.up, down = p.down;
  const std::string words(150, 'w');
  for (Client& c : clients) p.say(c, 1, words);
  p.run(2);
  // Eight to a datagram, and a hello and its answer.
  CHECK(p.up - up <= 5);
  CHECK(p.down - down <= 5);
  for (Client& c : clients) CHECK(p.heard(c) == std::vector<std::string>{words});
}

TEST_CASE("a flow by trunk takes half the room of one with a port of its own") {
  TrunkPair p({.max_flows = 2});
  p.run(5);
  for (int i = 0; i < 4; ++i) p.connect(Role::agent);
  const engine::relay::RelayTotals full = engine::relay::totals(p.relay->core(0));
  CHECK(full.flows == 4);
  CHECK(full.by_trunk == 4);
  CHECK(p.relay->core(0).flows.size() == 4);
  const Client late = p.media->offer(Role::agent);
  p.check(late);
  p.run(2);
  CHECK(p.relay_drops(Drop::flows_full) == 1);
  CHECK(engine::relay::totals(p.relay->core(0)).flows == 4);
}

TEST_CASE("an unanswered client gets its answer and nothing else, and nobody without a flow gets anything") {
  TrunkPair p;
  p.run(5);
  Client known = p.connect(Role::agent);
  p.heard(known);
  send_from_media(p, kThief, "\x80\x6f not wanted");
  CHECK(p.relay_drops(Drop::flow_unknown) == 1);
  // A flow that waits: its check is on the way.
  Client waiting = p.media->offer(Role::agent);
  p.tap = [](bool, const Datagram&) { return false; };
  p.check(waiting);
  p.step();
  p.tap = [](bool, const Datagram&) { return true; };
  CHECK(engine::relay::totals(p.relay->core(0)).unconfirmed == 1);
  p.relay->backend(0).sent.clear();
  send_from_media(p, waiting.at, "\x80\x6f not yet");
  CHECK(p.relay_drops(Drop::flow_unconfirmed) == 1);
  CHECK(p.relay->backend(0).sent.empty());
  p.check(waiting);
  p.run(2);
  CHECK(engine::relay::totals(p.relay->core(0)).unconfirmed == 0);
}

TEST_CASE("a server's frames reach none of another server's clients") {
  TrunkPair p;
  p.run(5);
  Client c = p.connect(Role::agent);
  p.heard(c);
  // The relay takes the flow for another server's.
  p.relay->core(0).flows.find({c.at, kServer})->relay.server = 3;
  send_from_media(p, c.at, "\x80\x6f not mine");
  CHECK(p.relay_drops(Drop::flow_unknown) == 1);
  p.relay->core(0).flows.find({c.at, kServer})->relay.server = 0;
}

TEST_CASE("a frame cannot make a client of a relay's own trunk socket") {
  TrunkPair p;
  p.run(5);
  Client c = p.media->offer(Role::agent);
  p.media->check(c, 0);
  const std::vector<uint8_t> check = p.media->backend(0).waiting.back().bytes;
  p.media->backend(0).waiting.pop_back();
  const trunk::Frame f{
      .client = TrunkPair::relay_trunk(0), .local = TrunkPair::kMediaTrunk, .payload = check};
  engine::Core& relay = p.relay->core(0);
  REQUIRE(engine::frame_out(relay, relay.trunk.peer_of(0), f) == Drop::none);
  engine::flush_frames(relay);
  p.run(2);
  CHECK(p.media_drops(Drop::trunk_malformed) == 1);
  CHECK(p.media->core(0).flows.size() == 0);
  p.connect(Role::agent);
}

TEST_CASE("a datagram that comes twice counts once") {
  TrunkPair p;
  p.run(5);
  std::vector<Datagram> seen;
  p.tap = [&](bool up, const Datagram& d) {
    if (up && d.bytes[0] == 10) seen.push_back(d);
    return true;
  };
  Client c = p.connect(Role::agent);
  REQUIRE_FALSE(seen.empty());
  const uint64_t before = p.media->core(0).hot[c.key().index].rx_packets;
  for (const Datagram& d : seen) p.media->place(0, d.local, d.bytes, d.remote);
  p.step();
  CHECK(p.media_drops(Drop::trunk_replayed) == seen.size());
  CHECK(p.media->core(0).hot[c.key().index].rx_packets == before);
}

TEST_CASE("without the key nothing passes, and the relay says so") {
  TrunkPair p({.relay_key = 1, .media_key = 2});
  p.run(300);
  CHECK_FALSE(p.server().up);
  CHECK(p.down == 0);
  CHECK(p.media_drops(Drop::trunk_auth) == p.up);
  const Client c = p.media->offer(Role::agent);
  p.check(c);
  p.step();
  CHECK(p.relay_drops(Drop::server_down) == 1);
  CHECK(engine::relay::totals(p.relay->core(0)).flows == 0);
}

TEST_CASE(
    "a server that falls silent is down within 70 ms, each packet is counted, and calls go on with it") {
  TrunkPair p;
  p.run(5);
  Client c = p.connect(Role::agent);
  p.heard(c);
  p.run(40);
  CHECK(p.server().rtt_us > 0);
  p.tap = [](bool, const Datagram&) { return false; };
  p.run(71);
  CHECK_FALSE(p.server().up);
  p.say(c, 1, "lost");
  p.say(c, 2, "lost too");
  p.step();
  CHECK(p.relay_drops(Drop::server_down) == 2);
  p.tap = [](bool, const Datagram&) { return true; };
  p.run(110);
  CHECK(p.server().up);
  p.say(c, 3, "back");
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>{"back"});
}

TEST_CASE("a server that restarts is spoken with again at once, and takes calls") {
  TrunkPair p;
  p.run(5);
  p.connect(Role::agent);
  p.restart_media();
  p.run(70);
  CHECK(p.server().up);
  Client c = p.connect(Role::agent);
  p.heard(c);
  p.say(c, 1, "new life");
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>{"new life"});
}

TEST_CASE("a call outlives its relay: the next check makes the flow again, and answers take the new way") {
  TrunkPair p;
  p.run(5);
  Client c = p.connect(Role::agent);
  const uint32_t before = p.media->core(0).hot[c.key().index].path.ifindex;
  p.restart_relay();
  p.run(5);
  p.say(c, 1, "into the void");
  p.step();
  CHECK(p.relay_drops(Drop::miss) == 1);
  p.check(c);
  p.run(2);
  CHECK(p.media->core(0).hot[c.key().index].path.ifindex != before);
  p.heard(c);
  p.say(c, 2, "still here");
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>{"still here"});
  CHECK(p.media->core(0).live_sessions == 1);
}

TEST_CASE("media alone moves a call to an association that was made anew") {
  TrunkPair p;
  p.run(5);
  Client c = p.connect(Role::agent);
  const uint32_t before = p.media->core(0).hot[c.key().index].path.ifindex;
  // The relay is told of another place, and that it was the old one after all.
  const Endpoint elsewhere{TrunkPair::kMediaTrunk.addr, 1};
  for (const Endpoint& e : {elsewhere, TrunkPair::kMediaTrunk})
    REQUIRE(p.relay->relay().put_server({.id = TrunkPair::kMediaId, .address = e, .trunk = true}));
  p.run(5);
  CHECK(p.server().up);
  p.heard(c);
  p.say(c, 1, "moved");
  p.run(5);
  CHECK(p.media->core(0).hot[c.key().index].path.ifindex != before);
  CHECK(p.heard(c) == std::vector<std::string>{"moved"});
}

TEST_CASE("sessions of other shards: handed over, and answered by their owner itself") {
  TrunkPair p({.relay_shards = 2, .media_shards = 2});
  p.run(5);
  CHECK(p.server().up);
  Client c = p.connect(Role::agent, 0);
  REQUIRE(p.owner(c) == 0);
  // Its new address is another relay shard's, whose datagrams go to media shard 1.
  c.at.port = 6001;
  p.check(c, 1);
  p.run(4);
  CHECK(p.media->core(1).handed_over == 1);
  p.heard(c);
  for (uint64_t seq = 1; seq <= 3; ++seq) p.say(c, seq, "from elsewhere", 1);
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>(3, "from elsewhere"));
  CHECK(p.media->core(0).hot[c.key().index].path.remote == c.at);
  CHECK(engine::relay::totals(p.relay->core(1)).down_packets >= 4);
  for (const engine::Notice& n : p.media->notices(1)) CHECK(n.kind != engine::Notice::Kind::steer);
  // That relay shard restarts; its new association is adopted in place of the old one.
  p.restart_relay();
  p.run(5);
  p.check(c, 1);
  p.run(4);
  p.heard(c);
  p.say(c, 4, "again", 1);
  p.run(5);
  CHECK(p.heard(c) == std::vector<std::string>{"again"});
}

TEST_CASE("what servers tell of themselves is there to be read") {
  TrunkPair p;
  p.run(5);
  engine::Command c;
  c.kind = engine::Command::Kind::draining;
  p.media->tell(0, c);
  p.run(45);
  const auto s = p.server();
  CHECK(s.draining);
  CHECK(s.rtt_us > 0);
  CHECK(s.claims == 0);
  REQUIRE(p.relay->relay().remove_server(TrunkPair::kMediaId));
  p.run(2);
  const uint64_t up = p.up;
  p.run(200);
  CHECK(p.up == up);
}

TEST_CASE("a server with another name than the configured one is never up, and its name is told") {
  TrunkPair p;
  REQUIRE(p.relay->relay().remove_server(TrunkPair::kMediaId));
  REQUIRE(p.relay->relay().put_server({.id = {2, 8}, .address = TrunkPair::kMediaTrunk, .trunk = true}));
  p.run(250);
  CHECK_FALSE(p.server().up);
  CHECK(p.server().claims == engine::relay::name_on_trunk(TrunkPair::kMediaId));
}

namespace {

/// What the media tier has sent to the client itself, in the name of the relay; taken.
std::vector<Datagram> past_trunk(TrunkPair& p, uint32_t shard, const Endpoint& client) {
  std::vector<Datagram> out;
  std::erase_if(p.media->backend(shard).sent, [&](const Datagram& d) {
    if (d.remote != client) return false;
    out.push_back(d);
    return true;
  });
  return out;
}

bool is_media(const Datagram& d) {
  const auto kind = wire::classify(d.bytes);
  return kind == wire::PacketClass::rtp || kind == wire::PacketClass::rtcp;
}

}  // namespace

TEST_CASE("media goes past the trunk in the relay's name, and everything else by it") {
  for (const uint32_t owner : {0U, 1U}) {
    CAPTURE(owner);
    TrunkPair p({.media_shards = 2, .direct = true});
    p.hash = [&](uint32_t) { return owner; };
    p.run(5);
    Client c = p.connect(Role::agent);
    REQUIRE(p.owner(c) == owner);
    p.heard(c);
    past_trunk(p, owner, c.at);
    const uint64_t down = p.server().down_packets;
    p.say(c, 1, "hello");
    p.say(c, 2, "there");
    p.run(5);
    const auto direct = past_trunk(p, owner, c.at);
    REQUIRE(direct.size() >= 2);
    for (const Datagram& d : direct) {
      CHECK(d.local == kServer);
      CHECK(is_media(d));
    }
    CHECK(p.server().down_packets == down);
    p.relay->backend(0).sent = direct;
    CHECK(p.heard(c) == std::vector<std::string>{"hello", "there"});
    // Its consent check is answered by the relay, and media alone keeps the flow.
    p.check(c);
    p.run(2);
    CHECK(p.server().down_packets > down);
    CHECK(past_trunk(p, owner, c.at).empty());
    p.media->shard(owner).run_once();
    engine::ShardReport report;
    p.run(300);
    REQUIRE(p.media->shard(owner).report(report));
    CHECK(report.direct_packets >= direct.size());
    CHECK(p.media->shard(owner).conserves_packets());
  }
}

TEST_CASE("a relay keeps a flow whose downstream it never sees, for as long as its client speaks") {
  TrunkPair p({.direct = true});
  p.run(5);
  Client c = p.connect(Role::agent);
  for (uint64_t i = 1; i <= 120; ++i) {
    p.say(c, i);
    p.step();
    p.relay->advance(seconds(1));
    p.media->advance(millis(10));
  }
  p.run(5);
  CHECK(p.server().flows == 1);
  CHECK(engine::relay::totals(p.relay->core(0)).unconfirmed == 0);
}

TEST_CASE("nothing goes past the trunk to an address that has not proven itself") {
  TrunkPair p({.direct = true});
  p.run(5);
  Client c = p.media->offer(Role::agent);
  p.check(c);
  p.run(2);
  const uint32_t session = c.key().index;
  CHECK_FALSE(p.media->core(0).agents[session].selected_proven());
  CHECK_FALSE(p.media->core(0).hot[session].direct);
  CHECK(past_trunk(p, 0, c.at).empty());
  // An authentic Finished is a proof.
  p.media->hand_keys(c, 0);
  p.run(2);
  CHECK(p.media->core(0).hot[session].direct);
  const Endpoint home = c.at;
  p.say(c, 1, "voice");
  c.at = kThief;
  p.check(c);
  p.run(2);
  CHECK(past_trunk(p, 0, kThief).empty());
  CHECK(p.media->core(0).hot[session].path.remote == home);
  CHECK_FALSE(past_trunk(p, 0, home).empty());
}
