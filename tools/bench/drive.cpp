#include "tools/bench/drive.h"

#include <fmt/format.h>

#include "tools/bench/cpu.h"
#include "tools/load/credentials.h"
#include "tools/load/fleet.h"

namespace sluice::bench {
namespace {

struct Servers {
  std::vector<Child> running;
  std::vector<pid_t> measured() const { return {running.front().pid()}; }
};

std::expected<Servers, std::string> start(const Stage& stage, const Contestant& c) {
  Servers out;
  for (size_t i = 0; i < c.programs.size(); ++i) {
    auto child = Child::start({.words = c.programs[i],
                               .core = i == 0 ? stage.options().server_core : stage.options().generator_core,
                               .log = stage.file(fmt::format("{}-{}.log", c.key, i)),
                               .udp_port = c.udp_port});
    if (!child) return std::unexpected(child.error());
    out.running.push_back(std::move(*child));
  }
  return out;
}

double ms(int64_t ns) { return static_cast<double>(ns) / 1e6; }

Sample sample_of(const load::TrialRecord& t, const CpuTimes& cpu) {
  const load::Figures& f = t.figures;
  Sample s;
  s.offered = static_cast<double>(f.expected()) / t.seconds;
  s.delivered = t.packets_per_second();
  s.loss = f.loss();
  s.doubts = t.limits;
  load::Histogram both = f.up.latency;
  both.merge(f.down.latency);
  s.p50_ms = ms(both.percentile(50));
  s.p99_ms = ms(both.percentile(99));
  if (f.delivered() == 0) return s;
  const auto packets = static_cast<double>(f.delivered());
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
  s.setup_us = static_cast<double>(cpu.threads_ns + cpu.receive_ns) / 1e3 / static_cast<double>(setup.ready);
  return s;
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
  const double seconds = o.setups ? 0.1 : o.seconds;
  const auto credentials = load::make_credentials(load, load.sessions);
  if (!credentials) return std::unexpected(credentials.error());
  load::Fleet fleet(load, *credentials, load.sessions, &stage.veth());
  if (auto started = fleet.start(); !started) return std::unexpected(started.error());
  CpuTimes before = meter.read();
  CpuTimes used;
  load::FleetWatch watch;
  watch.window = [&](bool begins) {
    const CpuTimes now = meter.read();
    if (begins == o.setups) used = now - before;
    if (begins && !o.setups) before = now;
    if (!begins && !o.setups) used = now - before;
  };
  const auto record = fleet.trial(load.sessions, seconds, watch);
  fleet.stop();
  if (!record) return std::unexpected(fmt::format("no session came up through {}", c.title));
  const load::SetupFigures setup = fleet.setup();
  if (setup.failed > 0)
    return std::unexpected(fmt::format("{}: {} of {} sessions failed: {}", c.title, setup.failed, setup.begun,
                                       setup.failures.begin()->first));
  return o.setups ? setups_of(setup, used) : sample_of(*record, used);
}

}  // namespace sluice::bench
