#include "tests/sim/swarm.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "net/wire/classify.h"
#include "tests/sim/attacker.h"
#include "tests/sim/check.h"
#include "tests/sim/relay_faults.h"

namespace sluice::sim {
namespace {

using engine::CloseReason;
using test::CallRole;
using test::kAudio;

constexpr Micros kStep = millis(100);
/// Faults off: so long may a call take to be well again.
constexpr Micros kGrace = seconds(12);
/// The next check mends the path; a DTLS client may have retransmitted for the last time before it.
constexpr Micros kGaveUp = seconds(10);
/// A client may first find out that its flow is gone, and its check may have been the one that was lost.
constexpr Micros kRelayGrace = seconds(20);
constexpr Micros kWatch = seconds(2);
/// What was sent last in the watch arrives within this: delay of two links and of the echo.
constexpr Micros kArrival = millis(1500);

struct Call {
  HostOptions options;
  size_t place = 0;  ///< which of the media engines behind a relay
  Host* host = nullptr;
  bool wanted = true;  ///< nobody has ended it on purpose
};

class Swarm {
 public:
  explicit Swarm(const Plan& plan)
      : plan_(plan),
        tier_(plan.relay ? std::make_unique<Tier>(plan.relay->tier) : nullptr),
        alone_(tier_ ? nullptr : std::make_unique<World>(plan.world)),
        w_(tier_ ? tier_->world() : *alone_),
        rng_(w_.rng().fork()),
        attacker_(w_, rng_.fork()) {
    if (tier_) faults_ = std::make_unique<RelayFaults>(*tier_, *plan_.relay, rng_.fork());
  }

  Outcome run();

 private:
  void safety();
  void heal();
  void redial(Call& c);
  void redial_given_up();
  void liveness();
  void end();
  void forget_allocations();

  void dial(Call& c);
  void act();
  void fault();
  Call* any_call();
  void take_over(Call& c);
  void advance(Micros span);
  void give_up_lost();
  void judge_endings() const;
  bool may_end(const Call& c, CloseReason why) const;
  bool may_be_spoilt(const Call& c) const;
  void require_alive() const;
  void require_heard(const Call& c, const Call& talker, uint32_t from, uint32_t to) const;
  const Call* publisher_of(const std::string& room) const;

  bool may_cross() const { return plan_.relay && plan_.relay->restarting; }

  Plan plan_;
  std::unique_ptr<Tier> tier_;
  std::unique_ptr<World> alone_;
  World& w_;
  Rng rng_;
  Attacker attacker_;
  std::unique_ptr<RelayFaults> faults_;
  std::vector<std::unique_ptr<Call>> calls_;
};

void Swarm::dial(Call& c) {
  if (tier_ && !tier_->answers(c.place)) {
    // Its page would not load either.
    w_.at(w_.now() + millis(100), [this, &c] { dial(c); });
    return;
  }
  c.host = &(tier_ ? tier_->call(c.options, c.place) : w_.call(c.options));
  if (c.host->key) return;
  // A room has one publisher; the others were too late.
  const bool taken = c.options.peer.role == CallRole::publish && !c.options.takeover;
  if (!taken) w_.fail("a call was refused: " + c.host->refused.message);
  c.wanted = false;
}

Call* Swarm::any_call() {
  Call* c = calls_[rng_.below(calls_.size())].get();
  return c->wanted && c->host != nullptr && c->host->closed == CloseReason::none ? c : nullptr;
}

void Swarm::take_over(Call& c) {
  if (c.options.peer.role != CallRole::publish || calls_.size() > 8) return;
  c.wanted = false;
  calls_.push_back(std::make_unique<Call>(c));
  Call& fresh = *calls_.back();
  fresh.options.takeover = true;
  fresh.options.peer.id = static_cast<uint32_t>(calls_.size());
  fresh.wanted = true;
  dial(fresh);
}

void Swarm::fault() {
  Node& n = w_.node(rng_.below(w_.nodes().size()));
  if (!n.runs()) return;
  const size_t s = rng_.below(n.shards());
  const Micros until = w_.now() + rng_.between(millis(1), millis(300));
  // It may be another process by then.
  const auto later = [&](auto f) {
    w_.at(until, [&n, s, f] {
      if (n.runs()) f(n.backend(s));
    });
  };
  switch (rng_.below(3)) {
    case 0:
      return n.backend(s).fail_sends(static_cast<uint32_t>(rng_.between(1, 50)));
    case 1:
      n.backend(s).pretend_pool_empty(true);
      return later([](io::SimBackend& b) { b.pretend_pool_empty(false); });
    default:
      n.backend(s).stall_receive(true);
      return later([](io::SimBackend& b) { b.stall_receive(false); });
  }
}

void Swarm::act() {
  if (plan_.attacked && rng_.chance(0.7)) attacker_.act();
  if (plan_.stalling && rng_.chance(0.1)) fault();
  if (faults_) faults_->act();
  Call* c = any_call();
  if (c == nullptr || !rng_.chance(0.3)) return;
  switch (rng_.below(4)) {
    case 0:
      if (plan_.rebinding) w_.rebind(*c->host, rng_.chance(0.3));
      return;
    case 1:
      if (plan_.restarting) w_.restart_ice(*c->host);
      return;
    case 2:
      if (plan_.takeover) take_over(*c);
      return;
    default:
      if (!plan_.hanging_up || !rng_.chance(0.5)) return;
      c->wanted = false;
      if (rng_.chance(0.5)) return w_.hang_up(*c->host);
      rng_.chance(0.5) ? c->host->peer.leave() : c->host->peer.die();
  }
}

void Swarm::advance(Micros span) {
  for (const Micros until = w_.now() + span; w_.now() < until;) {
    w_.run_until(std::min(until, w_.now() + kStep));
    check_always(w_, plan_.corrupting || may_cross());
    if (faults_) faults_->tick();
    if (faults_) faults_->check(plan_.corrupting || plan_.attacked || may_cross());
    give_up_lost();
    judge_endings();
  }
}

/// A relay that ended their sessions itself has taken them with it.
void Swarm::give_up_lost() {
  for (const auto& c : calls_)
    if (c->host != nullptr && !c->host->key) c->wanted = false;
}

bool Swarm::may_end(const Call& c, CloseReason why) const {
  switch (why) {
    case CloseReason::takeover:
      return plan_.takeover && c.options.peer.role == CallRole::publish;
    case CloseReason::dtls:
      // In the clear a handshake can be spoilt by anybody on the path.
      return plan_.corrupting;
    case CloseReason::peer:
      return plan_.attacked && plan_.lossy;
    default:
      return false;
  }
}

/// A damaged fragment of a handshake message in the clear may have its place in OpenSSL's reassembly, on
/// either side, and what is sent again does not replace it: the handshake ends with its time limit.
bool Swarm::may_be_spoilt(const Call& c) const {
  return plan_.corrupting && !(c.host->was_connected && c.host->peer.connected());
}

void Swarm::judge_endings() const {
  for (const auto& c : calls_)
    if (c->wanted && c->host != nullptr && c->host->closed != CloseReason::none &&
        !may_end(*c, c->host->closed))
      w_.fail(fmt::format("client {}'s call ended for reason {}", c->host->number,
                          static_cast<int>(c->host->closed)));
}

void Swarm::safety() {
  w_.tap = [this](const Seen& s) { attacker_.overhear(s); };
  w_.stray = [this](const Seen& s) {
    // Unless the original never got through, what he replays moves nothing to him but STUN.
    const bool original_may_be_lost = plan_.tiny || plan_.stalling;
    if (!original_may_be_lost && !s.inner && wire::classify(s.bytes) != wire::PacketClass::stun)
      w_.fail("an address that proved nothing was sent something other than STUN");
  };
  for (const HostOptions& o : plan_.calls) {
    // A room is in one place.
    calls_.push_back(std::make_unique<Call>(Call{o, tier_ ? tier_->place(o.name) : 0}));
    w_.at(w_.now() + rng_.between({}, seconds(1)), [this, c = calls_.back().get()] { dial(*c); });
  }
  if (faults_) faults_->dial();
  for (const Micros until = w_.now() + plan_.safety; w_.now() < until;) {
    act();
    advance(rng_.between(millis(10), millis(300)));
  }
  advance(millis(300));  // the last fault is over
  if (faults_) advance(RelayFaults::kLongest);
}

void Swarm::heal() {
  w_.heal_links();
  for (const auto& n : w_.nodes())
    for (size_t s = 0; s < n->shards(); ++s) n->backend(s).fail_sends(0);
  if (faults_) faults_->heal();
  for (const auto& c : calls_) {
    if (!c->wanted) continue;
    const bool ended = c->host->closed != CloseReason::none || c->host->peer.over(w_.now());
    if (ended || may_be_spoilt(*c)) redial(*c);
  }
}

/// The person reloads the page. The server may not have noticed yet.
void Swarm::redial(Call& c) {
  c.host->peer.die();
  c.wanted = false;
  const bool publishes = c.options.peer.role == CallRole::publish;
  if (publishes && publisher_of(c.options.name) != nullptr) return;
  c.wanted = true;
  c.options.takeover = true;
  c.options.up = c.host->up.options();
  c.options.down = c.host->down.options();
  dial(c);
}

/// OpenSSL's client gives up after twelve retransmissions: what a relay tier does lasts long enough that one
/// may do so when all is well again.
void Swarm::redial_given_up() {
  for (const auto& c : calls_)
    if (c->wanted && !c->host->was_connected && c->host->peer.over(w_.now())) redial(*c);
}

void Swarm::require_alive() const {
  for (const auto& c : calls_) {
    if (!c->wanted) continue;
    if (c->host->closed != CloseReason::none)
      w_.fail(fmt::format("client {}'s call has ended", c->host->number));
    if (!c->host->was_connected || !c->host->peer.connected())
      w_.fail(fmt::format("client {} is not connected", c->host->number));
  }
}

const Call* Swarm::publisher_of(const std::string& room) const {
  for (const auto& c : calls_)
    if (c->wanted && c->options.peer.role == CallRole::publish && c->options.name == room) return c.get();
  return nullptr;
}

void Swarm::require_heard(const Call& c, const Call& talker, uint32_t from, uint32_t to) const {
  std::set<uint32_t> heard;
  for (const test::Heard& h : c.host->peer.listener(kAudio).heard())
    if (h.mark.source == talker.options.peer.id && h.mark.counter >= from && h.mark.counter < to)
      if (!heard.insert(h.mark.counter).second)
        w_.fail(fmt::format("client {} heard packet {} twice", c.host->number, h.mark.counter));
  const size_t expected = plan_.tiny ? std::min(1u, to - from) : to - from;
  if (heard.size() < expected)
    w_.fail(fmt::format("client {} heard {} of {} packets of client {}", c.host->number, heard.size(),
                        expected, talker.host->number));
}

void Swarm::liveness() {
  if (plan_.relay) {
    advance(kGaveUp);
    redial_given_up();
  }
  advance(plan_.relay ? kRelayGrace : kGrace);
  require_alive();
  if (faults_) faults_->begin_watch();
  std::vector<uint32_t> before, after;
  const auto snapshot = [&](std::vector<uint32_t>& out) {
    for (const auto& c : calls_) out.push_back(c->host->peer.talker(kAudio).sent());
  };
  snapshot(before);
  advance(kWatch);
  snapshot(after);
  if (faults_) faults_->end_watch();
  advance(kArrival);
  if (faults_) faults_->judge_watch(!plan_.tiny);
  require_alive();
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& talker = *calls_[i];
    if (!talker.wanted || talker.options.peer.role == CallRole::play) continue;
    for (const auto& c : calls_) {
      const bool echo = c.get() == &talker && c->options.peer.role == CallRole::agent;
      const bool player =
          c->wanted && c->options.peer.role == CallRole::play && publisher_of(c->options.name) == &talker;
      if (echo || player) require_heard(*c, talker, before[i], after[i]);
    }
  }
}

void Swarm::end() {
  for (const auto& c : calls_) {
    if (c->host == nullptr || c->host->closed != CloseReason::none) continue;
    c->wanted = false;
    switch (rng_.below(3)) {
      case 0:
        w_.hang_up(*c->host);
        break;
      case 1:
        c->host->peer.leave();
        break;
      default:
        c->host->peer.die();
    }
  }
  for (const auto& h : w_.hosts())
    if (!h->peer.gone()) h->peer.stop_talking();
  if (faults_) faults_->hang_up();
  // The setup limit, or consent after the last check, and the second in which the control side looks. Clients
  // that were asked to leave may go on speaking to a relay until they notice.
  advance(seconds(34));
  if (faults_) {
    for (const auto& h : w_.hosts()) h->peer.die();
    advance(plan_.relay->tier.relay.engine.relay.idle + seconds(6));
  }
  if (plan_.relay && plan_.relay->turn) forget_allocations();
  check_all_gone(w_);
}

/// Those that nobody let go end after ten minutes. Trunks have nothing to say any more.
void Swarm::forget_allocations() {
  for (size_t i = 0; i < tier_->media_nodes(); ++i)
    if (tier_->relay().knows(Tier::id_of(i))) tier_->relay().remove_server(Tier::id_of(i));
  w_.run_for(seconds(660));
}

Outcome Swarm::run() {
  safety();
  heal();
  liveness();
  end();
  uint64_t drops = 0;
  for (const auto& n : w_.nodes()) drops += n->all_drops();
  return {w_.trace_hash(), w_.datagrams(), drops, calls_.size(), w_.now()};
}

}  // namespace

Outcome run_swarm(const Plan& plan) { return Swarm(plan).run(); }

}  // namespace sluice::sim
