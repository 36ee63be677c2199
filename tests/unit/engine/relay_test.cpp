#include "engine/role/relay.h"

#include <doctest/doctest.h>

#include "net/crypto/hmac.h"
#include "net/stun/builder.h"
#include "tests/support/shards.h"

using namespace sluice;
using namespace sluice::test;
using engine::relay::RelayConfig;

namespace {

constexpr Endpoint kMedia{Address::v4(198, 51, 100, 7), 7000};
constexpr Endpoint kOther{Address::v4(198, 51, 100, 8), 7000};
constexpr Address kRelayAddress = Address::v4(203, 0, 113, 1);
constexpr Endpoint kClient{Address::v4(10, 1, 1, 1), 4000};

RelayConfig config() {
  RelayConfig c;
  c.on = true;
  c.addresses = {kRelayAddress};
  c.ports = {50'000, 50'255};
  c.max_flows = 256;
  c.max_routes = 64;
  c.max_servers = 8;
  return c;
}

/// A relay of one shard with servers 7 and 8.
struct Rig {
  Shards s;
  uint8_t tid_byte = 0;

  explicit Rig(const RelayConfig& c = config()) : s(1, {}, srtp::Kind::openssl, c) {
    REQUIRE(s.relay().put_server({.id = {0, 7}, .address = kMedia}));
    REQUIRE(s.relay().put_server({.id = {0, 8}, .address = kOther}));
    s.step();
  }

  engine::Core& core() { return s.core(0); }
  uint64_t dropped(Drop d) { return core().drops[d]; }
  std::vector<Datagram>& sent() { return s.backend(0).sent; }

  std::string ufrag(uint16_t node) {
    ice::UfragFields f;
    f.node = node;
    f.expiry = 100;
    return std::string(ice::text(s.keys().routes.mint(f, 0)));
  }
  std::vector<uint8_t> check(std::string_view ufrag, uint8_t tid) {
    std::array<uint8_t, 512> buffer;
    stun::TransactionId id{};
    id.back() = tid;
    stun::Builder b(buffer, stun::Class::request, stun::Method::binding, id);
    b.username(ufrag, "abcd");
    // The relay owns no password and cannot tell a right one from a wrong one.
    b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("whatever"));
    b.fingerprint();
    return {b.message().begin(), b.message().end()};
  }
  /// One of many, to server 7.
  std::vector<uint8_t> numbered_check(uint32_t n) {
    std::array<uint8_t, 512> buffer;
    stun::TransactionId id{1};
    store_be<uint32_t>(&id[4], n);
    stun::Builder b(buffer, stun::Class::request, stun::Method::binding, id);
    b.username(ufrag(7), "abcd");
    b.fingerprint();
    return {b.message().begin(), b.message().end()};
  }
  std::vector<uint8_t> answer(uint8_t tid, stun::Class cls = stun::Class::success) {
    std::array<uint8_t, 512> buffer;
    stun::TransactionId id{};
    id.back() = tid;
    stun::Builder b(buffer, cls, stun::Method::binding, id);
    b.fingerprint();
    return {b.message().begin(), b.message().end()};
  }
  std::vector<uint8_t> media(uint8_t payload = 0) {
    std::vector<uint8_t> b(40, payload);
    b[0] = 0x80;
    b[1] = 111;
    return b;
  }
  void up(Bytes bytes, const Endpoint& from = kClient) { s.place(0, from, bytes); }
  void down(Bytes bytes, const Endpoint& to, const Endpoint& from = kMedia) { s.place(0, from, bytes, to); }
  void step() {
    sent().clear();
    s.step();
  }
  /// Checked and confirmed; the relay endpoint that its server knows.
  Endpoint call(const Endpoint& from, std::string_view ufrag, const Endpoint& server = kMedia) {
    const uint8_t tid = ++tid_byte;
    up(check(ufrag, tid), from);
    step();
    REQUIRE(sent().size() == 1);
    CHECK(sent()[0].remote == server);
    const Endpoint relay = sent()[0].local;
    down(answer(tid), relay, server);
    step();
    REQUIRE(sent().size() == 1);
    CHECK(sent()[0].remote == from);
    return relay;
  }
};

}  // namespace

TEST_CASE(
    "a first check goes to the server that its ufrag names, and media follows both ways once it is "
    "answered") {
  Rig r;
  const Endpoint relay = r.call(kClient, r.ufrag(7));
  CHECK(relay.addr == kRelayAddress);
  CHECK((relay.port >= 50'000 && relay.port <= 50'255));
  r.up(r.media(1));
  r.down(r.media(2), relay);
  r.step();
  REQUIRE(r.sent().size() == 2);
  CHECK(r.sent()[0].remote == kMedia);
  CHECK(r.sent()[0].local == relay);
  CHECK(r.sent()[0].bytes == r.media(1));
  CHECK(r.sent()[1].remote == kClient);
  CHECK(r.sent()[1].local == kServer);
  CHECK(r.sent()[1].bytes == r.media(2));
  const auto totals = engine::relay::totals(r.core());
  CHECK(totals.flows == 1);
  CHECK(totals.unconfirmed == 0);
  CHECK(totals.up_packets == 2);
  CHECK(totals.down_packets == 2);
  CHECK(r.s.shard(0).conserves_packets());
}

TEST_CASE("nothing but the answer to its check reaches an address that has proven nothing") {
  Rig r;
  r.up(r.check(r.ufrag(7), 1));
  r.step();
  const Endpoint relay = r.sent()[0].local;
  r.up(r.media());
  r.down(r.media(), relay);
  r.down(r.answer(2), relay);
  r.down(r.check("server:client", 9), relay);
  r.down(r.answer(1), relay, kOther);
  r.step();
  CHECK(r.sent().empty());
  CHECK(r.dropped(Drop::flow_unconfirmed) == 3);
  CHECK(r.dropped(Drop::stun_unexpected_response) == 1);
  CHECK(r.dropped(Drop::flow_unknown) == 1);
  // An error is passed on, once, and confirms nothing.
  r.down(r.answer(1, stun::Class::error), relay);
  r.down(r.answer(1, stun::Class::error), relay);
  r.up(r.media());
  r.step();
  CHECK(r.sent().size() == 1);
  CHECK(engine::relay::totals(r.core()).unconfirmed == 1);
}

TEST_CASE("forged, expired and homeless ufrags open nothing") {
  Rig r;
  std::string forged = r.ufrag(7);
  forged[10] = forged[10] == 'A' ? 'B' : 'A';
  r.up(r.check(forged, 1));
  r.up(r.check(r.ufrag(9), 2));
  ice::UfragFields old;
  old.node = 7;
  r.up(r.check(ice::text(r.s.keys().routes.mint(old, 0)), 3));
  r.up(r.media());
  r.step();
  CHECK(r.sent().empty());
  CHECK(r.dropped(Drop::ufrag_forged) == 1);
  CHECK(r.dropped(Drop::no_route) == 1);
  CHECK(r.dropped(Drop::ufrag_expired) == 1);
  CHECK(r.dropped(Drop::miss) == 1);
  CHECK(r.core().flows.size() == 0);
}

TEST_CASE("a ufrag of this very process is a session's, beside the relayed ones") {
  Rig r;
  Client c = r.s.connect(engine::Role::agent, 0);
  r.call(kClient, r.ufrag(7));
  CHECK(r.core().live_sessions == 1);
  CHECK(engine::relay::totals(r.core()).flows == 1);
}

TEST_CASE("a check that was seen from another address opens no flow there") {
  Rig r;
  r.call(kClient, r.ufrag(7));
  const Endpoint thief{Address::v4(10, 9, 9, 9), 99};
  r.up(r.check(r.ufrag(7), r.tid_byte), thief);
  r.step();
  CHECK(r.sent().empty());
  CHECK(r.dropped(Drop::stun_replayed) == 1);
  // The client's own retransmission is none.
  r.up(r.check(r.ufrag(7), r.tid_byte));
  r.step();
  CHECK(r.sent().size() == 1);
}

TEST_CASE("ufrags of other stacks follow installed routes: exact before prefix, the longest prefix first") {
  Rig r;
  REQUIRE(r.s.relay().put_routes(
      std::vector<engine::relay::RouteRequest>{{.ufrag = "ab", .prefix = true, .server = kMedia},
                                               {.ufrag = "abcd", .prefix = true, .server = kOther},
                                               {.ufrag = "abcdef", .server = kMedia}},
      0));
  r.s.step();
  r.call({Address::v4(10, 2, 0, 1), 1}, "abXY");
  r.call({Address::v4(10, 2, 0, 2), 1}, "abcdXY", kOther);
  r.call({Address::v4(10, 2, 0, 3), 1}, "abcdef");
  r.up(r.check("xyzw", 99));
  r.step();
  CHECK(r.dropped(Drop::no_route) == 1);
}

TEST_CASE("local ports are shared between servers and given back") {
  Rig r;
  std::vector<Endpoint> at;
  for (uint16_t i = 0; i < 100; ++i) {
    const Endpoint from{Address::v4(10, 3, 0, 1), static_cast<uint16_t>(1000 + i)};
    at.push_back(r.call(from, r.ufrag(7)));
    CHECK(at.back() == r.call({from.addr, static_cast<uint16_t>(from.port + 2000)}, r.ufrag(8), kOther));
  }
  std::ranges::sort(at);
  CHECK(std::ranges::adjacent_find(at) == at.end());
  CHECK(r.core().relay.ports.open() == 100);
  r.s.advance(seconds(61));
  for (int i = 0; i < 200; ++i) r.s.advance(millis(64)), r.s.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(r.core().flows.size() == 0);
  CHECK(r.core().relay.ports.open() == 0);
}

TEST_CASE("when all local ports lead to the server, the next client is told nothing and counted") {
  RelayConfig c = config();
  c.ports = {50'010, 50'013};
  Rig r(c);
  for (uint16_t i = 0; i < 4; ++i)
    r.call({Address::v4(10, 3, 0, 1), static_cast<uint16_t>(1000 + i)}, r.ufrag(7));
  r.up(r.check(r.ufrag(7), 200));
  r.step();
  CHECK(r.sent().empty());
  CHECK(r.dropped(Drop::no_relay_port) == 1);
  r.call(kClient, r.ufrag(8), kOther);
}

TEST_CASE("where unanswered flows use up a server's ports, the oldest of them makes room") {
  RelayConfig c = config();
  c.ports = {50'010, 50'013};
  Rig r(c);
  const Endpoint answered = r.call({Address::v4(10, 3, 0, 1), 1000}, r.ufrag(7));
  const auto waiting = [](uint8_t n) { return Endpoint{Address::v4(10, 4, n, 1), 1000}; };
  for (uint8_t n = 0; n < 12; ++n) {
    r.up(r.check(r.ufrag(7), static_cast<uint8_t>(100 + n)), waiting(n));
    r.step();
    const auto known = [&](uint8_t i) { return r.core().flows.find({waiting(i), kServer}) != nullptr; };
    CHECK(known(n));
    if (n >= 3) CHECK_FALSE(known(static_cast<uint8_t>(n - 3)));
  }
  CHECK(r.dropped(Drop::no_relay_port) == 0);
  CHECK(r.core().relay.evicted == 9);
  CHECK(engine::relay::totals(r.core()).flows == 4);
  CHECK(r.core().flows.find({{Address::v4(10, 3, 0, 1), 1000}, kServer}) != nullptr);
  CHECK(answered.port != 0);
}

TEST_CASE("a session's address becomes a relayed client's once the session's own has been silent there") {
  Rig r;
  const Client gone = r.s.connect(engine::Role::agent, 0);
  r.s.advance(seconds(6));
  r.up(r.check(r.ufrag(7), 100), gone.at);
  r.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(r.core().flows.find({gone.at, kServer})->is(engine::FlowKind::session));
  r.s.advance(seconds(2));
  r.call(gone.at, r.ufrag(7));
  CHECK(engine::relay::totals(r.core()).flows == 1);
  // Should it come back, it is the new one that has to be silent first.
  r.s.check(gone, 0);
  r.step();
  CHECK(r.dropped(Drop::ufrag_elsewhere) == 1);
  r.s.advance(seconds(8));
  r.s.check(gone, 0);
  r.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(r.core().flows.find({gone.at, kServer})->is(engine::FlowKind::session));
}

TEST_CASE("flows live while their clients speak and end when they fall silent") {
  Rig r;
  const Endpoint relay = r.call(kClient, r.ufrag(7));
  for (int i = 0; i < 100; ++i) {
    r.s.advance(seconds(1));
    r.up(r.media());
    r.s.step();
  }
  CHECK(engine::relay::totals(r.core()).flows == 1);
  for (int i = 0; i < 1100; ++i) {
    r.s.advance(millis(64));
    r.down(r.media(), relay);
    r.s.step();
  }
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(engine::relay::totals(r.core()).flows_expired == 1);
}

TEST_CASE("a flow that no server answers for is gone after seconds") {
  Rig r;
  r.up(r.check(r.ufrag(7), 1));
  r.step();
  for (int i = 0; i < 240; ++i) r.s.advance(millis(64)), r.s.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(engine::relay::totals(r.core()).unconfirmed == 0);
}

TEST_CASE("calls follow a server to its new address, and end with a server that is removed") {
  Rig r;
  const Endpoint relay = r.call(kClient, r.ufrag(7));
  const Endpoint moved{Address::v4(198, 51, 100, 70), 7100};
  REQUIRE(r.s.relay().put_server({.id = {0, 7}, .address = moved}));
  r.step();
  r.up(r.media());
  r.down(r.media(), relay, moved);
  r.down(r.media(), relay, kMedia);
  r.step();
  REQUIRE(r.sent().size() == 2);
  CHECK(r.sent()[0].remote == moved);
  CHECK(r.sent()[0].local == relay);
  CHECK(r.sent()[1].remote == kClient);
  CHECK(r.dropped(Drop::flow_unknown) == 1);
  REQUIRE(r.s.relay().remove_server({0, 7}));
  r.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  r.up(r.check(r.ufrag(7), 77));
  r.step();
  CHECK(r.dropped(Drop::no_route) == 1);
}

TEST_CASE("one prefix can hold only so many unanswered flows, and answered ones cost it nothing") {
  RelayConfig c = config();
  c.max_flows = 8192;
  c.ports = {40'000, 65'535};
  Rig r(c);
  for (uint32_t i = 0; i < 6000; ++i) {
    const Endpoint from{Address::v4(0x0a040000 + (i & 0xff)), static_cast<uint16_t>(1024 + i / 256)};
    r.up(r.numbered_check(i), from);
    if (i % 32 == 31) r.s.step();
  }
  r.s.step();
  CHECK(r.dropped(Drop::rate_limited) > 0);
  CHECK(engine::relay::totals(r.core()).unconfirmed <= r.core().relay.limits.unconfirmed());
}

TEST_CASE("a client's first check and its copy in one batch make one flow") {
  Rig r;
  r.up(r.check(r.ufrag(7), 1));
  r.up(r.check(r.ufrag(7), 1));
  r.up(r.check(r.ufrag(7), 2));
  r.step();
  CHECK(r.sent().size() == 3);
  CHECK(engine::relay::totals(r.core()).flows == 1);
  CHECK(r.core().flows.size() == 2);
  CHECK(r.core().relay.ports.open() == 1);
}

TEST_CASE("a server that is put again as it is keeps its calls") {
  Rig r;
  const Endpoint relay = r.call(kClient, r.ufrag(7));
  REQUIRE(r.s.relay().put_server({.id = {0, 7}, .address = kMedia}));
  r.step();
  r.up(r.media());
  r.down(r.media(), relay);
  r.step();
  CHECK(r.sent().size() == 2);
}

TEST_CASE("what a server carried stays in the sums when it is gone, and its place begins at nothing") {
  Rig r;
  r.call(kClient, r.ufrag(7));
  r.up(r.media());
  r.step();
  const auto before = engine::relay::totals(r.core());
  REQUIRE(r.s.relay().remove_server({0, 7}));
  r.step();
  auto after = engine::relay::totals(r.core());
  CHECK(after.up_packets == before.up_packets);
  CHECK(after.down_bytes == before.down_bytes);
  CHECK(after.flows == 0);
  REQUIRE(r.s.relay().put_server({.id = {0, 9}, .address = kMedia}));
  r.step();
  for (const auto& s : r.s.relay().servers())
    if (s.config.id == engine::relay::ServerId{0, 9}) CHECK(s.up_packets == 0);
}

TEST_CASE("while no local port is left its clients pay nothing, and the next free one is found") {
  RelayConfig c = config();
  c.ports = {50'010, 50'013};
  Rig r(c);
  for (uint16_t i = 0; i < 4; ++i)
    r.call({Address::v4(10, 3, 0, 1), static_cast<uint16_t>(1000 + i)}, r.ufrag(7));
  for (uint32_t i = 0; i < 6000; ++i) {
    r.up(r.check(r.ufrag(7), static_cast<uint8_t>(100 + i % 100)), {Address::v4(10, 3, 0, 1), 2000});
    if (i % 32 == 31) r.step();
  }
  r.step();
  CHECK(r.dropped(Drop::no_relay_port) == 6000);
  CHECK(r.dropped(Drop::rate_limited) == 0);
  for (int i = 0; i < 1100; ++i) r.s.advance(millis(64)), r.s.step();
  CHECK(engine::relay::totals(r.core()).flows == 0);
  r.call(kClient, r.ufrag(7));
}

TEST_CASE("epochs are never 0") {
  Rig r;
  r.core().relay.next_epoch = UINT32_MAX - 1;
  for (uint16_t i = 0; i < 3; ++i) {
    const Endpoint from{kClient.addr, static_cast<uint16_t>(1000 + i)};
    r.call(from, r.ufrag(7));
    CHECK(r.core().flows.find({from, kServer})->relay.epoch != 0);
  }
}

TEST_CASE("an address that has become another client's is led to that one's server once the old is silent") {
  Rig r;
  r.call(kClient, r.ufrag(7));
  const auto tries = [&](uint8_t tid) {
    r.up(r.check(r.ufrag(8), tid));
    r.step();
    return r.sent().size() == 1 && r.sent()[0].remote == kOther;
  };
  // Anybody can write the client's address on a check of his own.
  CHECK_FALSE(tries(100));
  CHECK(r.dropped(Drop::ufrag_elsewhere) == 1);
  for (int i = 0; i < 6; ++i) {
    r.s.advance(seconds(1));
    r.up(r.media());
    r.step();
    CHECK(r.sent().size() == 1);
  }
  r.s.advance(seconds(4));
  CHECK_FALSE(tries(101));
  r.s.advance(seconds(4));
  CHECK(tries(102));
  CHECK(engine::relay::totals(r.core()).flows == 1);
  CHECK(r.core().flows.size() == 2);
  CHECK(r.core().relay.ports.open() == 1);
}

TEST_CASE("an unanswered flow gives way at once to a check that leads elsewhere, here too") {
  Rig r;
  r.up(r.check(r.ufrag(7), 1));
  r.step();
  r.up(r.check(r.ufrag(8), 2));
  r.step();
  REQUIRE(r.sent().size() == 1);
  CHECK(r.sent()[0].remote == kOther);
  Client c = r.s.offer(engine::Role::agent);
  c.at = kClient;
  r.s.check(c, 0);
  r.step();
  REQUIRE(r.sent().size() >= 1);
  CHECK(r.sent()[0].remote == kClient);
  CHECK(r.core().live_sessions == 1);
  CHECK(engine::relay::totals(r.core()).flows == 0);
  CHECK(r.core().relay.ports.open() == 0);
}

TEST_CASE("a flood of first checks that nobody answers does not keep a new client out") {
  RelayConfig c = config();
  c.ports = {40'000, 65'535};
  Rig r(c);
  std::vector<Endpoint> calls;
  for (uint16_t i = 0; i < 20; ++i) {
    const Endpoint from{Address::v4(10, 3, 0, 1), static_cast<uint16_t>(1000 + i)};
    r.call(from, r.ufrag(7));
    calls.push_back(from);
  }
  for (uint32_t i = 0; i < 3000; ++i) {
    r.up(r.numbered_check(i), {Address::v4(0x0b000000 + 256 * i), 9});
    if (i % 32 == 31) r.s.step();
  }
  r.step();
  CHECK(engine::relay::totals(r.core()).flows == 256);
  CHECK(r.dropped(Drop::flows_full) == 0);
  r.call(kClient, r.ufrag(7));
  // Nobody who was answered had to go.
  for (const Endpoint& from : calls) r.up(r.media(), from);
  r.step();
  CHECK(r.sent().size() == calls.size());
}
