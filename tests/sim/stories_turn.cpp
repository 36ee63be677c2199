// TURN through NATs: two allocations that speak to each other, peers without one, silence, moves, floods.

#include <map>

#include "net/crypto/hmac.h"
#include "tests/sim/story.h"
#include "tests/sim/turn_phone.h"

namespace sluice::sim {
namespace {

constexpr Address kRelayAddress = Address::v4(192, 0, 2, 2);
constexpr Endpoint kPeer{Address::v4(198, 20, 0, 1), 9000};
constexpr Endpoint kStranger{Address::v4(198, 20, 0, 2), 9000};

WorldOptions turn_options(uint32_t shards) {
  WorldOptions o;
  o.engine.shards = shards;
  o.engine.relay.addresses = {kRelayAddress};
  o.engine.relay.ports = {50'000, 51'023};
  o.engine.turn.on = true;
  o.engine.turn.users = {{"alice", "wonderland"}};
  o.engine.turn.max_allocations = 64;
  return o;
}

TurnPhone& add(World& w, uint32_t n, TurnPhoneOptions o, const NatOptions& nat) {
  const Address outside = Address::v4(198, 51, 200, static_cast<uint8_t>(n));
  const Endpoint inside{Address::v4(10, 2, 0, static_cast<uint8_t>(n)), 50'000};
  o.id = n;
  TurnPhone& p =
      w.add_station<TurnPhone>(outside, o, Edge({.nat = true, .kind = nat}, inside, outside, w.fork()),
                               LinkOptions{}, w.options().listen[0], w.client_random(), w.fork());
  p.allocate(w.now());
  w.poke(p);
  return p;
}

bool allocates(World& w, const TurnPhone& p) {
  return w.run_until(w.now() + seconds(10), [&] { return p.relayed().has_value(); });
}

void speak(World& w, TurnPhone& p, const Endpoint& peer) {
  p.speak_to(peer, w.now());
  w.poke(p);
}

uint32_t allocations(World& w) {
  uint32_t n = 0;
  for (size_t s = 0; s < w.engine().shard_count(); ++s)
    n += w.shard(s).core().turn.server->counters().allocations;
  return n;
}

/// What reached `to` of `from` in two seconds, of 20.
size_t hears(World& w, const TurnPhone& to, uint32_t from) {
  const size_t before = to.heard(from);
  w.run_for(seconds(2));
  return to.heard(from) - before;
}

void ends_clean(World& w) {
  w.run_for(seconds(700));
  check_always(w, false);
  CHECK(allocations(w) == 0);
  check_all_gone(w);
}

constexpr Behaviour kKinds[] = {Behaviour::endpoint_independent, Behaviour::address_dependent,
                                Behaviour::address_and_port_dependent};

}  // namespace

TEST_CASE("two clients behind NATs of any kind speak through their allocations, whichever shards have them") {
  for (const auto mapping : kKinds)
    for (const auto filtering : kKinds) {
      World w(turn_options(4));
      TurnPhone& a = add(w, 1, {}, {.mapping = mapping, .filtering = filtering});
      TurnPhone& b = add(w, 2, {}, {.mapping = mapping, .filtering = filtering});
      REQUIRE(allocates(w, a));
      REQUIRE(allocates(w, b));
      CHECK(a.relayed()->addr == kRelayAddress);
      speak(w, a, *b.relayed());
      speak(w, b, *a.relayed());
      w.run_for(seconds(2));
      CHECK(hears(w, a, 2) >= 19);
      CHECK(hears(w, b, 1) >= 19);
      check_always(w, false);
      a.release(w.now());
      b.release(w.now());
      w.poke(a), w.poke(b);
      w.run_for(seconds(1));
      CHECK(allocations(w) == 0);
      ends_clean(w);
    }
}

TEST_CASE("a peer without TURN answers at the relayed address, and a stranger reaches nobody there") {
  World w(turn_options(2));
  Parrot& peer = w.add_station<Parrot>(kPeer.addr, kPeer, LinkOptions{}, w.fork());
  Parrot& stranger = w.add_station<Parrot>(kStranger.addr, kStranger, LinkOptions{}, w.fork());
  w.node(0).permit_peer(kPeer.addr);
  TurnPhone& a = add(w, 1, {}, {});
  REQUIRE(allocates(w, a));
  speak(w, a, kPeer);
  w.run_for(seconds(1));
  CHECK(hears(w, a, 1) >= 19);
  CHECK(peer.heard >= 20);
  std::vector<uint8_t> forged(40);
  forged[0] = 0x80;
  store_be<uint32_t>(&forged[4], 77);
  stranger.say(*a.relayed(), forged);
  w.poke(stranger);
  w.run_for(seconds(1));
  CHECK(a.heard(77) == 0);
  CHECK(w.drops(Drop::turn_no_permission) == 1);
  a.hang_up();
  ends_clean(w);
}

TEST_CASE("an allocation that nobody refreshes ends, a channel before it, and nothing is left") {
  World w(turn_options(2));
  Parrot& peer = w.add_station<Parrot>(kPeer.addr, kPeer, LinkOptions{}, w.fork());
  w.node(0).permit_peer(kPeer.addr);
  TurnPhoneOptions keeps;
  keeps.interval = seconds(1);
  TurnPhoneOptions forgets = keeps;
  forgets.refreshes = false;
  TurnPhone& a = add(w, 1, keeps, {});
  TurnPhone& b = add(w, 2, forgets, {});
  REQUIRE(allocates(w, a));
  REQUIRE(allocates(w, b));
  speak(w, a, kPeer);
  speak(w, b, kPeer);
  w.run_for(seconds(250));
  CHECK(hears(w, b, 2) >= 1);
  // RFC 8656 §9: permissions last five minutes, whatever the channel.
  w.run_for(seconds(60));
  CHECK(hears(w, a, 1) >= 1);
  w.run_for(seconds(400));
  CHECK(allocations(w) == 1);
  CHECK(hears(w, b, 2) == 0);
  CHECK(hears(w, a, 1) >= 1);
  CHECK(peer.heard > 0);
  a.hang_up();
  b.hang_up();
  ends_clean(w);
}

TEST_CASE("a client takes its allocation to its new address, whichever shard that hashes to") {
  World w(turn_options(4));
  w.add_station<Parrot>(kPeer.addr, kPeer, LinkOptions{}, w.fork());
  w.node(0).permit_peer(kPeer.addr);
  TurnPhoneOptions o;
  o.mobile = true;
  TurnPhone& a = add(w, 1, o, {});
  REQUIRE(allocates(w, a));
  speak(w, a, kPeer);
  w.run_for(seconds(1));
  const Endpoint relayed = *a.relayed();
  for (int i = 0; i < 6; ++i) {
    w.rebind(a, i % 2 == 0);
    a.moved(w.now());
    w.poke(a);
    w.run_for(seconds(2));
    CHECK(a.last_error() == 0);
    CHECK(hears(w, a, 1) >= 19);
  }
  CHECK(a.relayed() == relayed);
  CHECK(allocations(w) == 1);
  a.release(w.now());
  w.poke(a);
  // What a shard knows of addresses whose allocation is another's goes after an hour, when the sweep comes by.
  w.run_for(seconds(7400));
  ends_clean(w);
}

TEST_CASE("no request that an unproven address can send is worth reflecting, kind by kind") {
  World w(turn_options(2));
  std::map<Endpoint, size_t> in, out;
  w.stray = [&](const Seen& s) { out[s.to] += s.bytes.size(); };
  uint32_t n = 0;
  const auto send = [&](Bytes bytes) {
    const Endpoint from{Address::v4(0x64400000U + 256 * ++n), 4000};
    in[from] += bytes.size();
    w.inject(from, w.options().listen[0], bytes);
  };
  using stun::Method;
  for (const Method m : {Method::binding, Method::allocate, Method::refresh, Method::create_permission,
                         Method::channel_bind, Method::send, Method::data})
    for (const auto cls : {stun::Class::request, stun::Class::indication})
      for (int kind = 0; kind < 32; ++kind) {
        std::array<uint8_t, 512> buffer;
        stun::TransactionId tid{1};
        store_be<uint32_t>(&tid[4], n);
        stun::Builder b(buffer, cls, m, tid);
        if ((kind & 1) != 0) b.u32(stun::Attr::requested_transport, 17U << 24);
        if ((kind & 2) != 0) b.attribute(stun::Attr::username, as_bytes("alice"));
        if ((kind & 4) != 0) b.attribute(stun::Attr::realm, as_bytes("sluice"));
        if ((kind & 4) != 0) b.attribute(stun::Attr::nonce, as_bytes("stale nonce"));
        if ((kind & 8) != 0) b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("guess"));
        // RFC 8489 §6.3.1: an attribute that has to be understood.
        if ((kind & 16) != 0) b.u32(static_cast<stun::Attr>(0x7ff0), 1);
        send(b.message());
        w.run_for(millis(2));
      }
  w.run_for(seconds(1));
  size_t answered = 0;
  for (const auto& [to, bytes] : out) {
    ++answered;
    CHECK(bytes <= 3 * in[to]);
  }
  CHECK(answered > 100);
  CHECK(allocations(w) == 0);
  check_always(w, false);
}

TEST_CASE("a flood of requests without credentials takes nothing from those who have an allocation") {
  World w(turn_options(2));
  w.add_station<Parrot>(kPeer.addr, kPeer, LinkOptions{}, w.fork());
  w.node(0).permit_peer(kPeer.addr);
  TurnPhone& a = add(w, 1, {}, {});
  REQUIRE(allocates(w, a));
  speak(w, a, kPeer);
  w.run_for(seconds(1));
  const uint32_t said = a.sent();
  const size_t heard = a.heard(1);
  for (uint32_t i = 0; i < 4000; ++i) {
    std::array<uint8_t, 64> buffer;
    stun::TransactionId tid{2};
    store_be<uint32_t>(&tid[4], i);
    stun::Builder b(buffer, stun::Class::request, stun::Method::allocate, tid);
    b.u32(stun::Attr::requested_transport, 17U << 24);
    w.inject({Address::v4(0x64400000U + i), 4000}, w.options().listen[0], b.message());
    if (i % 20 == 19) w.run_for(millis(10));
  }
  w.run_for(millis(500));
  CHECK(a.heard(1) - heard >= a.sent() - said - 5);
  CHECK(allocations(w) == 1);
  TurnPhone& late = add(w, 2, {}, {});
  CHECK(allocates(w, late));
  late.release(w.now());
  a.release(w.now());
  w.poke(late), w.poke(a);
  ends_clean(w);
}

}  // namespace sluice::sim
