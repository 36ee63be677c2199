// What carrying a packet costs: a forwarder thread echoes the 172-byte datagrams of 32 peers on loopback,
// once per way of doing I/O, in interleaved rounds. Time is the forwarder's CPU per packet;
// packets_per_cpu_vs_mmsg is the median of the rounds' ratios, which hold on a busy machine where the times
// do not.
//   busy: as many packets as fit; paced: 32 per millisecond, so that the forwarder sleeps in between.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "net/io/address.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"

namespace {

using namespace sluice;
using namespace sluice::io;

constexpr size_t kPeers = 32;
constexpr size_t kPacket = 172;
constexpr int kBurst = 8;      // packets of one peer in a row
constexpr int kWindow = 1024;  // packets on their way at most

struct Result {
  double packets_per_s = 0;
  double cpu_ns = 0;  // of the forwarder's thread, per packet
};

int64_t thread_cpu_ns() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

ListenSockets listen_on(const char* where, uint32_t bytes) {
  const Endpoint e = parse_endpoint(where).value();
  return ListenSockets::open({&e, 1}, {.shards = 1, .rcvbuf_bytes = bytes, .sndbuf_bytes = bytes}).value();
}

/// The peers. They send in segmented bursts and have no room for what comes back, so that the forwarder,
/// which is what is measured, is the slower side by far.
class Generator {
 public:
  explicit Generator(const Endpoint& to) {
    for (size_t i = 0; i < kPeers; ++i) {
      sockets_.push_back(listen_on("127.0.0.1:0", 1u << 20));
      const int none = 1;
      ::setsockopt(fd(i), SOL_SOCKET, SO_RCVBUF, &none, sizeof none);
      const int segment = kPacket;
      ::setsockopt(fd(i), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    to_len_ = to_sockaddr(to, false, 0, to_);
  }

  void run(Micros until, bool paced, const std::atomic<int64_t>& forwarded) {
    int64_t sent = 0;
    Micros stalled_since = monotonic_now();
    for (size_t peer = 0; monotonic_now() < until; peer = (peer + 1) % kPeers) {
      const int64_t on_the_way = sent - forwarded.load(std::memory_order_relaxed);
      if (on_the_way + kBurst > kWindow) {
        if (monotonic_now() - stalled_since > millis(50)) sent -= on_the_way;  // lost
        std::this_thread::yield();
        continue;
      }
      stalled_since = monotonic_now();
      if (::sendto(fd(peer), payload_.data(), payload_.size(), 0, &to_.sa, to_len_) > 0) sent += kBurst;
      if (!paced || peer % 4 != 3) continue;
      const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }

 private:
  int fd(size_t i) const { return sockets_[i].shard(0)[0].fd; }

  std::vector<ListenSockets> sockets_;
  SocketAddress to_{};
  socklen_t to_len_ = 0;
  std::array<char, kPacket * kBurst> payload_{};
};

using Forwarder = std::function<void(const std::atomic<bool>& stop, std::atomic<int64_t>& packets)>;

Result measure(const Endpoint& at, const Forwarder& forward, const std::function<void()>& wake, Micros span,
               bool paced) {
  Generator g(at);
  std::atomic<bool> stop{false};
  int64_t cpu = 0;
  std::atomic<int64_t> packets{0};
  std::thread t([&] {
    const int64_t before = thread_cpu_ns();
    forward(stop, packets);
    cpu = thread_cpu_ns() - before;
  });
  const Micros from = monotonic_now();
  g.run(from + span, paced, packets);
  const double seconds = static_cast<double>((monotonic_now() - from).us) / 1e6;
  stop = true;
  wake();
  t.join();
  const auto n = static_cast<double>(std::max<int64_t>(packets, 1));
  return {n / seconds, static_cast<double>(cpu) / n};
}

/// One packet per system call.
Result plain(Micros span, bool paced) {
  const ListenSockets s = listen_on("127.0.0.1:0", 8u << 20);
  const int fd = s.shard(0)[0].fd;
  const auto loop = [&](const std::atomic<bool>& stop, std::atomic<int64_t>& packets) {
    std::array<char, 2048> b;
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    while (!stop.load(std::memory_order_relaxed)) {
      SocketAddress a;
      socklen_t len = sizeof a;
      const auto n = ::recvfrom(fd, b.data(), b.size(), MSG_DONTWAIT, &a.sa, &len);
      if (n < 0)
        ::poll(&p, 1, 20);
      else if (::sendto(fd, b.data(), static_cast<size_t>(n), MSG_DONTWAIT, &a.sa, len) == n)
        packets.store(packets.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  };
  return measure(s.bound()[0], loop, [] {}, span, paced);
}

Result through(Kind kind, const BackendOptions& options, Micros span, bool paced) {
  constexpr uint32_t kSlots = 16'384;
  const ListenSockets s = listen_on("127.0.0.1:0", 8u << 20);
  const size_t bytes = (PacketPool::bytes_for(kSlots) + 63) / 64 * 64;
  const std::unique_ptr<std::byte, decltype(&std::free)> memory(
      static_cast<std::byte*>(std::aligned_alloc(64, bytes)), &std::free);
  std::memset(memory.get(), 0,
              bytes);  // else page faults are measured: the ring passes through all its slots
  PacketPool pool({memory.get(), bytes}, kSlots);
  auto made = make_backend(kind, s.shard(0), pool, options);
  if (!made) {
    fmt::print("{}\n", made.error().message);
    return {};
  }
  Backend& backend = **made;
  const auto loop = [&](const std::atomic<bool>& stop, std::atomic<int64_t>& packets) {
    RxBatch rx;
    TxBatch tx;
    DropCounters drops;
    while (!stop.load(std::memory_order_relaxed)) {
      backend.receive(rx, kNever, drops);
      for (const Packet& p : rx) tx.push(p);
      packets.store(packets.load(std::memory_order_relaxed) + static_cast<int64_t>(rx.size()),
                    std::memory_order_relaxed);
      rx.clear();
      backend.send(tx, drops);
    }
  };
  return measure(s.bound()[0], loop, [&] { backend.wake(); }, span, paced);
}

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

/// One way of carrying packets and what its rounds gave.
struct Way {
  const char* name;
  std::function<Result()> run;
  std::vector<double> ns = {}, rate = {}, ratio = {};
};

/// All ways in turn, `rounds` times; the first is what the others are compared with.
std::vector<Way> measure_all(bool paced, int rounds, Micros span) {
  const auto uring = [=](TaskRun t, bool ring_sends) {
    return through(Kind::uring, {.gso = false, .uring_task_run = t, .uring_ring_sends = ring_sends}, span,
                   paced);
  };
  std::vector<Way> ways{
      {"mmsg", [=] { return through(Kind::mmsg, {.gso = false}, span, paced); }},
      {"recvfrom_sendto", [=] { return plain(span, paced); }},
      {"uring_coop", [=] { return uring(TaskRun::coop, true); }},
      {"uring_defer", [=] { return uring(TaskRun::defer, true); }},
      {"uring_defer_sendmmsg", [=] { return uring(TaskRun::defer, false); }},
  };
  for (int r = 0; r < rounds; ++r) {
    double base = 0;
    for (Way& w : ways) {
      const Result x = w.run();
      if (&w == ways.data()) base = x.cpu_ns;
      w.ns.push_back(x.cpu_ns);
      w.rate.push_back(x.packets_per_s);
      w.ratio.push_back(base / x.cpu_ns);
    }
  }
  return ways;
}

void report(benchmark::State& state, const Way& w) {
  for (auto _ : state) state.SetIterationTime(median(w.ns) * 1e-9);
  state.counters["packets_per_s"] = median(w.rate);
  state.counters["packets_per_cpu_vs_mmsg"] = median(w.ratio);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const bool paced : {false, true})
    for (const Way& w : measure_all(paced, 15, millis(50)))
      benchmark::RegisterBenchmark(fmt::format("echo_172/{}/{}", paced ? "paced" : "busy", w.name).c_str(),
                                   [w](benchmark::State& s) { report(s, w); })
          ->UseManualTime()
          ->Iterations(1);
  benchmark::RunSpecifiedBenchmarks();
}
