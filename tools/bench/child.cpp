#include "tools/bench/child.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/urgency.h"
#include "tools/load/wire.h"

namespace sluice::bench {
namespace {

using load::kSecond;
using load::Nanos;
using load::now_ns;

constexpr Nanos kStartPatience = 15 * kSecond;
constexpr Nanos kEndPatience = 5 * kSecond;
constexpr int kTickMs = 20;

/// Between fork() and exec(): system calls only.
[[noreturn]] void become(const ChildOptions& o, int log, char* const* argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  stay_on(o.core);
  (void)raise(0, Urgency::server);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(argv[0], argv);
  ::_exit(127);
}

/// Whether somebody has the port, in this network namespace.
bool is_bound(uint16_t port) {
  std::ifstream file("/proc/self/net/udp");
  const std::string wanted = fmt::format(":{:04X} ", port);
  for (std::string line; std::getline(file, line);) {
    const size_t local = line.find(": ");
    if (local != line.npos && line.compare(std::min(local + 10, line.size()), wanted.size(), wanted) == 0)
      return true;
  }
  return false;
}

/// Who is bound may still be starting, and what arrives meanwhile waits.
bool is_ready(const ChildOptions& o) {
  if (o.ready.empty()) return is_bound(o.udp_port);
  std::ifstream log(o.log);
  for (std::string line; std::getline(log, line);)
    if (line.starts_with(o.ready)) return true;
  return false;
}

std::string last_line(std::istream& in) {
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

bool wait_for_end(pid_t pid, Nanos until) {
  while (now_ns() < until) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) return true;
    ::poll(nullptr, 0, kTickMs);
  }
  return false;
}

}  // namespace

std::expected<Child, std::string> Child::start(const ChildOptions& o) {
  std::vector<char*> argv;
  std::vector<std::string> words = o.words;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const io::Fd log(::open(o.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!log) return std::unexpected(fmt::format("cannot write {}: {}", o.log, std::strerror(errno)));
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) become(o, log.get(), argv.data());
  Child child(pid);
  for (const Nanos end = now_ns() + kStartPatience; now_ns() < end; ::poll(nullptr, 0, kTickMs)) {
    if (!child.runs()) break;
    if (is_ready(o)) return child;
  }
  std::ifstream text(o.log);
  return std::unexpected(fmt::format("{} did not come up: {}", words.front(), last_line(text)));
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}

Child::~Child() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGTERM);
  if (wait_for_end(pid_, now_ns() + kEndPatience)) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Child::runs() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

std::string find_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string file = folder + "/" + name; ::access(file.c_str(), X_OK) == 0) return file;
  return {};
}

std::string last_line_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  if (!pipe) return {};
  std::string text;
  for (std::array<char, 512> part; std::fgets(part.data(), part.size(), pipe.get()) != nullptr;)
    text += part.data();
  std::istringstream lines(text);
  return last_line(lines);
}

}  // namespace sluice::bench
