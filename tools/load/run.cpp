#include "tools/load/run.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <random>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "tools/load/report.h"
#include "tools/load/search.h"
#include "tools/load/worker.h"

namespace sluice::load {
namespace {

constexpr Nanos kSetupPatience = 30 * kSecond;  ///< beyond the time that the pace of openings takes
constexpr Nanos kDrain = kSecond / 2;           ///< for packets on their way at a window's end
constexpr Nanos kAgentDrain = 3 * kSecond;      ///< an echo agent answers up to 2 s later
constexpr int kTickMs = 20;

volatile std::sig_atomic_t g_interrupted = 0;
void on_signal(int) { g_interrupted = 1; }

/// Ends a run early, once; the second signal kills.
class Signals {
 public:
  Signals() {
    g_interrupted = 0;
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
  }
  ~Signals() {
    for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, 3> before_{};
};

class Run {
 public:
  Run(const Options& o, std::string_view version)
      : o_(o), capacity_(o.search ? o.max_sessions : o.sessions), tty_(::isatty(STDERR_FILENO) == 1) {
    result_.version = version;
  }

  std::expected<void, std::string> start() {
    const auto run = static_cast<uint32_t>(std::random_device{}());
    auto credentials = make_credentials(o_, capacity_);
    if (!credentials) return std::unexpected(credentials.error());
    credentials_ = std::move(*credentials);
    if (o_.veth.make || !o_.veth.via.empty()) {
      auto veth =
          o_.veth.make ? Veth::make("sluice0", o_.veth.server_cores, o_.cores) : Veth::open(o_.veth.via);
      if (!veth) return std::unexpected(veth.error());
      veth_.emplace(std::move(*veth));
    }
    began_ = now_ns();
    uint32_t first = 0;
    for (uint32_t i = 0; i < o_.workers(); ++i) {
      workers_.push_back(std::make_unique<Worker>(WorkerOptions{
          &o_, &credentials_, i, run, first, part(capacity_, i), began_, veth_ ? &*veth_ : nullptr}));
      first += part(capacity_, i);
      auto started = workers_.back()->start();
      if (!started) return std::unexpected(started.error());
      if (i == 0) result_.wire = *started;
    }
    if (workers_.size() > 1) result_.wire += fmt::format(", times {} threads", workers_.size());
    say(fmt::format("sluice load {}: {}", name(o_.mode), result_.wire));
    if (!o_.quiet) say(live_heading());
    return {};
  }

  void measure() {
    if (o_.search)
      search();
    else
      trial(o_.sessions, o_.seconds);
  }

  const Result& finish() {
    for (const auto& w : workers_) w->stop();
    for (const auto& w : workers_) {
      result_.setup.merge(w->setup());
      if (result_.series.size() < w->series().size()) result_.series.resize(w->series().size());
      for (size_t i = 0; i < w->series().size(); ++i) result_.series[i].merge(w->series()[i]);
    }
    result_.interrupted = g_interrupted != 0;
    return result_;
  }

 private:
  uint32_t part(uint32_t n, uint32_t i) const { return n / o_.workers() + (i < n % o_.workers() ? 1 : 0); }

  void say(const std::string& line) const {
    if (!o_.quiet) fmt::print(stderr, "{}\n", line);
  }

  Live live() const {
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

  /// One tick of waiting, with a line each second. False when the run shall end.
  bool tick(std::string_view phase) {
    ::poll(nullptr, 0, kTickMs);
    const Nanos now = now_ns();
    if (now - last_line_ >= kSecond) show(now, phase);
    return g_interrupted == 0;
  }

  void show(Nanos now, std::string_view phase) {
    const Live l = live();
    const double span = static_cast<double>(now - last_line_) / 1e9;
    const LiveLine line{static_cast<double>(now - began_) / 1e9,
                        l.ready,
                        l.failed,
                        static_cast<double>(l.wire.tx_packets - last_.wire.tx_packets) / span,
                        static_cast<double>(l.wire.rx_packets - last_.wire.rx_packets) / span,
                        l.wire.rx_dropped,
                        phase};
    if (!o_.quiet && last_line_ != 0)
      fmt::print(stderr, "{}{}{}", tty_ ? "\r" : "", live_line(line), tty_ ? "\033[K" : "\n");
    last_ = l;
    last_line_ = now;
  }

  void wait_until(Nanos at, std::string_view phase) {
    while (now_ns() < at && tick(phase)) {
    }
  }

  /// Brings up sessions until there are `n`; they send as soon as they can.
  bool set_up(uint32_t n, Nanos epoch) {
    const double rate = o_.ramp > 0 ? std::max(0.1, n / o_.ramp) : o_.setup_rate;
    for (uint32_t i = 0; i < workers_.size(); ++i)
      workers_[i]->set_pace(pace(n, i, epoch, rate / o_.workers()));
    const Nanos limit = now_ns() + static_cast<Nanos>(n / rate * 1e9) + kSetupPatience;
    while (now_ns() < limit && tick("setup")) {
      const Live l = live();
      if (l.begun >= n && l.ready + l.failed >= n) break;
    }
    return live().ready > 0 && g_interrupted == 0;
  }

  Pace pace(uint32_t n, uint32_t i, Nanos epoch, double rate) const {
    return {.target = part(n, i),
            .setup_rate = rate,
            .active = o_.sends_media() ? part(n, i) : 0,
            .epoch = epoch};
  }

  /// False if it could not be had.
  bool trial(uint32_t n, double seconds) {
    const Nanos epoch = now_ns() + 2 * kTickMs * 1'000'000;
    if (!set_up(n, epoch)) return false;
    const Nanos begin = now_ns() + static_cast<Nanos>(o_.warmup * 1e9);
    const Nanos end = begin + static_cast<Nanos>(seconds * 1e9);
    for (uint32_t i = 0; i < workers_.size(); ++i) {
      Pace p = pace(n, i, epoch, o_.setup_rate / o_.workers());
      p.begin = begin;
      p.end = end;
      workers_[i]->set_pace(p);
    }
    wait_until(begin, "warm-up");
    wait_until(end, "measuring");
    wait_until(now_ns() + (o_.mode == Mode::whip ? kAgentDrain : kDrain), "draining");
    TrialRecord record;
    record.sessions = n;
    record.seconds = seconds;
    for (const auto& w : workers_) record.figures.merge(w->figures());
    record.limits = generator_limits(record.figures, {o_.max_lag_ms, o_.workers()});
    result_.trials.push_back(std::move(record));
    return true;
  }

  void search() {
    Search s({.first = o_.sessions, .most = o_.max_sessions, .max_loss = o_.max_loss / 100});
    while (const auto n = s.next()) {
      if (!trial(*n, o_.trial_seconds) || g_interrupted != 0) break;
      const TrialRecord& t = result_.trials.back();
      s.on_result({*n, t.figures.loss(), t.limits.empty()});
      say(fmt::format("{}trial {}: {} sessions, {:.0f} packets/s delivered, {:.3f} % lost{}",
                      tty_ ? "\r\033[K" : "", s.trials(), *n, t.packets_per_second(), t.figures.loss() * 100,
                      t.limits.empty() ? "" : "; the generator was the limit"));
    }
    result_.best = s.best();
    result_.lower_bound = s.lower_bound();
  }

  const Options& o_;
  uint32_t capacity_;
  Credentials credentials_;
  std::optional<Veth> veth_;
  bool tty_;
  Nanos began_ = 0, last_line_ = 0;
  Live last_;
  Result result_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

int fail(const std::string& why, int status) {
  fmt::print(stderr, "sluice load: {}\n", why);
  return status;
}

}  // namespace

int run(const Options& o, std::string_view version) {
  if (const auto fine = check(o); !fine) return fail(fine.error(), 2);
  std::ofstream json;
  if (!o.json.empty()) {
    json.open(o.json);
    if (!json)
      return fail(fmt::format("--json: cannot write {}; name a file in a folder that exists", o.json), 1);
  }
  const Signals signals;
  Run r(o, version);
  if (const auto started = r.start(); !started) return fail(started.error(), 1);
  r.measure();
  const Result& result = r.finish();
  if (!o.quiet) fmt::print(stderr, "\n");
  fmt::print("{}", summary(o, result));
  if (json.is_open()) json << to_json(o, result) << std::flush;
  if (json.is_open() && !json) return fail(fmt::format("--json: writing {} failed", o.json), 1);
  if (result.setup.ready == 0 && result.trials.empty())
    return fail("no session came up; does the system under test run, and may it reach --serve?", 1);
  return result.valid() ? 0 : 3;
}

}  // namespace sluice::load
