#include "tools/load/run.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "tools/load/fleet.h"
#include "tools/load/report.h"
#include "tools/load/search.h"

namespace sluice::load {
namespace {

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
  Run(const Options& o, std::string_view version) : o_(o), tty_(::isatty(STDERR_FILENO) == 1) {
    result_.version = version;
    watch_.tick = [this](std::string_view phase) { return tick(phase); };
  }

  std::expected<void, std::string> start() {
    const uint32_t capacity = o_.search ? o_.max_sessions : o_.sessions;
    auto credentials = make_credentials(o_, capacity);
    if (!credentials) return std::unexpected(credentials.error());
    credentials_ = std::move(*credentials);
    if (o_.veth.make || !o_.veth.via.empty()) {
      auto veth =
          o_.veth.make ? Veth::make("sluice0", o_.veth.server_cores, o_.cores) : Veth::open(o_.veth.via);
      if (!veth) return std::unexpected(veth.error());
      veth_.emplace(std::move(*veth));
    }
    fleet_.emplace(o_, credentials_, capacity, veth_ ? &*veth_ : nullptr);
    auto wire = fleet_->start();
    if (!wire) return std::unexpected(wire.error());
    result_.wire = std::move(*wire);
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
    fleet_->stop();
    result_.setup = fleet_->setup();
    result_.series = fleet_->series();
    result_.interrupted = g_interrupted != 0;
    return result_;
  }

 private:
  void say(const std::string& line) const {
    if (!o_.quiet) fmt::print(stderr, "{}\n", line);
  }

  /// A line each second. False when the run shall end.
  bool tick(std::string_view phase) {
    const Nanos now = now_ns();
    if (now - last_line_ >= kSecond) show(now, phase);
    return g_interrupted == 0;
  }

  void show(Nanos now, std::string_view phase) {
    const Live l = fleet_->live();
    const double span = static_cast<double>(now - last_line_) / 1e9;
    const LiveLine line{static_cast<double>(now - fleet_->began()) / 1e9,
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

  /// False if it could not be had.
  bool trial(uint32_t n, double seconds) {
    auto record = fleet_->trial(n, seconds, watch_);
    if (!record) return false;
    result_.trials.push_back(std::move(*record));
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
  Credentials credentials_;
  std::optional<Veth> veth_;
  bool tty_;
  Nanos last_line_ = 0;
  Live last_;
  Result result_;
  std::optional<Fleet> fleet_;
  FleetWatch watch_;
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
  if (result.setup.ready == 0 && result.trials.empty()) return fail(explain_silence(o), 1);
  return result.valid() ? 0 : 3;
}

}  // namespace sluice::load
