// Two hosts of the test's own, joined by a virtual cable: network namespaces that vanish with the test.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/syscall.h>

#include "net/wire/headers.h"
#include "tests/unit/io/rig.h"

namespace sluice::io::test {

/// Whether this process may make network namespaces.
inline bool may_make_hosts() {
  bool may = false;
  std::thread([&] { may = ::unshare(CLONE_NEWNET) == 0; }).join();
  return may;
}

/// Host `here`, where the test runs from now on, has "va" with 10.77.0.1 and fd77::1; host `there` has "vb"
/// with .2 and ::2. A second cable joins "wa" (10.78.0.1) and "wb" (10.78.0.2).
class TwoHosts {
 public:
  TwoHosts() : outside_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    there_thread_ = std::thread([this] { live_there(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return static_cast<bool>(there_); });
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    here_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    cable("va", "vb", "10.77.0", "fd77");
    cable("wa", "wb", "10.78.0", "fd78");
  }
  ~TwoHosts() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    there_thread_.join();
    CHECK(::setns(outside_.get(), CLONE_NEWNET) == 0);
  }
  TwoHosts(const TwoHosts&) = delete;
  TwoHosts& operator=(const TwoHosts&) = delete;

  /// A command at the host the thread is at.
  static void run(const std::string& command) { REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command); }
  template <class F>
  void there(F&& f) {
    REQUIRE(::setns(there_.get(), CLONE_NEWNET) == 0);
    f();
    REQUIRE(::setns(here_.get(), CLONE_NEWNET) == 0);
  }
  void run_there(const std::string& command) {
    there([&] { run(command); });
  }

 private:
  void live_there() {
    std::unique_lock lock(mutex_);
    if (::unshare(CLONE_NEWNET) != 0) std::abort();
    there_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    tid_ = static_cast<long>(::syscall(SYS_gettid));
    changed_.notify_all();
    changed_.wait(lock, [this] { return over_; });
  }
  void cable(const std::string& a, const std::string& b, const std::string& v4, const std::string& v6) {
    run(
        fmt::format("ip link set lo up && ip link add {0} type veth peer name {1} netns {2} && "
                    "ip addr add {3}.1/24 dev {0} && ip -6 addr add {4}::1/64 dev {0} nodad && "
                    "ip link set {0} up",
                    a, b, tid_, v4, v6));
    run_there(
        fmt::format("ip link set lo up && ip addr add {1}.2/24 dev {0} && "
                    "ip -6 addr add {2}::2/64 dev {0} nodad && ip link set {0} up",
                    b, v4, v6));
  }

  Fd outside_;
  Fd here_;
  Fd there_;
  long tid_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread there_thread_;
};

/// Sees every frame that an interface receives.
class Tap {
 public:
  explicit Tap(const char* interface) : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_ll a{};
    a.sll_family = AF_PACKET;
    a.sll_protocol = htons(0x0003);  // ETH_P_ALL
    a.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0);
  }
  struct Seen {
    std::vector<uint8_t> frame;
    wire::UdpDatagram datagram;  ///< points into `frame`
  };
  /// Forgets what it has seen: a socket holds little.
  void clear() {
    uint8_t byte;
    while (::recv(fd_.get(), &byte, 1, 0) >= 0) {
    }
  }
  /// The next well-formed UDP datagram to `port`, if it is there.
  std::optional<Seen> next(uint16_t port) {
    for (;;) {
      Seen s{.frame = std::vector<uint8_t>(65'536), .datagram = {}};
      const auto n = ::recv(fd_.get(), s.frame.data(), s.frame.size(), 0);
      if (n < 0) return std::nullopt;
      s.frame.resize(static_cast<size_t>(n));
      if (s.frame.size() < wire::kEthernetHeader) continue;
      const auto d = wire::read_ip_udp(Bytes(s.frame).subspan(wire::kEthernetHeader));
      if (!d || d->to.port != port) continue;
      s.datagram = *d;
      return s;
    }
  }

 private:
  Fd fd_;
};

/// Calls f() until it is true, which it soon must be.
template <class F>
void until(F&& f) {
  const Micros deadline = far_away();
  while (!f()) {
    REQUIRE(monotonic_now() < deadline);
    ::sched_yield();
  }
}

}  // namespace sluice::io::test
