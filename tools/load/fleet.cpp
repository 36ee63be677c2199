#include "tools/load/fleet.h"

#include <random>

#include <fmt/format.h>
#include <poll.h>

namespace sluice::load {
namespace {

constexpr Nanos kSetupPatience = 30 * kSecond;  ///< beyond the time that the pace of openings takes
constexpr Nanos kDrain = kSecond / 2;           ///< for packets on their way at a window's end
constexpr Nanos kAgentDrain = 3 * kSecond;      ///< an echo agent answers up to 2 s later
constexpr int kTickMs = 20;

bool tick(const FleetWatch& watch, std::string_view phase) {
  ::poll(nullptr, 0, kTickMs);
  return watch.tick(phase);
}

bool wait_until(Nanos at, const FleetWatch& watch, std::string_view phase) {
  while (now_ns() < at)
    if (!tick(watch, phase)) return false;
  return true;
}

}  // namespace

Fleet::Fleet(const Options& options, const Credentials& credentials, uint32_t capacity, const Veth* veth)
    : o_(options), credentials_(credentials), capacity_(capacity), veth_(veth) {}

uint32_t Fleet::part(uint32_t n, uint32_t i) const {
  return n / o_.workers() + (i < n % o_.workers() ? 1 : 0);
}

std::expected<std::string, std::string> Fleet::start() {
  const auto run = static_cast<uint32_t>(std::random_device{}());
  began_ = now_ns();
  std::string wire;
  uint32_t first = 0;
  for (uint32_t i = 0; i < o_.workers(); ++i) {
    workers_.push_back(std::make_unique<Worker>(
        WorkerOptions{&o_, &credentials_, i, run, first, part(capacity_, i), began_, veth_}));
    first += part(capacity_, i);
    auto started = workers_.back()->start();
    if (!started) return started;
    if (i == 0) wire = *started;
  }
  if (workers_.size() > 1) wire += fmt::format(", times {} threads", workers_.size());
  return wire;
}

Live Fleet::live() const {
  Live sum;
  for (const auto& w : workers_) {
    const Live l = w->live();
    sum.begun += l.begun;
    sum.ready += l.ready;
    sum.failed += l.failed;
    sum.wire.tx_packets += l.wire.tx_packets;
    sum.wire.rx_packets += l.wire.rx_packets;
    sum.wire.rx_dropped += l.wire.rx_dropped;
  }
  return sum;
}

Pace Fleet::pace(uint32_t n, uint32_t i, Nanos epoch, double rate) const {
  return {
      .target = part(n, i), .setup_rate = rate, .active = o_.sends_media() ? part(n, i) : 0, .epoch = epoch};
}

/// Brings up sessions until there are `n`; they send as soon as they can.
bool Fleet::set_up(uint32_t n, Nanos epoch, const FleetWatch& watch) {
  const double rate = o_.ramp > 0 ? std::max(0.1, n / o_.ramp) : o_.setup_rate;
  for (uint32_t i = 0; i < workers_.size(); ++i)
    workers_[i]->set_pace(pace(n, i, epoch, rate / o_.workers()));
  const Nanos limit = now_ns() + static_cast<Nanos>(n / rate * 1e9) + kSetupPatience;
  while (now_ns() < limit) {
    if (!tick(watch, "setup")) return false;
    const Live l = live();
    if (l.begun >= n && l.ready + l.failed >= n) break;
  }
  return live().ready > 0;
}

void Fleet::begin(uint32_t n) {
  const Nanos epoch = now_ns() + 2 * kTickMs * 1'000'000;
  for (uint32_t i = 0; i < workers_.size(); ++i)
    workers_[i]->set_pace(pace(n, i, epoch, o_.setup_rate / o_.workers()));
}

std::optional<TrialRecord> Fleet::trial(uint32_t n, double seconds, const FleetWatch& watch) {
  const Nanos epoch = now_ns() + 2 * kTickMs * 1'000'000;
  if (!set_up(n, epoch, watch)) return std::nullopt;
  const Nanos begin = now_ns() + static_cast<Nanos>(o_.warmup * 1e9);
  const Nanos end = begin + static_cast<Nanos>(seconds * 1e9);
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    Pace p = pace(n, i, epoch, o_.setup_rate / o_.workers());
    p.begin = begin;
    p.end = end;
    workers_[i]->set_pace(p);
  }
  bool go_on = wait_until(begin, watch, "warm-up");
  watch.window(true);
  go_on = go_on && wait_until(end, watch, "measuring");
  watch.window(false);
  if (go_on) wait_until(now_ns() + (o_.mode == Mode::whip ? kAgentDrain : kDrain), watch, "draining");
  TrialRecord record;
  record.sessions = n;
  record.seconds = seconds;
  for (const auto& w : workers_) record.figures.merge(w->figures());
  record.limits = generator_limits(record.figures, {o_.max_lag_ms, o_.workers()});
  return record;
}

void Fleet::stop() {
  for (const auto& w : workers_) w->stop();
}

SetupFigures Fleet::setup() const {
  SetupFigures sum;
  for (const auto& w : workers_) sum.merge(w->setup());
  return sum;
}

std::vector<Second> Fleet::series() const {
  std::vector<Second> sum;
  for (const auto& w : workers_) {
    if (sum.size() < w->series().size()) sum.resize(w->series().size());
    for (size_t i = 0; i < w->series().size(); ++i) sum[i].merge(w->series()[i]);
  }
  return sum;
}

}  // namespace sluice::load
