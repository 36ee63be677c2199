#include "tools/bench/run.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/bench/drive.h"
#include "tools/bench/plans.h"
#include "tools/load/report.h"

namespace sluice::bench {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
void on_signal(int) { g_interrupted = 1; }

void say(const std::string& line) { fmt::print(stderr, "{}\n", line); }
int fail(const std::string& why, int status) {
  say("sluice bench: " + why);
  return status;
}

Versions versions_of(std::string_view sluice) {
  Versions v;
  v.sluice = fmt::format("{}", sluice);
  utsname host{};
  ::uname(&host);
  v.kernel = host.release;
  v.cpu = load::cpu_model();
  const std::string program = find_program("turnserver");
  if (!program.empty()) v.coturn = last_line_of(program + " --version 2>/dev/null");
  return v;
}

std::vector<Named> machine_of(const Versions& v, const Options& o) {
  return {{"Sluice", v.sluice},
          {"kernel", v.kernel},
          {"coturn", v.coturn.empty() ? "not installed" : v.coturn},
          {"CPU", fmt::format("{} x {}", std::thread::hardware_concurrency(), v.cpu)},
          {"taken", fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)))},
          {"rounds", fmt::format("{} of {:g} s", o.pairs, o.seconds)}};
}

std::vector<std::string> how(const Options& o, bool urgent) {
  return {
      fmt::format("Server on core {}, generator (`sluice load`, AF_PACKET frames) on core {}, between them a "
                  "veth pair.",
                  o.server_core, o.generator_core),
      fmt::format("CPU per packet: run time of all threads of the server and of the kernel thread that "
                  "receives for it (threaded NAPI of its end of the pair, pinned to core {}, for every "
                  "contestant alike), per delivered packet at the same offered load.",
                  o.server_core),
      urgent ? "Servers, generator and both receive threads have real-time priority (SCHED_FIFO; receiving "
               "before "
               "the rest), so that other work of the machine waits for them."
             : "Real-time priority is not permitted here: other work of the machine disturbs the runs.",
      "Core per packet: all that kept the core busy, /proc/stat with irq and softirq; what exceeds CPU per "
      "packet is other work of the machine.",
      "Contestants take turns; a ratio is of two runs of one round. Verdicts: passed or missed when all "
      "rounds are on one side of the bar, else undecided."};
}

std::string memory_text(const Sample& s) {
  std::string out = fmt::format("; {:.0f} held, {:.0f} bytes resident for each", s.held, s.resident);
  if (s.reserved > 0) out += fmt::format(", {:.0f} reserved", s.reserved);
  return out;
}

std::string figures_text(const Sample& s, bool setups) {
  if (setups)
    return fmt::format(
        "{:.0f} setups/s, {:.1f} us of CPU each, p50 {:.3f} p99 {:.3f} ms, {:.3f} % asked twice", s.setups,
        s.setup_us, s.p50_ms, s.p99_ms, s.repeated * 100);
  return fmt::format(
      "{:.0f} packets/s, {:.3f} % lost, {:.2f} us of CPU each ({:.2f} of it receiving), p50 {:.3f} p99 "
      "{:.3f} ms{}",
      s.delivered, s.loss * 100, s.cpu_ns / 1e3, s.receive_ns / 1e3, s.p50_ms, s.p99_ms,
      s.doubts.empty() ? "" : "; generator: " + s.doubts.front());
}

std::string sample_line(const Sample& s, const Plan& p) {
  return figures_text(s, p.setups) + (p.memory ? memory_text(s) : "");
}

Scenario scenario_of(const Plan& p) {
  Scenario s{p.key, p.title, p.load, {}, p.comparisons, p.memory};
  for (const Contestant& c : p.contestants) s.entries.push_back({c.key, c.title, c.version, c.absent, {}});
  return s;
}

/// Half of what another contestant can take, by its newest figures. False: there are none.
bool set_flood(Contestant& c, const Scenario& s) {
  if (!c.flood || c.half_of.empty()) return true;
  const auto other = std::ranges::find(s.entries, c.half_of, &Entry::key);
  if (other == s.entries.end() || other->samples.empty() || other->samples.back().cpu_ns <= 0) return false;
  const double per_second = 1e9 / other->samples.back().cpu_ns / 2;
  c.flood->rate = per_second / c.flood->sessions;
  say(fmt::format("  {:<12} a flood of {:.0f} packets/s", s.key, per_second));
  return true;
}

/// Every contestant once; who begins changes from round to round.
void round(const Stage& stage, const Plan& plan, const Options& o, uint32_t number, Scenario& into) {
  for (size_t k = 0; k < plan.contestants.size() && g_interrupted == 0; ++k) {
    const size_t i = (k + number) % plan.contestants.size();
    Contestant c = plan.contestants[i];
    if (!into.entries[i].absent.empty()) continue;
    const DriveOptions how{
        .seconds = o.seconds, .setups = plan.setups, .interrupted = [] { return g_interrupted != 0; }};
    const auto sample = set_flood(c, into)
                            ? drive(stage, c, how)
                            : std::unexpected(fmt::format("nobody knows what {} can take", c.half_of));
    into.entries[i].samples.push_back(sample.value_or(Sample{}));
    say(fmt::format("  {:<12} round {} of {}  {:<22} {}", plan.key, number + 1, o.pairs, c.title,
                    sample ? sample_line(*sample, plan) : "FAILED: " + sample.error()));
    if (!sample && number == 0) into.entries[i].absent = sample.error();
  }
}

bool write(const std::string& folder, const std::string& name, const std::string& text) {
  std::ofstream file(folder + "/" + name);
  file << text << std::flush;
  return file.good();
}

bool write_all(const Scorecard& card, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return write(folder, "scorecard.md", to_markdown(card)) && write(folder, "scorecard.svg", to_svg(card)) &&
         write(folder, "scorecard.json", to_json(card));
}

int conclude(const Scorecard& card) {
  bool missed = false;
  for (const Scenario& s : card.scenarios)
    for (const Comparison& c : s.comparisons) {
      const Spread spread = spread_of(s.ratios(c));
      const Verdict verdict = judge(spread, c.bar);
      missed = missed || verdict == Verdict::missed;
      fmt::print("{:<72} {:6.2f} ({:.2f} to {:.2f})  {:<12} {}\n", s.key + ": " + title_of(s, c),
                 spread.median, spread.low, spread.high, text_of(c.bar), name(verdict));
    }
  return missed ? 3 : 0;
}

std::expected<std::vector<Plan>, std::string> chosen(std::vector<Plan> all,
                                                     const std::vector<std::string>& only, bool long_too) {
  for (const std::string& key : only)
    if (std::ranges::find(all, key, &Plan::key) == all.end()) return std::unexpected(key);
  if (!only.empty())
    std::erase_if(all, [&](const Plan& p) { return std::ranges::find(only, p.key) == only.end(); });
  else if (!long_too)
    std::erase_if(all, [](const Plan& p) { return p.takes_long; });
  return all;
}

}  // namespace

int run(const Options& o, std::string_view version) {
  if (o.server_core == o.generator_core) return fail("--cores: server and generator need a core each", 2);
  const Versions versions = versions_of(version);
  auto stage = Stage::make({o.server_core, o.generator_core});
  if (!stage) return fail(stage.error(), 1);
  const auto todo = chosen(plans(Contestants(*stage, versions), o.rate), o.only, o.long_too);
  if (!todo) return fail(fmt::format("--only: there is no scenario {}; see --help", todo.error()), 2);
  g_interrupted = 0;
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) std::signal(s, on_signal);
  Scorecard card{machine_of(versions, o), how(o, stage->is_urgent()), {}};
  for (const Plan& plan : *todo) {
    say(fmt::format("{}: {}", plan.title, plan.load));
    Scenario scenario = scenario_of(plan);
    for (uint32_t i = 0; i < o.pairs && g_interrupted == 0; ++i) round(*stage, plan, o, i, scenario);
    card.scenarios.push_back(std::move(scenario));
    if (!write_all(card, o.out)) return fail(fmt::format("--out: cannot write to {}", o.out), 1);
  }
  const int status = conclude(card);
  fmt::print("{0}/scorecard.md, {0}/scorecard.svg, {0}/scorecard.json\n", o.out);
  return g_interrupted != 0 ? 1 : status;
}

}  // namespace sluice::bench
