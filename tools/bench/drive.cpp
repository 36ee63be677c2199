#include "tools/bench/drive.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "tools/bench/cpu.h"
#include "tools/bench/memory.h"
#include "tools/load/credentials.h"
#include "tools/load/fleet.h"

namespace sluice::bench {
namespace {

/// One of so many sessions may fail.
constexpr uint64_t kTolerated = 100;

std::string log_of(const Contestant& c, size_t program) { return fmt::format("{}-{}.log", c.key, program); }

struct Servers {
  std::vector<Child> running;
  std::vector<pid_t> measured() const { return {running.front().pid()}; }
};

std::expected<Servers, std::string> start(const Stage& stage, const Contestant& c) {
  Servers out;
  for (size_t i = 0; i < c.programs.size(); ++i) {
    auto child = Child::start({.words = c.programs[i],
                               .core = i == 0 ? stage.options().server_core : stage.options().generator_core,
                               .log = stage.file(log_of(c, i)),
                               .udp_port = c.udp_port,
                               .ready = c.ready});
    if (!child) return std::unexpected(child.error());
    out.running.push_back(std::move(*child));
  }
  return out;
}

double ms(int64_t ns) { return static_cast<double>(ns) / 1e6; }

Sample sample_of(const load::TrialRecord& t, const CpuTimes& cpu) {
  const load::Figures& f = t.figures;
  Sample s;
  // Of a flood nothing is expected to arrive: what it costs is counted by what was sent.
  const bool flood = f.expected() == 0;
  s.offered = static_cast<double>(flood ? f.sent() : f.expected()) / t.seconds;
  s.delivered = t.packets_per_second();
  s.loss = f.loss();
  s.doubts = t.limits;
  load::Histogram both = f.up.latency;
  both.merge(f.down.latency);
  s.p50_ms = ms(both.percentile(50));
  s.p99_ms = ms(both.percentile(99));
  const auto packets = static_cast<double>(flood ? f.sent() : f.delivered());
  if (packets == 0) return s;
  s.cpu_ns = static_cast<double>(cpu.threads_ns + cpu.receive_ns) / packets;
  s.receive_ns = static_cast<double>(cpu.receive_ns) / packets;
  s.core_ns = static_cast<double>(cpu.core_ns) / packets;
  return s;
}

Sample setups_of(const load::SetupFigures& setup, const CpuTimes& cpu) {
  Sample s;
  s.setups = setup.per_second();
  s.p50_ms = ms(setup.latency.percentile(50));
  s.p99_ms = ms(setup.latency.percentile(99));
  if (setup.ready == 0) return s;
  s.repeated = static_cast<double>(setup.retransmissions) / static_cast<double>(setup.begun);
  s.setup_us = static_cast<double>(cpu.threads_ns + cpu.receive_ns) / 1e3 / static_cast<double>(setup.ready);
  return s;
}

/// What the sessions take in the measured program that had `before` bytes without them.
void weigh(const Stage& stage, const Contestant& c, int64_t before, int64_t now, uint64_t held, Sample& s) {
  if (held == 0) return;
  s.held = static_cast<double>(held);
  s.resident = static_cast<double>(now - before) / s.held;
  if (!c.reservation) return;
  std::ifstream log(stage.file(log_of(c, 0)));
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  s.reserved = number_behind(text, c.reservation->words).value_or(0) / c.reservation->of;
}

/// The flood beside the contestant's load, if there is one; it has not begun.
std::expected<std::unique_ptr<load::Fleet>, std::string> make_flood(const Stage& stage, const Contestant& c,
                                                                    const load::Credentials& credentials) {
  if (!c.flood) return nullptr;
  auto fleet = std::make_unique<load::Fleet>(*c.flood, credentials, c.flood->sessions, &stage.veth());
  if (auto started = fleet->start(); !started) return std::unexpected(started.error());
  return fleet;
}

}  // namespace

std::expected<Sample, std::string> drive(const Stage& stage, const Contestant& c, const DriveOptions& o) {
  const auto servers = start(stage, c);
  if (!servers) return std::unexpected(servers.error());
  const CpuMeter meter(servers->measured(), stage.interface(), stage.options().server_core);
  if (!meter.has_receive())
    return std::unexpected(
        fmt::format("{} has no threaded NAPI: who pays for receiving is not known", stage.interface()));
  load::Options load = c.load;
  load.warmup = o.setups ? 0 : o.warmup;
  const auto credentials = load::make_credentials(load, load.sessions);
  if (!credentials) return std::unexpected(credentials.error());
  load::Fleet fleet(load, *credentials, load.sessions, load.io == load::Io::frames ? &stage.veth() : nullptr);
  if (auto started = fleet.start(); !started) return std::unexpected(started.error());
  auto flood = make_flood(stage, c, *credentials);
  if (!flood) return std::unexpected(flood.error());
  const pid_t measured = servers->measured().front();
  const int64_t bytes_before = anonymous_bytes(measured);
  int64_t bytes = 0;
  const CpuTimes start_of_setup = meter.read();
  CpuTimes begin, end;
  load::FleetWatch watch;
  bool flooding = false;
  watch.tick = [&](std::string_view phase) {
    if (phase == "warm-up" && *flood && !std::exchange(flooding, true)) (*flood)->begin(c.flood->sessions);
    return !o.interrupted();
  };
  watch.window = [&](bool begins) {
    (begins ? begin : end) = meter.read();
    bytes = anonymous_bytes(measured);
  };
  const auto record = fleet.trial(load.sessions, o.setups ? 0.1 : o.seconds, watch);
  fleet.stop();
  if (o.interrupted()) return std::unexpected(std::string("interrupted"));
  if (!record) return std::unexpected(fmt::format("no session came up through {}", c.title));
  const load::SetupFigures setup = fleet.setup();
  if (setup.failed * kTolerated > setup.begun)
    return std::unexpected(fmt::format("{}: {} of {} sessions failed: {}", c.title, setup.failed, setup.begun,
                                       setup.failures.begin()->first));
  Sample s = o.setups ? setups_of(setup, begin - start_of_setup) : sample_of(*record, end - begin);
  weigh(stage, c, bytes_before, bytes, setup.ready, s);
  return s;
}

}  // namespace sluice::bench
