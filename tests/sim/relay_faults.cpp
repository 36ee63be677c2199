#include "tests/sim/relay_faults.h"

#include <fmt/format.h>

namespace sluice::sim {

RelayFaults::RelayFaults(Tier& tier, const RelayPlan& plan, Rng rng) : t_(tier), plan_(plan), rng_(rng) {
  if (plan_.turn) turn_ = std::make_unique<TurnSwarm>(t_, *plan_.turn, rng_.fork());
}

void RelayFaults::dial() {
  neighbourhood_ = t_.nat(plan_.neighbourhood);
  for (const RelayPlan::Light& l : plan_.phones) {
    Phone& p = l.shares ? t_.phone(l.phone, neighbourhood_, l.plain)
                        : t_.phone(l.phone, l.edge, l.up, l.down, l.plain);
    lines_.push_back({&p, l.shares});
  }
  if (turn_) turn_->dial();
}

void RelayFaults::act() {
  if (turn_) turn_->act();
  if (!rng_.chance(0.2)) return;
  switch (rng_.below(5)) {
    case 0:
      return rebind();
    case 1:
      if (plan_.restarting) t_.restart_relay(rng_.between({}, kLongest));
      return;
    case 2:
      if (plan_.moving) move();
      return;
    case 3:
      if (plan_.removing) remove();
      return;
    default:
      if (plan_.rerouting) reroute();
  }
}

void RelayFaults::rebind() {
  const Line& l = lines_[rng_.below(lines_.size())];
  if (l.shares) return neighbourhood_->rebind();
  t_.world().rebind(*l.phone, rng_.chance(0.3));
}

void RelayFaults::move() {
  const size_t i = rng_.below(t_.media_nodes());
  const bool told = rng_.chance(0.5);
  t_.move_media(i, told);
  if (!told) t_.world().at(soon(), [this, i] { t_.tell_media(i); });
}

void RelayFaults::remove() {
  const size_t i = rng_.below(t_.media_nodes());
  if (!t_.relay().knows(Tier::id_of(i))) return;
  t_.relay().remove_server(Tier::id_of(i));
  t_.world().at(soon(), [this, i] { t_.tell_media(i); });
}

void RelayFaults::reroute() {
  const size_t i = rng_.below(t_.plain_servers());
  t_.remove_plain_route(i);
  const uint32_t ttl = static_cast<uint32_t>(rng_.between(1, 3));
  if (rng_.chance(0.5)) t_.put_plain_route(i, ttl);
  t_.world().at(soon(), [this, i] {
    t_.remove_plain_route(i);
    t_.put_plain_route(i);
  });
}

void RelayFaults::heal() {
  if (!t_.relay().runs()) t_.relay().start();
  for (size_t i = 0; i < t_.media_nodes(); ++i) t_.tell_media(i);
}

void RelayFaults::hang_up() {
  for (const Line& l : lines_) l.phone->hang_up();
  if (turn_) turn_->hang_up();
}

void RelayFaults::tick() {
  if (turn_) turn_->introduce();
}

void RelayFaults::check(bool crossing) const {
  if (turn_) turn_->check();
  for (const Line& l : lines_) {
    if (crossing) continue;
    if (!l.phone->problem().empty() || l.phone->strange() > 0)
      t_.world().fail(fmt::format("phone {}: {}", l.phone->options().id,
                                  l.phone->strange() > 0 ? "it heard another one" : l.phone->problem()));
  }
}

void RelayFaults::begin_watch() {
  if (turn_) turn_->begin_watch();
  for (Line& l : lines_) l.from = l.phone->sent();
}
void RelayFaults::end_watch() {
  if (turn_) turn_->end_watch();
  for (Line& l : lines_) l.to = l.phone->sent();
}

void RelayFaults::judge_watch(bool all) const {
  if (turn_) turn_->judge_watch(all);
  for (const Line& l : lines_) {
    const uint32_t id = l.phone->options().id;
    if (!l.phone->connected()) t_.world().fail(fmt::format("phone {} is not connected", id));
    const size_t heard = l.phone->heard(l.from, l.to);
    if (l.to == l.from || heard < l.to - l.from)
      t_.world().fail(fmt::format("phone {} heard {} of its {} packets", id, heard, l.to - l.from));
  }
}

}  // namespace sluice::sim
