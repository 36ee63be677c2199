#include "tools/load/veth.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/load/address_plan.h"
#include "tools/load/wire.h"

extern char** environ;

namespace sluice::load {
namespace {

constexpr const char* kServerMacText = "02:53:4c:00:00:01";
constexpr const char* kOurMacText = "02:53:4c:00:00:02";
/// What the server's end believes to be its router: not our own address, so that our end's IP stack throws
/// the frames away at once, after AF_PACKET has seen them.
constexpr const char* kRouterMacText = "02:53:4c:00:00:03";
constexpr const char* kRouter = "198.18.255.254";

volatile std::sig_atomic_t g_stop = 0;
void on_signal(int) { g_stop = 1; }

/// Runs `ip` with these words; false if it failed (it has said why, unless `quiet`).
bool ip(const std::string& words, bool quiet = false) {
  std::vector<std::string> parts{"ip"};
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find(' ', at), words.size());
    parts.push_back(words.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char*> argv;
  for (std::string& part : parts) argv.push_back(part.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (quiet) ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "ip", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 1;
  while (error == 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return error == 0 && status == 0;
}

bool valid_name(const std::string& name) {
  return !name.empty() && name.size() <= 12 &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

/// Packets to the generator are collected for so long, by a timer of its own core.
constexpr unsigned kCoalesceNs = 50'000;
/// So many times in vain, then the next packet wakes the thread.
constexpr unsigned kPollsBeforeSleep = 100;

void set_offload(const std::string& interface, uint32_t command, bool on) {
  const io::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value{.cmd = command, .data = on ? 1U : 0U};
  ifreq request{};
  std::copy_n(interface.data(), std::min(interface.size(), sizeof request.ifr_name - 1), request.ifr_name);
  request.ifr_data = reinterpret_cast<char*>(&value);
  ::ioctl(fd.get(), SIOCETHTOOL, &request);
}

/// Receive work by a thread of its own instead of the sender's softirq, which a veth has only with GRO, and
/// only for what comes from an end without TSO. As with a card's interrupts, packets that come while it runs
/// wake nobody; steering by RPS would interrupt the other core for almost each one. `coalesced`: those that
/// come while nothing is done do not either, so that the other end does not pay for waking this one.
void thread_receive(const std::string& interface, bool coalesced) {
  set_offload(interface, ETHTOOL_SGRO, true);
  ip(fmt::format("link set {} up", interface));
  const auto set = [&](const char* what, auto value) {
    std::ofstream(fmt::format("/sys/class/net/{}/{}", interface, what)) << value;
  };
  if (coalesced) {
    set("gro_flush_timeout", kCoalesceNs);
    set("napi_defer_hard_irqs", kPollsBeforeSleep);
  }
  set("threaded", 1);
}

/// Pins the threads that thread_receive() brought about, once the interface is up. False if there are none.
bool pin_receive(const std::string& interface, const std::vector<unsigned>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned c : cores) CPU_SET(c, &set);
  bool any = false;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::ifstream file(entry.path() / "comm");
    std::string comm;
    if (!std::getline(file, comm) || !comm.starts_with(fmt::format("napi/{}-", interface))) continue;
    const int pid = std::atoi(entry.path().filename().c_str());
    any = ::sched_setaffinity(pid, sizeof set, &set) == 0 || any;
  }
  return any;
}

/// Whoever's core it is pays for receiving at `interface`.
void steer(const std::string& interface, const std::vector<unsigned>& cores) {
  if (cores.empty() || pin_receive(interface, cores)) return;
  fmt::print(stderr, "sluice load: cannot pin the receive work of {}: it is done on the sender's core\n",
             interface);
}

void remove(const std::string& name) {
  ip("link del " + name + "-s", true);
  ip("netns del " + name, true);
}

std::expected<io::Fd, std::string> open_netns(const std::string& name) {
  io::Fd fd(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return std::unexpected(
        fmt::format("--via: there is no namespace {}; hold one with sluice load veth --name {}", name, name));
  return fd;
}

}  // namespace

Address Veth::server_address(uint32_t k) { return Address::v4(kClientNet + 1 + k); }

std::expected<Veth, std::string> Veth::make(const std::string& name,
                                            const std::vector<unsigned>& server_cores,
                                            const std::vector<unsigned>& our_cores) {
  if (!valid_name(name))
    return std::unexpected(fmt::format("--name: '{}' is no name; use 1 to 12 of a-z 0-9", name));
  if (::geteuid() != 0)
    return std::unexpected(
        std::string("making a namespace and a veth pair needs root; sluice load measures without them, by "
                    "sockets, if --veth is left out"));
  remove(name);
  const std::string s = name + "-s";
  const std::string g = name + "-g";
  const auto all = [&name](const std::vector<std::string>& steps) -> std::expected<void, std::string> {
    for (const auto& step : steps)
      if (!ip(step)) {
        remove(name);
        return std::unexpected("making a namespace and a veth pair: ip " + step + " failed");
      }
    return {};
  };
  if (auto made =
          all({"netns add " + name, fmt::format("link add {} address {} type veth peer name {} address {}", s,
                                                kServerMacText, g, kOurMacText)});
      !made)
    return std::unexpected(made.error());
  if (!server_cores.empty()) {
    thread_receive(s, false);
    set_offload(g, ETHTOOL_STSO, false);
  }
  if (!our_cores.empty()) {
    thread_receive(g, true);
    set_offload(s, ETHTOOL_STSO, false);
  }
  std::vector<std::string> steps{
      fmt::format("link set {} netns {}", g, name), fmt::format("-n {} link set {} up", name, g),
      // The generator takes datagrams, none that are to be cut yet (UDP_SEGMENT).
      fmt::format("link set {} gso_max_segs 1", s), fmt::format("link set {} up", s)};
  for (uint32_t k = 0; k < kServerAddresses; ++k) {
    EndpointText text;
    steps.push_back(fmt::format("addr add {}/32 dev {}", format(server_address(k), text), s));
  }
  steps.push_back(fmt::format("neigh replace {} lladdr {} dev {} nud permanent", kRouter, kRouterMacText, s));
  steps.push_back(fmt::format("route add {} dev {}", kRouter, s));
  steps.push_back(fmt::format("route add 198.18.0.0/15 via {} dev {} src 198.18.0.1", kRouter, s));
  if (auto made = all(steps); !made) return std::unexpected(made.error());
  steer(s, server_cores);
  steer(g, our_cores);
  auto netns = open_netns(name);
  if (!netns) return std::unexpected(netns.error());
  return Veth(name, std::move(*netns), true);
}

std::expected<Veth, std::string> Veth::open(const std::string& name) {
  auto netns = open_netns(name);
  if (!netns) return std::unexpected(netns.error());
  return Veth(name, std::move(*netns), false);
}

Veth::~Veth() {
  // A moved-from one has no namespace.
  if (owned_ && netns_) remove(name_);
}

std::string Veth::explain() const {
  return fmt::format(
      "server's end {}-s: 198.18.0.1 to 198.18.0.{}, in this namespace\n"
      "clients 198.18.0.0/16, far sides 198.19.0.1:7000 and the ports behind (198.19.16.1, .32.1 ... of "
      "further\n"
      "cores), in namespace {}\n"
      "start the server on 198.18.0.1, then e.g.: sluice load udp --via {} --to 198.18.0.1:5000\n",
      name_, kServerAddresses, name_, name_);
}

int run_veth(const VethCommand& c) {
  g_stop = 0;
  for (const int s : {SIGINT, SIGTERM, SIGHUP}) std::signal(s, on_signal);
  auto veth = Veth::make(c.name, c.server_cores, c.our_cores);
  if (!veth) {
    fmt::print(stderr, "sluice load veth: {}\n", veth.error());
    return valid_name(c.name) ? 1 : 2;
  }
  fmt::print("{}ready veth={}\n", veth->explain(), c.name);
  std::fflush(stdout);
  for (const Nanos end = now_ns() + static_cast<Nanos>(c.seconds * 1e9); g_stop == 0 && now_ns() < end;)
    ::poll(nullptr, 0, 100);
  return 0;
}

}  // namespace sluice::load
