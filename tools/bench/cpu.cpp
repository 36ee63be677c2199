#include "tools/bench/cpu.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int64_t cpu_of_process(pid_t pid) {
  int64_t sum = 0;
  std::error_code error;
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid), error))
    sum += parse_schedstat(read_file(task.path() / "schedstat"));
  return sum;
}

}  // namespace

std::vector<pid_t> receive_threads(const std::string& interface) {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    if (read_file(entry.path() / "comm").starts_with(fmt::format("napi/{}-", interface))) out.push_back(pid);
  }
  return out;
}

CpuMeter::CpuMeter(std::vector<pid_t> processes, const std::string& interface, unsigned core)
    : processes_(std::move(processes)), receivers_(receive_threads(interface)), core_(core) {}

CpuTimes CpuMeter::read() const {
  CpuTimes t;
  for (const pid_t p : processes_) t.threads_ns += cpu_of_process(p);
  for (const pid_t p : receivers_)
    t.receive_ns += parse_schedstat(read_file(fmt::format("/proc/{}/schedstat", p)));
  const int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  t.core_ns = parse_busy_ticks(read_file("/proc/stat"), core_).value_or(0) * tick_ns;
  return t;
}

int64_t parse_schedstat(std::string_view text) {
  int64_t ns = 0;
  std::from_chars(text.data(), text.data() + text.size(), ns);
  return ns;
}

std::optional<int64_t> parse_busy_ticks(std::string_view stat, unsigned core) {
  // proc(5): cpuN user nice system idle iowait irq softirq steal ...
  std::istringstream lines{std::string(stat)};
  const std::string wanted = fmt::format("cpu{}", core);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
    if (words >> name && name == wanted &&
        words >> user >> nice >> system >> idle >> iowait >> irq >> softirq)
      return user + nice + system + irq + softirq;
  }
  return std::nullopt;
}

}  // namespace sluice::bench
