// Random clients, attackers and clocks against the agent's promises.
#include <deque>
#include <map>
#include <random>
#include <utility>

#include <doctest/doctest.h>

#include "net/ice/lite_agent.h"
#include "tests/unit/ice/fixture.h"

using namespace sluice;
using namespace sluice::ice;
using test::path;

namespace {

constexpr int kAddresses = 7;

struct Traffic {
  uint64_t in = 0, out = 0;
  bool proven = false;
};

class World {
 public:
  explicit World(uint64_t seed) : rng_(seed), random_(seed) {}

  void step() {
    now_ += micros(static_cast<int64_t>(below(200'000)));
    const int from = static_cast<int>(below(kAddresses));
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return fresh_check(from, below(4) == 0);
      case 3:
        return replay(from);
      case 4:
      case 5:
        return answer_challenge(below(4) != 0);
      case 6:
        return media(from);
      case 7:
        return send(from);
      case 8:
        return receive(from);
      case 9:
        return restart();
      default:
        return timers();
    }
  }

  /// The client settles at one address and a fifth of all packets is lost: media must end up there.
  bool recovers_at(int address) {
    for (int i = 0; i < 40 && !agent_.consent_lost(); ++i) {
      now_ += millis(250);
      if (below(5) != 0) fresh_check(address, true);
      timers();
      for (const Challenge& c : std::exchange(challenges_, {}))
        if (c.to.same_path(path(address)) && below(5) != 0) answer(c, c.to);
    }
    return agent_.consent_lost() || (agent_.selected()->same_path(path(address)) && agent_.selected_proven());
  }

 private:
  uint64_t below(uint64_t n) { return rng_() % n; }

  void fresh_check(int from, bool nominate) {
    CheckedRequest rq;
    random_.fill(rq.tid);
    // Mostly the newest credentials, sometimes the ones before, rarely neither.
    rq.ufrag.ice_generation = below(3) == 0 ? previous_ : generation_;
    rq.use_candidate = nominate;
    rq.bytes = static_cast<uint16_t>(80 + below(120));
    const Actions a = agent_.check(rq, path(from), random_.view(), now_);
    if (a.drop != Drop::none) {
      const bool known_reason = a.drop == Drop::ufrag_gone || a.drop == Drop::consent_lost;
      CHECK(known_reason);
      return;
    }
    CHECK(a.respond);
    seen_.push_back({rq, from});
    if (seen_.size() > kTransactionsRemembered) seen_.pop_front();
    answered(rq, from);
    apply(a);
  }

  void replay(int from) {
    if (seen_.empty() || agent_.consent_lost()) return;
    const auto [rq, first] = seen_[below(seen_.size())];
    const auto before = agent_.selected()->remote;
    const size_t paths = agent_.path_count();
    const Micros deadline = agent_.deadline();
    const Actions a = agent_.check(rq, path(from), random_.view(), now_);
    if (from != first) CHECK_FALSE(a.respond);
    if (a.respond) answered(rq, from);
    CHECK_FALSE(a.moved);
    CHECK(a.challenge_count == 0);
    CHECK(a.forgotten_count == 0);
    CHECK(agent_.selected()->remote == before);
    CHECK(agent_.path_count() == paths);
    CHECK(agent_.deadline() == deadline);
  }

  void answered(const CheckedRequest& rq, int to) {
    traffic_[path(to).remote].in += rq.bytes;
    traffic_[path(to).remote].out += success_bytes(true, rq.integrity);
    check_limit(path(to).remote);
  }

  void answer_challenge(bool honest) {
    if (challenges_.empty()) return;
    const Challenge c = challenges_[below(challenges_.size())];
    answer(c, honest ? c.to : path(static_cast<int>(below(kAddresses))));
  }

  void answer(const Challenge& c, const PathAddress& from) {
    const bool awaited = agent_.awaits(c.tid).has_value();
    const Actions a = agent_.response(c.tid, from, now_);
    const bool accepted = a.drop == Drop::none;
    CHECK(accepted == (awaited && from.same_path(c.to)));
    if (accepted) traffic_[c.to.remote].proven = true;
    apply(a);
  }

  void media(int from) {
    const bool known = agent_.is_known(path(from));
    const Actions a = agent_.proven_by_media(path(from), below(2) == 0, now_);
    if (!known) CHECK_FALSE(a.moved);
    if (known && !agent_.consent_lost()) traffic_[path(from).remote].proven = true;
    apply(a);
  }

  void send(int to) {
    const size_t n = below(3000);
    if (!agent_.may_send(path(to), n)) return;
    CHECK_FALSE(agent_.consent_lost());
    agent_.bytes_sent(path(to), n);
    traffic_[path(to).remote].out += n;
    check_limit(path(to).remote);
  }

  void receive(int from) {
    const size_t n = below(1500);
    agent_.bytes_received(path(from), n);
    traffic_[path(from).remote].in += n;
  }

  void restart() {
    if (below(8) != 0) return;
    previous_ = generation_;
    agent_.restart(++generation_, test::kRemoteUfrag.size());
  }

  void timers() {
    for (int i = 0; agent_.deadline() <= now_; ++i) {
      REQUIRE(i < 64);
      apply(agent_.timeout(now_));
    }
    CHECK(agent_.deadline() > now_);
  }

  void apply(const Actions& a) {
    for (uint8_t i = 0; i < a.challenge_count; ++i) {
      challenges_.push_back(a.challenges[i]);
      traffic_[a.challenges[i].to.remote].out += challenge_bytes(test::kRemoteUfrag.size());
      check_limit(a.challenges[i].to.remote);
    }
    if (challenges_.size() > 20) challenges_.erase(challenges_.begin(), challenges_.end() - 20);
    if (a.moved && !a.first_check) CHECK(agent_.selected_proven());
    if (const PathAddress* s = agent_.selected()) CHECK(agent_.is_known(*s));
    for (uint8_t i = 0; i < a.forgotten_count; ++i)
      if (agent_.selected() != nullptr) CHECK_FALSE(agent_.selected()->same_path(a.forgotten[i]));
    CHECK(agent_.path_count() <= kMaxPaths);
  }

  void check_limit(const Endpoint& remote) {
    const Traffic& t = traffic_[remote];
    if (!t.proven) CHECK(t.out <= kAmplificationLimit * t.in);
  }

  std::mt19937_64 rng_;
  crypto::StreamRandom random_;
  LiteAgent agent_{0, test::kRemoteUfrag.size()};
  Micros now_ = seconds(1);
  uint8_t generation_ = 0, previous_ = 0;
  std::map<Endpoint, Traffic> traffic_;
  std::deque<std::pair<CheckedRequest, int>> seen_;
  std::vector<Challenge> challenges_;
};

}  // namespace

TEST_CASE(
    "no unproven address gets more than three times its bytes, no replay moves a path, and calls recover") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int i = 0; i < 300; ++i) world.step();
    CHECK(world.recovers_at(static_cast<int>(seed % kAddresses)));
  }
}
