// GMAC gives its hash key away when two messages share a key and a nonce. Random lives of relays and servers,
// with every tag that is sent written down.
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "tests/unit/hex.h"
#include "tests/support/trunk_node.h"

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;
using sluice::test::copy;

namespace {

using Text = std::vector<uint8_t>;

/// All messages that were ever sealed, by key and nonce, over all nodes of a test.
struct Ledger {
  std::map<std::pair<Text, Text>, Text> sealed;
  bool reused = false;

  void add(const Text& key, const Text& nonce, const Text& message) {
    const auto [at, is_new] = sealed.try_emplace({key, nonce}, message);
    if (!is_new && at->second != message) reused = true;
  }
};

/// A GMAC that writes down what it seals.
class Witness {
 public:
  Witness(Ledger& ledger, uint32_t places)
      : ledger_(ledger),
        real_(std::move(*crypto::GmacKeys::make(crypto::GmacKeys::Kind::automatic, places))),
        keys_(places) {}

  crypto::Gmac view() {
    const auto set_key = [](void* self, uint32_t place, const uint8_t* key) {
      auto* const w = static_cast<Witness*>(self);
      w->keys_[place].assign(key, key + crypto::kGmacKeyBytes);
      w->real_.view().set_key(place, key);
    };
    const auto tag = [](void* self, uint32_t place, const uint8_t* nonce, Bytes message, uint8_t* out) {
      auto* const w = static_cast<Witness*>(self);
      // Who opens a datagram computes its tag elsewhere, and shows it to nobody.
      if (out == message.data() + message.size())
        w->ledger_.add(w->keys_[place], {nonce, nonce + crypto::kGmacNonceBytes}, copy(message));
      w->real_.view().tag(place, nonce, message, out);
    };
    return {.self = this, .places = real_.view().places, .set_key_fn = set_key, .tag_fn = tag};
  }

 private:
  Ledger& ledger_;
  crypto::GmacKeys real_;
  std::vector<Text> keys_;
};

constexpr size_t kPeers = 6, kRx = 8;

/// One life of a shard.
struct Life {
  Life(const Config& c, Ledger& ledger, uint64_t seed)
      : witness(ledger, Trunk::gmac_places(kPeers, kRx)),
        random(seed),
        trunk(c, {.peers = peers, .rx = rx}, crypto::kPrimitives, witness.view(), random.view()) {
    trunk.set_key(1, test_key(1));
  }
  std::array<Peer, kPeers> peers;
  std::array<Rx, kRx> rx;
  Witness witness;
  crypto::StreamRandom random;
  Trunk trunk;
};

/// Two shards of one relay and two of one server, which all restart, forget and are answered at random.
class Chaos {
 public:
  explicit Chaos(uint64_t seed) : rng_(seed) {
    restart(0);
    restart(2);
  }

  void step() {
    now_ += micros(static_cast<int64_t>(rng_() % 5000));
    const auto dice = rng_() % 1000;
    if (dice < 3) restart(rng_() % 2 * 2);
    if (dice == 3) now_ += seconds(11);
    if (dice == 4) remove_any(*lives_[rng_() % 4]);
    if (dice < 20) adopt();
    for (size_t i = 0; i < 4; ++i) run(i);
  }

  Ledger ledger;
  uint64_t delivered = 0;

 private:
  bool is_relay(size_t i) const { return i < 2; }

  /// Both shards of a process.
  void restart(size_t first) {
    for (uint8_t shard = 0; shard < 2; ++shard) {
      const Config c{.id = is_relay(first) ? 1U : 2U, .shard = shard, .shards = 2};
      auto& life = lives_[first + shard];
      life = std::make_unique<Life>(c, ledger, rng_());
      if (is_relay(first)) REQUIRE(life->trunk.add_server(2, address_of(2), 1, now_).has_value());
    }
  }
  void remove_any(Life& life) {
    const auto i = static_cast<PeerIndex>(rng_() % kPeers);
    if (life.trunk[i].role == Role::server) {
      (void)life.trunk.add_server(2, address_of(2), 1, now_);
    }
    life.trunk.remove(i);
  }
  void adopt() {
    Trunk &from = lives_[2 + rng_() % 2]->trunk, &to = lives_[2 + rng_() % 2]->trunk;
    if (&from == &to) return;
    for (PeerIndex i = 0; i < kPeers; ++i)
      if (const auto route = from.route(i)) (void)to.adopt(*route);
  }

  void run(size_t i) {
    Trunk& t = lives_[i]->trunk;
    Datagram d(kControlBytes);
    while (const auto due = t.poll(now_, d))
      if (due->hello != 0) deliver(d, i);
    for (PeerIndex p = 0; p < kPeers; ++p) {
      if (!t.can_send(p) || rng_() % 4 != 0) continue;
      const std::array<uint8_t, 8> payload = unique();
      Datagram data(kDefaultMaxSingle);
      trunk::Writer w = t.writer(p);
      w.start(data);
      REQUIRE(w.add(frame(payload)));
      data.resize(t.seal(p, w, trunk::Writer::More::no));
      deliver(data, i);
    }
  }

  /// To some shard of the other side, now or later or never; the kernel's hash may change its mind.
  void deliver(const Datagram& d, size_t from) {
    kept_.push_back({d, from});
    if (rng_() % 10 == 0) return;
    const size_t n = rng_() % 20 == 0 ? rng_() % kept_.size() : kept_.size() - 1;
    const auto [datagram, sender] = kept_[n];
    const size_t to = (is_relay(sender) ? 2 : 0) + (rng_() % 50 == 0 ? rng_() % 2 : sender % 2);
    Trunk& t = lives_[to]->trunk;
    const auto r = t.receive(datagram, address_of(static_cast<uint8_t>(sender)), address_of(9), now_);
    if (!r) return;
    if (r->type != Type::hello) {
      ++delivered;
      return;
    }
    Datagram welcome(kControlBytes);
    welcome.resize(t.write_welcome(r->peer, welcome));
    deliver(welcome, to);
  }

  std::array<uint8_t, 8> unique() {
    std::array<uint8_t, 8> b;
    store_be<uint64_t>(b.data(), ++count_);
    return b;
  }

  std::mt19937_64 rng_;
  std::array<std::unique_ptr<Life>, 4> lives_;
  std::vector<std::pair<Datagram, size_t>> kept_;
  Micros now_ = seconds(1);
  uint64_t count_ = 0;
};

}  // namespace

TEST_CASE(
    "no key and nonce ever seal two messages, whatever restarts, is forgotten or adopted, and in what "
    "order") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    for (int i = 0; i < 3000; ++i) chaos.step();
    CHECK(chaos.delivered > 1000);
    CHECK_FALSE(chaos.ledger.reused);
  }
}
