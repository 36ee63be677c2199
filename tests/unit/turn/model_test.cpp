// Random clients against the server and against a model that is too simple to be wrong.
#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr uint32_t kClients = 6, kPeers = 5;
constexpr uint16_t kChannels = 4;

struct ModelAllocation {
  Endpoint relay;
  int64_t ends = 0;
  std::map<Address, int64_t> permissions;                     ///< ends
  std::map<uint16_t, std::pair<Endpoint, int64_t>> channels;  ///< peer, ends
};

class Story {
 public:
  explicit Story(uint64_t seed) : random_(seed) {
    for (uint32_t i = 0; i < kClients; ++i) {
      clients_.emplace_back(rig_, "203.0.113.5:" + std::to_string(4000 + i));
      clients_.back().modern = i % 2 != 0;
    }
  }

  void step() {
    switch (pick(10)) {
      case 0:
        return allocate();
      case 1:
        return refresh();
      case 2:
        return permit();
      case 3:
        return bind();
      case 4:
      case 5:
        return channel_data();
      case 6:
        return send();
      case 7:
      case 8:
        return from_peer();
      default:
        return wait();
    }
  }

  void finish() {
    CHECK(rig_.server->counters().allocations == rig_.flows.size());
    rig_.server->close_all(rig_.ports->source());
    CHECK(rig_.ports->open().empty());
    CHECK(rig_.ports->broken_promises() == 0);
    CHECK(rig_.server->next_deadline() == kNever);
  }

 private:
  uint32_t pick(uint32_t n) { return random_.view().u32() % n; }
  int64_t second() const { return rig_.now.us / 1'000'000; }
  int64_t ends(int64_t lifetime) const { return second() + lifetime + 1; }
  Client& any() { return clients_[who_ = pick(kClients)]; }
  Endpoint peer() { return {Address::v4(198, 51, 101, static_cast<uint8_t>(pick(kPeers))), peer_port()}; }
  uint16_t peer_port() { return static_cast<uint16_t>(7000 + pick(2)); }
  uint16_t channel() { return static_cast<uint16_t>(0x4000 + pick(kChannels)); }
  static std::string text(const Endpoint& e) {
    EndpointText t;
    return std::string(format(e, t));
  }
  /// nullptr if it has none or it is over.
  ModelAllocation* model() {
    const auto at = model_.find(who_);
    return at == model_.end() || second() >= at->second.ends ? nullptr : &at->second;
  }
  static bool lives(const std::map<Address, int64_t>& m, const Address& a, int64_t now) {
    const auto at = m.find(a);
    return at != m.end() && now < at->second;
  }

  void allocate() {
    const Reply r = any().allocate();
    if (model() != nullptr) {
      CHECK(r.code() == 437);
      return;
    }
    REQUIRE(r.code() == 0);
    model_[who_] = {r.view->xor_address(Attr::xor_relayed_address).value(), ends(600), {}, {}};
  }
  void refresh() {
    const uint32_t lifetime = pick(3) == 0 ? 0 : 600 + pick(1000);
    const Reply r = any().refresh(lifetime);
    CHECK(r.code() == (model() == nullptr ? 437 : 0));
    if (model() == nullptr) return;
    if (lifetime == 0)
      model_.erase(who_);
    else
      model()->ends = ends(lifetime);
  }
  void permit() {
    const Endpoint p = peer();
    const Reply r = any().permit(text(p));
    CHECK(r.code() == (model() == nullptr ? 437 : 0));
    if (model() != nullptr) model()->permissions[p.addr] = ends(300);
  }
  void bind() {
    const Endpoint p = peer();
    const uint16_t c = channel();
    const Reply r = any().bind(c, text(p));
    if (model() == nullptr) {
      CHECK(r.code() == 437);
      return;
    }
    bool conflict = false;
    for (const auto& [number, bound] : model()->channels)
      if (second() < bound.second) conflict |= (number == c) != (bound.first == p);
    CHECK(r.code() == (conflict ? 400 : 0));
    if (conflict) return;
    model()->channels[c] = {p, ends(600)};
    model()->permissions[p.addr] = ends(300);
  }
  void channel_data() {
    const uint16_t c = channel();
    const turn::ToPeer to = any().channel_data(c, as_bytes("voice"));
    if (model() == nullptr) {
      CHECK(to.drop == Drop::turn_no_allocation);
      return;
    }
    const auto at = model()->channels.find(c);
    const bool passes = at != model()->channels.end() && second() < at->second.second &&
                        lives(model()->permissions, at->second.first.addr, second());
    CHECK(to.drop == (passes ? Drop::none : Drop::turn_no_permission));
    if (!passes) return;
    CHECK(to.peer == at->second.first);
    CHECK(to.relay == model()->relay);
  }
  void send() {
    const Endpoint p = peer();
    const turn::ToPeer to = any().send_indication(text(p), as_bytes("voice"));
    const bool passes = model() != nullptr && lives(model()->permissions, p.addr, second());
    CHECK((to.drop == Drop::none) == passes);
    if (passes) CHECK(to.peer == p);
  }
  void from_peer() {
    (void)any();
    if (!model_.contains(who_)) return;
    const Endpoint p = peer();
    Slot slot(as_bytes("voice"));
    const auto to = rig_.server->from_peer(model_[who_].relay, p, slot.payload(), rig_.now);
    const bool passes = model() != nullptr && lives(model()->permissions, p.addr, second());
    CHECK((to.drop == Drop::none) == passes);
    if (!passes) return;
    CHECK(to.client.same(clients_[who_].key));
    uint16_t number = 0;
    for (const auto& [c, bound] : model()->channels)
      if (second() < bound.second && bound.first == p) number = c;
    const Bytes m = slot.message(to);
    if (number != 0)
      CHECK(load_be<uint16_t>(m.data()) == number);
    else
      CHECK(stun::View::parse(m)->xor_address(Attr::xor_peer_address) == p);
  }
  void wait() {
    rig_.now += millis(pick(4) == 0 ? pick(400'000) : pick(60'000));
    if (pick(2) != 0) return;
    rig_.expire();
    std::erase_if(model_, [&](const auto& m) { return second() >= m.second.ends; });
    CHECK(rig_.server->counters().allocations == model_.size());
    CHECK(rig_.ports->open().size() == model_.size());
  }

  Rig rig_;
  crypto::StreamRandom random_;
  std::vector<Client> clients_;
  std::map<uint32_t, ModelAllocation> model_;
  uint32_t who_ = 0;
};

}  // namespace

TEST_CASE("random clients see what a simple model says") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Story story(seed);
    for (int i = 0; i < 1500; ++i) story.step();
    story.finish();
  }
}

TEST_CASE("accounts are those of a map, whatever joins and leaves") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    crypto::StreamRandom random(seed);
    constexpr uint32_t kCapacity = 50;
    std::vector<uint64_t> memory(turn::Accounts::bytes_for(kCapacity) / 8 + 1);
    turn::Accounts accounts(std::as_writable_bytes(std::span(memory)), kCapacity);
    std::vector<std::pair<uint64_t, uint32_t>> members;
    std::map<uint64_t, uint32_t> model;
    for (int i = 0; i < 2000; ++i) {
      const bool join = members.empty() || (members.size() < kCapacity && random.view().u32() % 2 == 0);
      if (join) {
        const uint64_t user = (random.view().u32() % 40) * 64;  // most share a chain
        members.emplace_back(user, accounts.join(user));
        ++model[user];
      } else {
        std::swap(members[random.view().u32() % members.size()], members.back());
        accounts.leave(members.back().second);
        if (--model[members.back().first] == 0) model.erase(members.back().first);
        members.pop_back();
      }
      for (uint64_t user = 0; user < 40; ++user) {
        const auto* a = accounts.find(user * 64);
        const auto m = model.find(user * 64);
        REQUIRE((a == nullptr) == (m == model.end()));
        if (a != nullptr) REQUIRE(a->allocations == m->second);
      }
    }
  }
}
