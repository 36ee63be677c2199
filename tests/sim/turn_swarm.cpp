#include "tests/sim/turn_swarm.h"

#include <fmt/format.h>

#include "net/crypto/hmac.h"

namespace sluice::sim {
namespace {

constexpr Endpoint kPeer{Address::v4(198, 20, 0, 1), 9000};
constexpr Endpoint kIntruder{Address::v4(198, 20, 0, 2), 9000};
/// In what only the intruder says.
constexpr uint32_t kIntruderId = 0xbad;
constexpr size_t kMostPhones = 24;

Address turn_address(size_t n) { return Address::v4(198, 51, 200, static_cast<uint8_t>(n)); }

}  // namespace

TurnSwarm::TurnSwarm(Tier& tier, const TurnPlan& plan, Rng rng) : t_(tier), plan_(plan), rng_(rng) {
  World& w = t_.world();
  peer_ = &w.add_station<Parrot>(kPeer.addr, kPeer, LinkOptions{}, w.fork());
  intruder_ = &w.add_station<Parrot>(kIntruder.addr, kIntruder, LinkOptions{}, w.fork());
  t_.relay().permit_peer(kPeer.addr);
}

TurnPhone& TurnSwarm::add() {
  World& w = t_.world();
  const TurnPlan::Client& c = plan_.clients[all_.size() % plan_.clients.size()];
  const size_t n = all_.size() + 1;
  TurnPhoneOptions o = c.phone;
  o.id = static_cast<uint32_t>(n);
  const Endpoint inside{Address::v4(10, 2, 0, static_cast<uint8_t>(n)), 50'000};
  const Address outside = turn_address(n);
  Edge edge(c.edge, inside, outside, w.fork());
  TurnPhone& p =
      w.add_station<TurnPhone>(outside, o, std::move(edge), c.link, t_.front(), w.client_random(), w.fork());
  all_.push_back(&p);
  p.allocate(w.now());
  w.poke(p);
  return p;
}

void TurnSwarm::dial() {
  for (size_t i = 0; i < plan_.clients.size(); ++i) {
    const bool alone = i + 1 == plan_.clients.size() && i % 2 == 0;
    lines_.push_back({.phone = &add(), .other = alone ? i : i ^ 1});
  }
}

void TurnSwarm::introduce() {
  for (Line& l : lines_) {
    const Line& other = lines_[l.other];
    const std::optional<Endpoint> to = &other == &l ? kPeer : other.phone->relayed();
    if (!l.phone->relayed() || !to || l.phone->peer() == to) continue;
    l.phone->speak_to(*to, t_.world().now());
    t_.world().poke(*l.phone);
  }
}

void TurnSwarm::act() {
  if (!rng_.chance(0.4)) return;
  switch (rng_.below(5)) {
    case 0:
      return move();
    case 1:
      if (plan_.coming_and_going) replace();
      return;
    case 2:
      return intrude();
    case 3:
      return forge();
    default:
      return trespass();
  }
}

void TurnSwarm::move() {
  Line& l = any();
  t_.world().rebind(*l.phone, rng_.chance(0.5));
  if (!rng_.chance(0.5)) return;
  // Its own interface is another one, which it knows.
  l.phone->moved(t_.world().now());
  t_.world().poke(*l.phone);
}

/// One goes, with or without a word, and another one comes.
void TurnSwarm::replace() {
  if (all_.size() >= kMostPhones) return;
  Line& l = any();
  l.phone->hang_up();
  if (rng_.chance(0.5)) l.phone->release(t_.world().now());
  t_.world().poke(*l.phone);
  l.phone = &add();
}

/// To an allocation that has not permitted him.
void TurnSwarm::intrude() {
  const Line& l = any();
  if (!l.phone->relayed()) return;
  std::vector<uint8_t> said(40);
  said[0] = 0x80;
  store_be<uint32_t>(&said[4], kIntruderId);
  store_be<uint32_t>(&said[8], static_cast<uint32_t>(rng_.below(1000)));
  intruder_->say(*l.phone->relayed(), said);
  t_.world().poke(*intruder_);
}

Endpoint TurnSwarm::stranger() {
  const auto host = static_cast<uint32_t>(rng_.below(1U << 22));
  return {Address::v4(0x64400000U | host), static_cast<uint16_t>(rng_.between(1, 65535))};
}

/// A request by somebody who has a name and no password, from his own address or a client's.
void TurnSwarm::forge() {
  constexpr stun::Method kMethods[] = {stun::Method::allocate, stun::Method::refresh,
                                       stun::Method::create_permission, stun::Method::channel_bind};
  const stun::Method method = kMethods[rng_.below(4)];
  std::array<uint8_t, 512> bytes;
  stun::TransactionId tid;
  for (uint8_t& b : tid) b = static_cast<uint8_t>(rng_.u64());
  stun::Builder b(bytes, stun::Class::request, method, tid);
  if (method == stun::Method::allocate) b.u32(stun::Attr::requested_transport, 17U << 24);
  if (method == stun::Method::refresh) b.u32(stun::Attr::lifetime, 0);
  if (method == stun::Method::channel_bind) b.u32(stun::Attr::channel_number, 0x4001U << 16);
  if (method == stun::Method::channel_bind || method == stun::Method::create_permission)
    b.xor_address(stun::Attr::xor_peer_address, kIntruder);
  b.attribute(stun::Attr::username, as_bytes("alice"));
  b.attribute(stun::Attr::realm, as_bytes("sluice"));
  const std::string nonce = rng_.chance(0.5) ? any().phone->nonce() : "obMatJos2AAABAAAAAAAAAAA";
  b.attribute(stun::Attr::nonce, as_bytes(nonce));
  b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("guess"));
  const Endpoint from = rng_.chance(0.5) ? any().phone->edge.current() : stranger();
  t_.world().inject(from, t_.front(), b.message());
}

/// Payload without an allocation to send it by.
void TurnSwarm::trespass() {
  std::array<uint8_t, 128> bytes{};
  if (rng_.chance(0.5)) {
    bytes[0] = 0x40, bytes[1] = 0x01, bytes[3] = 40;
    return t_.world().inject(stranger(), t_.front(), Bytes(bytes).first(44));
  }
  const Line& l = any();
  stun::Builder b(bytes, stun::Class::indication, stun::Method::send, {});
  b.xor_address(stun::Attr::xor_peer_address, l.phone->relayed().value_or(kPeer));
  b.attribute(stun::Attr::data, as_bytes("let me in"));
  t_.world().inject(stranger(), t_.front(), b.message());
}

void TurnSwarm::check() const {
  for (const TurnPhone* p : all_)
    if (p->heard(kIntruderId) > 0) t_.world().fail("a TURN client heard whom it had not permitted");
}

void TurnSwarm::begin_watch() {
  for (Line& l : lines_) l.from = l.phone->sent();
}
void TurnSwarm::end_watch() {
  for (Line& l : lines_) l.to = l.phone->sent();
}

void TurnSwarm::judge_watch(bool all) const {
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& l = lines_[i];
    const uint32_t id = l.phone->id(), said = l.to - l.from;
    const size_t heard = lines_[l.other].phone->heard(id, l.from, l.to);
    if (said == 0 || heard < (all ? said : 1))
      t_.world().fail(fmt::format("TURN client {} hears {} of {} packets of {}", lines_[l.other].phone->id(),
                                  heard, said, id));
  }
}

void TurnSwarm::hang_up() {
  World& w = t_.world();
  for (Line& l : lines_) {
    if (rng_.chance(0.7))
      l.phone->release(w.now());
    else
      l.phone->hang_up();
    w.poke(*l.phone);
  }
}

}  // namespace sluice::sim
