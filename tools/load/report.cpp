#include "tools/load/report.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <thread>

#include <fmt/format.h>
#include <sys/utsname.h>

#include "engine/control/json.h"

namespace sluice::load {
namespace {

using control::Json;

double ms(int64_t ns) { return static_cast<double>(ns) / 1e6; }
double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string text_of(const Endpoint& e) {
  EndpointText t;
  return std::string(format(e, t));
}

void put_histogram(Json& j, std::string_view name, const Histogram& h) {
  j.key(name).begin_object();
  j.member("count", h.count()).member("mean_ms", h.mean() / 1e6).member("min_ms", ms(h.min()));
  for (const double p : {50.0, 90.0, 99.0, 99.9}) j.member(fmt::format("p{:g}_ms", p), ms(h.percentile(p)));
  j.member("max_ms", ms(h.max())).end_object();
}

void put_way(Json& j, std::string_view name, const WayFigures& w) {
  j.key(name).begin_object();
  j.member("sent", w.sent).member("sent_bytes", w.sent_bytes).member("expected", w.expected);
  j.member("delivered", w.delivered).member("lost", w.lost()).member("loss", share(w.lost(), w.expected));
  j.member("duplicates", w.duplicates).member("reordered", w.reordered).member("stale", w.stale);
  put_histogram(j, "latency", w.latency);
  j.end_object();
}

/// "@FILE" is no secret, nor is a user's name.
std::string mask(std::string_view option, std::string_view value) {
  if (value.starts_with('@')) return std::string(value);
  const size_t colon = option == "--user" ? value.find(':') : value.npos;
  return colon == value.npos ? "***" : fmt::format("{}:***", value.substr(0, colon));
}

/// What people store and send around holds no secret in clear.
void put_command(Json& j, std::span<const std::string> words) {
  constexpr std::array<std::string_view, 6> kSecret{"--user",      "--secret",  "--token",
                                                    "--route-key", "--ice-key", "--trunk-key"};
  const auto is_secret = [&](std::string_view option) {
    return std::ranges::find(kSecret, option) != kSecret.end();
  };
  j.key("command").begin_array();
  std::string_view before;
  for (const std::string_view word : words) {
    const std::string_view option = word.substr(0, word.find('='));
    if (is_secret(before))
      j.value(mask(before, word));
    else if (option != word && is_secret(option))
      j.value(fmt::format("{}={}", option, mask(option, word.substr(option.size() + 1))));
    else
      j.value(word);
    before = word;
  }
  j.end_array();
}

void put_options(Json& j, const Options& o) {
  j.key("parameters").begin_object();
  j.member("mode", name(o.mode)).member("to", o.mode == Mode::whip ? o.whip.url : text_of(o.target));
  j.member("sessions", o.sessions).member("rate", o.rate).member("seconds", o.seconds);
  j.member("warmup", o.warmup).member("ramp", o.ramp).member("setup_rate", o.setup_rate);
  j.member("setup_clump", o.setup_clump);
  j.member("size", o.size).member("dtx", o.dtx).member("up", o.up).member("down", o.down);
  j.member("search", o.search).member("max_sessions", o.max_sessions).member("max_loss_percent", o.max_loss);
  j.member("trial_seconds", o.trial_seconds)
      .member("max_lag_ms", o.max_lag_ms)
      .member("spin", o.spin)
      .member("quantum_us", static_cast<double>(o.quantum) / 1e3);
  j.member("serve", text_of(o.serve))
      .member("servers", o.servers)
      .member("veth", o.veth.make || !o.veth.via.empty());
  j.key("cores").begin_array();
  for (const unsigned c : o.cores) j.value(c);
  j.end_array();
  put_command(j, o.command);
  j.end_object();
}

void put_trial(Json& j, const TrialRecord& t) {
  const Figures& f = t.figures;
  j.begin_object();
  j.member("sessions", t.sessions).member("seconds", t.seconds).member("valid", t.limits.empty());
  j.key("generator_limits").begin_array();
  for (const auto& why : t.limits) j.value(why);
  j.end_array();
  j.member("loss", f.loss()).member("delivered_per_second", t.packets_per_second());
  put_way(j, "up", f.up);
  put_way(j, "down", f.down);
  j.key("generator").begin_object();
  put_histogram(j, "lag", f.lag);
  j.member("busy", f.elapsed == 0 ? 0.0 : 1 - static_cast<double>(f.idle) / static_cast<double>(f.elapsed));
  j.member("cpu_s", static_cast<double>(f.cpu) / 1e9);
  j.member("tx_packets", f.wire.tx_packets).member("rx_packets", f.wire.rx_packets);
  j.member("tx_refused", f.wire.tx_refused)
      .member("rx_dropped", f.wire.rx_dropped)
      .member("strays", f.strays);
  j.end_object().end_object();
}

void put_setup(Json& j, const SetupFigures& s) {
  j.key("setup").begin_object();
  j.member("begun", s.begun).member("ready", s.ready).member("failed", s.failed);
  j.member("retransmissions", s.retransmissions).member("per_second", s.per_second());
  put_histogram(j, "latency", s.latency);
  if (s.first_packet.count() > 0) put_histogram(j, "first_packet", s.first_packet);
  j.key("failures").begin_object();
  for (const auto& [why, n] : s.failures) j.member(why, n);
  j.end_object().end_object();
}

void put_series(Json& j, const std::vector<Second>& series) {
  j.key("series").begin_array();
  for (size_t i = 0; i < series.size(); ++i) {
    const Second& s = series[i];
    j.begin_object().member("second", i).member("sent", s.sent).member("expected", s.expected);
    j.member("delivered", s.delivered).member("ready", s.ready).member("setups", s.setups);
    j.member("p50_ms", ms(s.latency.percentile(50))).member("p99_ms", ms(s.latency.percentile(99)));
    j.end_object();
  }
  j.end_array();
}

std::string way_lines(std::string_view title, const WayFigures& w) {
  if (w.sent == 0) return {};
  std::string out = fmt::format("{:<5} {:>10} sent {:>10} delivered {:>8} lost ({:.3f} %)", title, w.sent,
                                w.delivered, w.lost(), share(w.lost(), w.expected) * 100);
  if (w.duplicates + w.reordered + w.stale > 0)
    out +=
        fmt::format("  {} twice, {} out of order, {} too late to tell", w.duplicates, w.reordered, w.stale);
  return out +
         fmt::format("\n      latency p50 {:.3f}  p90 {:.3f}  p99 {:.3f}  p99.9 {:.3f}  max {:.3f} ms\n",
                     ms(w.latency.percentile(50)), ms(w.latency.percentile(90)), ms(w.latency.percentile(99)),
                     ms(w.latency.percentile(99.9)), ms(w.latency.max()));
}

std::string setup_lines(const SetupFigures& s) {
  std::string out = fmt::format("setup {} of {} sessions", s.ready, s.begun);
  if (s.latency.count() > 0 && s.latency.max() > 0)
    out += fmt::format(", {:.0f} per second, p50 {:.2f}  p99 {:.2f}  max {:.2f} ms", s.per_second(),
                       ms(s.latency.percentile(50)), ms(s.latency.percentile(99)), ms(s.latency.max()));
  if (s.retransmissions > 0) out += fmt::format(", {} retransmissions", s.retransmissions);
  out += '\n';
  for (const auto& [why, n] : s.failures) out += fmt::format("      {} failed: {}\n", n, why);
  return out;
}

}  // namespace

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "unknown";
}

double TrialRecord::packets_per_second() const {
  return seconds > 0 ? static_cast<double>(figures.delivered()) / seconds : 0;
}

const TrialRecord* Result::main() const {
  if (trials.empty()) return nullptr;
  if (best && *best > 0) {
    const auto it = std::ranges::find_if(
        trials, [&](const TrialRecord& t) { return t.sessions == *best && t.limits.empty(); });
    if (it != trials.end()) return &*it;
  }
  return &trials.back();
}

bool Result::valid() const {
  const TrialRecord* const t = main();
  return t != nullptr && t->limits.empty() && setup.ready > 0 && !interrupted;
}

std::string summary(const Options& o, const Result& r) {
  std::string out = setup_lines(r.setup);
  const TrialRecord* const t = r.main();
  if (t != nullptr && o.sends_media()) {
    out += way_lines("up", t->figures.up) + way_lines("down", t->figures.down);
    out += fmt::format("total {:.0f} packets/s delivered by {} sessions\n", t->packets_per_second(),
                       t->sessions);
  }
  if (r.best)
    out += fmt::format("found {}{} sessions with at most {} % loss, in {} trials\n",
                       r.lower_bound ? "at least " : "", *r.best, o.max_loss, r.trials.size());
  if (r.interrupted) out += "INVALID: interrupted\n";
  if (t != nullptr)
    for (const auto& why : t->limits) out += fmt::format("INVALID: the generator was the limit: {}\n", why);
  return out;
}

std::string explain_silence(const Options& o) {
  if (o.mode == Mode::whip)
    return "no session came up; does a server answer at --url, and can the addresses in its SDP answers be "
           "reached from here?";
  if (o.serves() && o.sends_media())
    return "no session came up; does the system under test run at --to, and may it reach --serve?";
  return "no session came up; does the system under test run at --to?";
}

std::string to_json(const Options& o, const Result& r) {
  Json j;
  utsname host{};
  ::uname(&host);
  j.begin_object().member("schema", "sluice-load/1").member("version", r.version);
  j.key("host").begin_object().member("name", host.nodename).member("kernel", host.release);
  j.member("machine", host.machine).member("cpu", cpu_model());
  j.member("cpus", std::thread::hardware_concurrency()).end_object();
  put_options(j, o);
  j.member("wire", r.wire).member("valid", r.valid()).member("interrupted", r.interrupted);
  put_setup(j, r.setup);
  j.key("result");
  if (const TrialRecord* const t = r.main(); t != nullptr)
    put_trial(j, *t);
  else
    j.null();
  if (r.best) {
    j.key("search").begin_object().member("sessions", *r.best).member("lower_bound", r.lower_bound);
    j.key("trials").begin_array();
    for (const TrialRecord& t : r.trials)
      j.begin_object()
          .member("sessions", t.sessions)
          .member("loss", t.figures.loss())
          .member("delivered_per_second", t.packets_per_second())
          .member("valid", t.limits.empty())
          .end_object();
    j.end_array().end_object();
  }
  put_series(j, r.series);
  j.end_object();
  return j.take() + "\n";
}

std::string live_heading() {
  return fmt::format("{:>6} {:>9} {:>7} {:>9} {:>9} {:>8}  {}", "s", "sessions", "failed", "tx/s", "rx/s",
                     "dropped", "phase");
}

std::string live_line(const LiveLine& l) {
  return fmt::format("{:>6.1f} {:>9} {:>7} {:>9.0f} {:>9.0f} {:>8}  {}", l.seconds, l.ready, l.failed,
                     l.tx_per_second, l.rx_per_second, l.dropped, l.phase);
}

}  // namespace sluice::load
