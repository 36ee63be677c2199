#include "engine/relay/turn.h"

#include <doctest/doctest.h>

#include "tests/unit/engine/turn_rig.h"

using namespace sluice;
using namespace sluice::test;
using namespace sluice::test::turn_rig;
using engine::relay::RelayConfig;
using engine::relay::TurnConfig;

namespace {

std::string text(const Datagram& d) { return std::string(as_text(d.bytes)); }

}  // namespace

TEST_CASE("a TURN client's channel carries both ways, from a port of a relay address") {
  Rig r;
  TurnClient c = r.client(kAlice, 0);
  CHECK(c.relay.addr == kRelayAddress);
  CHECK((c.relay.port >= 50'048 && c.relay.port <= 50'559));
  c.say(kChannel, "there");
  r.s.place(0, kPeer, as_bytes("back"), c.relay);
  r.s.step();
  const auto there = r.sent_to(kPeer);
  REQUIRE(there.size() == 1);
  CHECK(there[0].local == c.relay);
  CHECK(text(there[0]) == "there");
  CHECK(c.heard(kChannel) == std::vector<std::string>{"back"});
  CHECK(r.s.shard(0).conserves_packets());
}

TEST_CASE("channel numbers of RFC 5766 beyond 0x4FFF reach TURN too") {
  Rig r;
  TurnClient c = r.client(kAlice, 0);
  REQUIRE(c.bind(0x7ffe, {kPeer.addr, 5001}).code() == 0);
  c.say(0x7ffe, "high");
  r.s.step();
  CHECK(r.sent_to({kPeer.addr, 5001}).size() == 1);
  TurnClient stranger(r.s, kBob);
  stranger.say(0x7ffe, "high");
  stranger.say(kChannel, "low");
  r.s.step();
  CHECK(r.dropped(Drop::unknown_class) == 1);
  CHECK(r.dropped(Drop::turn_no_allocation) == 1);
}

TEST_CASE("indications carry to and from peers with a permission, and to no other") {
  Rig r;
  TurnClient c(r.s, kAlice);
  REQUIRE(c.allocate().code() == 0);
  c.indicate(kPeer, as_bytes("too early"));
  r.s.step();
  CHECK(r.sent_to(kPeer).empty());
  REQUIRE(c.permit(kPeer).code() == 0);
  c.indicate(kPeer, as_bytes("there"));
  r.s.place(0, kPeer, as_bytes("back"), c.relay);
  r.s.place(0, kBob, as_bytes("intruder"), c.relay);
  r.s.step();
  const auto there = r.sent_to(kPeer);
  REQUIRE(there.size() == 1);
  CHECK(text(there[0]) == "there");
  const auto got = c.received();
  REQUIRE(got.size() == 1);
  const auto view = stun::View::parse(got[0]).value();
  CHECK(view.method() == static_cast<uint16_t>(stun::Method::data));
  CHECK(as_text(view.find(stun::Attr::data).value()) == "back");
  CHECK(view.xor_address(stun::Attr::xor_peer_address) == kPeer);
  CHECK(r.dropped(Drop::turn_no_permission) == 2);
}

TEST_CASE("two clients of the process that speak to each other are joined inside it") {
  for (const uint32_t other : {0U, 1U}) {
    CAPTURE(other);
    Rig r(2);
    TurnClient a = r.client(kAlice, 0), b = r.client(kBob, other);
    CHECK(a.relay != b.relay);
    REQUIRE(a.bind(0x4002, b.relay).code() == 0);
    REQUIRE(b.bind(0x4003, a.relay).code() == 0);
    for (int i = 0; i < 40; ++i) a.say(0x4002, "to bob");
    b.say(0x4003, "to alice");
    r.s.step(3);
    CHECK(b.heard(0x4003) == std::vector<std::string>(40, "to bob"));
    CHECK(a.heard(0x4002) == std::vector<std::string>{"to alice"});
    CHECK(r.sent_to(a.relay).empty());
    CHECK(r.sent_to(b.relay).empty());
    // Who has not invited the other hears nothing, and a port without an allocation swallows what it gets.
    const Endpoint nobody{kRelayAddress, static_cast<uint16_t>(b.relay.port ^ 1)};
    REQUIRE(a.bind(0x4004, nobody).code() == 0);
    a.say(0x4004, "anybody?");
    r.s.step(3);
    CHECK(r.dropped(Drop::turn_no_allocation) + r.dropped(Drop::flow_unknown) == 1);
  }
}

TEST_CASE("a session of the process is reached through a relay endpoint of its own, without the network") {
  for (const uint32_t owner : {0U, 1U}) {
    CAPTURE(owner);
    Rig r(2);
    TurnClient c = r.client(kAlice, 0, kServer);
    test::Client call = r.s.connect(engine::Role::agent, owner);
    r.s.step(2);
    call.at = c.relay;
    r.s.check(call, 0);
    c.say(kChannel, r.taken_back(0));
    r.s.step(4);
    // The answer, and a check of the server's own; both as ChannelData.
    const auto got = c.heard(kChannel);
    REQUIRE(got.size() == 2);
    size_t answers = 0;
    for (const std::string& m : got)
      answers += stun::View::parse(as_bytes(m))->is_binding(stun::Class::success);
    CHECK(answers == 1);
    CHECK(r.sent_to(c.relay).empty());
    // New media proves the address, and the echo follows.
    r.s.say(call, 0, 1);
    c.say(kChannel, r.taken_back(0));
    r.s.step(4);
    r.s.advance(seconds(1));
    r.s.step(4);
    size_t rtp = 0;
    for (const std::string& m : c.heard(kChannel)) rtp += static_cast<uint8_t>(m[0]) == 0x80;
    CHECK(rtp >= 1);
    CHECK(r.sent_to(c.relay).empty());
  }
}

TEST_CASE("no allocation is made through another one of the process") {
  Rig r;
  TurnClient c = r.client(kAlice, 0, kServer);
  TurnClient inner(r.s, c.relay);
  c.say(kChannel, inner.request(stun::Method::allocate, TurnClient::udp));
  r.s.step(2);
  CHECK(c.received().empty());
  CHECK(r.dropped(Drop::turn_peer_denied) == 1);
}

TEST_CASE("one pair of addresses may be a TURN client's and a session's") {
  Rig r;
  test::Client call = r.s.connect(engine::Role::agent, 0);
  TurnClient c = r.client(call.at, 0);
  r.s.check(call, 0);
  r.s.step();
  CHECK(c.received().size() == 1);
  c.say(kChannel, "payload");
  r.s.say(call, 0, 1);
  r.s.step();
  CHECK(r.sent_to(kPeer).size() == 1);
  r.s.advance(seconds(1));
  r.s.step();
  CHECK(r.s.heard(call).size() == 1);
  CHECK(c.refresh(0).code() == 0);
  CHECK(r.s.core(0).live_sessions == 1);
}

TEST_CASE("a retransmitted request in the same batch makes no second allocation") {
  Rig r;
  TurnClient c(r.s, kAlice);
  REQUIRE(c.refresh(600).code() == 437);  // has a nonce now
  const auto request = c.request(stun::Method::allocate, TurnClient::udp);
  c.send(request);
  c.send(request);
  r.s.step();
  const auto got = c.received();
  REQUIRE(got.size() == 2);
  CHECK(got[0] == got[1]);
  CHECK(r.allocations() == 1);
}

TEST_CASE("an allocation follows its client to another address, at its shard and at another") {
  for (const uint32_t arrives : {0U, 1U}) {
    CAPTURE(arrives);
    Rig r(2);
    TurnClient c(r.s, kAlice);
    const TurnReply made = c.allocate([](stun::Builder& b) { b.flag(stun::Attr::mobility_ticket); });
    REQUIRE(made.code() == 0);
    REQUIRE(c.bind(kChannel, kPeer).code() == 0);
    const Bytes ticket = made.view().find(stun::Attr::mobility_ticket).value();
    c.at = {kAlice.addr, 4999};
    c.shard = arrives;
    REQUIRE(c.refresh(600, [&](stun::Builder& b) {
               b.attribute(stun::Attr::mobility_ticket, ticket);
             }).code() == 0);
    CHECK(r.allocations() == 1);
    c.say(kChannel, "there");
    r.s.step(2);
    r.s.place(0, kPeer, as_bytes("back"), c.relay);
    r.s.step(2);
    CHECK(r.sent_to(kPeer).size() == 1);
    CHECK(c.heard(kChannel) == std::vector<std::string>{"back"});
    CHECK(c.bind(0x4002, {kPeer.addr, 1}).code() == 0);
    // The old address is nobody's.
    TurnClient old(r.s, kAlice);
    old.say(kChannel, "ghost");
    r.s.step(2);
    CHECK(r.sent_to(kPeer).empty());
    CHECK(c.refresh(0).code() == 0);
    CHECK(r.allocations() == 0);
    CHECK(r.s.core(1).turn.elsewhere == arrives);
    // What points at the other shard goes when nobody has used it for longer than an allocation lives.
    for (int i = 0; i < 140; ++i) r.s.advance(seconds(60)), r.s.step();
    CHECK(r.s.core(1).turn.elsewhere == 0);
    CHECK(r.s.core(0).flows.size() + r.s.core(1).flows.size() == 0);
  }
}

TEST_CASE("a reserved port is found by a request that arrives at another shard") {
  Rig r(2);
  TurnClient c(r.s, kAlice);
  const TurnReply made = c.allocate([](stun::Builder& b) {
    const std::array<uint8_t, 1> reserve{0x80};
    b.attribute(stun::Attr::even_port, reserve);
  });
  REQUIRE(made.code() == 0);
  CHECK(c.relay.port % 2 == 0);
  const uint64_t token = made.view().u64(stun::Attr::reservation_token).value();
  TurnClient next(r.s, {kAlice.addr, 4500}, 1);
  REQUIRE(next.allocate([&](stun::Builder& b) { b.u64(stun::Attr::reservation_token, token); }).code() == 0);
  CHECK(next.relay == Endpoint{c.relay.addr, static_cast<uint16_t>(c.relay.port + 1)});
  CHECK(next.bind(kChannel, kPeer).code() == 0);
  next.say(kChannel, "there");
  r.s.step(3);
  CHECK(r.sent_to(kPeer).size() == 1);
}

TEST_CASE("what expires gives its port and its flow back") {
  Rig r;
  for (uint16_t i = 0; i < 20; ++i) r.client({kAlice.addr, static_cast<uint16_t>(6000 + i)}, 0);
  CHECK(r.s.backend(0).open_ports == 20);
  CHECK(r.s.core(0).flows.size() == 20);
  CHECK(r.s.core(0).relay.ports.open() == 20);
  r.s.advance(seconds(599));
  r.s.step();
  CHECK(r.allocations() == 20);
  r.s.advance(seconds(2));
  r.s.step();
  CHECK(r.allocations() == 0);
  CHECK(r.s.backend(0).open_ports == 0);
  CHECK(r.s.core(0).flows.size() == 0);
  CHECK(r.s.core(0).wheel.deadline(r.s.core(0).turn_timer()) == kNever);
}

TEST_CASE("nobody is relayed to this host, its networks, or what the operator did not open") {
  TurnConfig k = config();
  k.host = {Address::v4(192, 0, 2, 77)};
  k.allow_peers = {{Address::v4(10, 1, 0, 0), 16}};
  Rig r(1, k);
  TurnClient c(r.s, kAlice);
  REQUIRE(c.allocate().code() == 0);
  for (const char* peer : {"127.0.0.1:80", "10.2.0.1:80", "192.168.1.1:80", "169.254.169.254:80",
                           "192.0.2.77:80", "224.0.0.1:80", "0.0.0.0:80", "203.0.113.1:80", "192.0.2.1:80"}) {
    CAPTURE(peer);
    CHECK(c.bind(kChannel, parse_endpoint(peer).value()).code() == 403);
  }
  CHECK(c.bind(kChannel, {Address::v4(10, 1, 2, 3), 80}).code() == 0);
  // Permissions name no port; of the process's own addresses only its own ports are open then.
  REQUIRE(c.permit(kServer).code() == 0);
  c.indicate({kServer.addr, 22}, as_bytes("hello"));
  r.s.step();
  CHECK(r.dropped(Drop::turn_peer_denied) == 1);
}

TEST_CASE("quotas count over all shards") {
  TurnConfig k = config();
  k.user_quota = 2;
  k.max_allocations = 3;
  Rig r(2, k);
  const auto at = [](uint16_t port) { return Endpoint{kAlice.addr, port}; };
  TurnClient a(r.s, at(1), 0), b(r.s, at(2), 1), c(r.s, at(3), 1), d(r.s, at(4), 0, "bob"),
      e(r.s, at(5), 1, "bob");
  CHECK(a.allocate().code() == 0);
  CHECK(b.allocate().code() == 0);
  CHECK(c.allocate().code() == 486);
  CHECK(d.allocate().code() == 0);
  CHECK(e.allocate().code() == 486);
  CHECK(a.refresh(0).code() == 0);
  CHECK(e.allocate().code() == 0);
}

TEST_CASE("who asks for its address without a username is told, within a budget") {
  Rig r;
  TurnClient c(r.s, kAlice);
  const TurnReply reply = c.exchange(c.request(stun::Method::binding, {}));
  REQUIRE(reply.code() == 0);
  CHECK(reply.view().xor_address() == kAlice);
  CHECK(reply.bytes.size() == 32);
  // The same from an address that is a session's.
  test::Client call = r.s.connect(engine::Role::agent, 0);
  TurnClient same(r.s, call.at);
  CHECK(same.exchange(same.request(stun::Method::binding, {})).code() == 0);
  for (int i = 0; i < 60'000; ++i) {
    c.send(c.request(stun::Method::binding, {}));
    if (i % 32 == 31) r.s.step(), c.received();
  }
  CHECK(r.dropped(Drop::rate_limited) > 0);
}

TEST_CASE("limits of bandwidth hold for each allocation and direction") {
  TurnConfig k = config();
  k.allocation_bps = 800'000;
  Rig r(1, k);
  TurnClient c = r.client(kAlice, 0), d = r.client(kBob, 0);
  const std::vector<uint8_t> kilobyte(1000, 0x55);
  for (int i = 0; i < 150; ++i) {
    c.say(kChannel, kilobyte);
    if (i % 32 == 31) r.s.step();
  }
  d.say(kChannel, kilobyte);
  r.s.step();
  CHECK(r.sent_to(kPeer).size() == 101);
  CHECK(r.dropped(Drop::turn_over_rate) == 50);
}

TEST_CASE("a TURN client reaches a server behind the relay through the process itself") {
  const Endpoint media{Address::v4(198, 51, 100, 7), 7000};
  RelayConfig k = ports();
  k.on = true;
  k.max_flows = 64;
  k.max_routes = k.max_servers = 8;
  Rig r(1, config(), k);
  REQUIRE(r.s.relay().put_server({.id = {0, 7}, .address = media}));
  r.s.step();
  TurnClient c = r.client(kAlice, 0, kServer);
  ice::UfragFields f;
  f.node = 7;
  f.expiry = 100;
  const auto ufrag = r.s.keys().routes.mint(f, 0);
  const auto check = c.request(
      stun::Method::binding, [&](stun::Builder& b) { b.username(ice::text(ufrag), "abcd"); }, false);
  c.say(kChannel, check);
  r.s.step(2);
  const auto there = r.sent_to(media);
  REQUIRE(there.size() == 1);
  CHECK(there[0].bytes == check);
  std::array<uint8_t, 64> buffer;
  stun::Builder b(buffer, stun::Class::success, stun::Method::binding,
                  stun::View::parse(check)->transaction_id());
  b.fingerprint();
  r.s.place(0, media, b.message(), there[0].local);
  r.s.step(2);
  CHECK(c.heard(kChannel) == std::vector<std::string>{std::string(as_text(b.message()))});
  CHECK(r.sent_to(c.relay).empty());
  // A relayed client that asks for its address is answered here, not by the server.
  r.s.place(0, kBob, check);
  r.s.step();
  CHECK(r.sent_to(media).size() == 0);  // seen from another address
  TurnClient plain(r.s, kBob);
  CHECK(plain.exchange(plain.request(stun::Method::binding, {})).code() == 0);
}

TEST_CASE("datagrams that must not be fragmented are not") {
  Rig r;
  TurnClient c(r.s, kAlice);
  REQUIRE(c.allocate([](stun::Builder& b) { b.flag(stun::Attr::dont_fragment); }).code() == 0);
  REQUIRE(c.permit(kPeer).code() == 0);
  const auto whole = [](stun::Builder& b) { b.flag(stun::Attr::dont_fragment); };
  c.indicate(kPeer, std::vector<uint8_t>(1472), whole);
  c.indicate(kPeer, std::vector<uint8_t>(1473), whole);
  c.indicate(kPeer, std::vector<uint8_t>(1473));
  r.s.step();
  CHECK(r.sent_to(kPeer).size() == 2);
  CHECK(r.dropped(Drop::oversize) == 1);
}

TEST_CASE("an allocation by a stream carries both ways, and ends with its stream, on whichever shard it is") {
  for (const uint32_t arrives : {0U, 1U}) {
    CAPTURE(arrives);
    Rig r(2, config(), ports(), {.streams = 64});
    TurnClient c(r.s, kAlice);
    c.ifindex = turn_stream(2);
    const TurnReply made = c.allocate([](stun::Builder& b) {
      const std::array<uint8_t, 1> reserve{0x80};
      b.attribute(stun::Attr::even_port, reserve);
    });
    REQUIRE(made.code() == 0);
    // The reservation, and with it the second allocation, stays with the first one's shard.
    TurnClient next(r.s, {kAlice.addr, 4500}, arrives);
    next.ifindex = turn_stream(4 + arrives);
    REQUIRE(next.allocate([&](stun::Builder& b) {
                  b.attribute(stun::Attr::reservation_token,
                              made.view().find(stun::Attr::reservation_token).value());
                })
                .code() == 0);
    REQUIRE(next.bind(kChannel, kPeer).code() == 0);
    next.say(kChannel, "there");
    r.s.step(3);
    CHECK(r.sent_to(kPeer).size() == 1);
    r.s.place(0, kPeer, as_bytes("back"), next.relay);
    r.s.step(3);
    CHECK(next.heard(kChannel) == std::vector<std::string>{"back"});
    CHECK(r.s.core(0).turn.server->counters().streams == 2);
    r.s.end_stream(arrives, next.at, next.ifindex);
    r.s.step(3);
    CHECK(r.allocations() == 1);
    r.s.end_stream(0, c.at, c.ifindex);
    r.s.step(3);
    CHECK(r.allocations() == 0);
    CHECK(r.s.core(0).flows.size() + r.s.core(1).flows.size() == 0);
    CHECK(r.s.core(1).turn.elsewhere == 0);
  }
}

TEST_CASE("a mobile allocation outlives its stream, until its lifetime is over") {
  for (const bool comes_back : {true, false}) {
    CAPTURE(comes_back);
    Rig r(1, config(), ports(), {.streams = 64});
    TurnClient c(r.s, kAlice);
    c.ifindex = turn_stream(2);
    const TurnReply made = c.allocate([](stun::Builder& b) { b.flag(stun::Attr::mobility_ticket); });
    REQUIRE(made.code() == 0);
    REQUIRE(c.bind(kChannel, kPeer).code() == 0);
    r.s.end_stream(0, c.at, c.ifindex);
    r.s.step(2);
    CHECK(r.allocations() == 1);
    if (comes_back) {
      c.at.port = 4999;
      c.ifindex = turn_stream(3);
      const Bytes ticket = made.view().find(stun::Attr::mobility_ticket).value();
      REQUIRE(c.refresh(600, [&](stun::Builder& b) {
                 b.attribute(stun::Attr::mobility_ticket, ticket);
               }).code() == 0);
      r.s.place(0, kPeer, as_bytes("back"), c.relay);
      r.s.step(2);
      CHECK(c.heard(kChannel) == std::vector<std::string>{"back"});
      CHECK(c.refresh(0).code() == 0);
    } else {
      for (int i = 0; i < 11; ++i) r.s.advance(seconds(60)), r.s.step();
    }
    CHECK(r.allocations() == 0);
    CHECK(r.s.core(0).flows.size() == 0);
    CHECK(r.s.core(0).turn.server->counters().streams == 0);
  }
}

TEST_CASE("a stream's flow is its own, whatever its addresses") {
  const turn::ClientKey udp{kAlice, kServer, 3};
  const turn::ClientKey one{kAlice, kServer, kStreamInterface | 1};
  const turn::ClientKey two{kAlice, kServer, kStreamInterface | 2};
  const FlowKey media{kAlice, kServer};
  const std::array keys{media, engine::turn_key(udp), engine::turn_key(one), engine::turn_key(two)};
  for (size_t i = 0; i < keys.size(); ++i)
    for (size_t j = 0; j < i; ++j) CHECK_FALSE(keys[i] == keys[j]);
  CHECK(engine::turn_key(udp) == engine::turn_key({kAlice, kServer, 4}));
}
