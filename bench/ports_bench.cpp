// What relay ports cost: a forwarder thread carries 172-byte datagrams from one public port out of 1000 relay
// ports, and from those back out of the public port, over loopback, once per way of doing I/O, in interleaved
// rounds. The first way is bare system calls with the same sockets and no table. Time is the forwarder's CPU
// per packet; the ratios are taken within a round and hold on a busy machine where the times do not.
// Then what it takes to open 15000 ports on each of two addresses, as far as they can be had at once.
//   ports_bench [ROUNDS [WAY]]     steering needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "net/io/address.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/socket_options.h"

namespace {

using namespace sluice;
using namespace sluice::io;

constexpr uint16_t kFlows = 1000;
constexpr uint16_t kFirst = 20'032;
constexpr size_t kPacket = 172;
constexpr size_t kBurst = 64;
constexpr int64_t kWindow = 512;  // packets on their way at most
const Address kHost = Address::v4(127, 0, 0, 1);

int64_t thread_cpu_ns() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

ListenSockets listen_on_any() {
  const Endpoint e{kHost, 0};
  return ListenSockets::open({&e, 1}, {.shards = 1, .rcvbuf_bytes = 8u << 20, .sndbuf_bytes = 8u << 20})
      .value();
}

/// Sends from a client to the public port, segmented, and from a server to the relay ports, and has no room
/// for what comes back. The first two bytes say the flow.
class Generator {
 public:
  explicit Generator(const Endpoint& to) : clients_(listen_on_any()), servers_(listen_on_any()) {
    for (const int fd : {client(), server()}) set_option(fd, SOL_SOCKET, SO_RCVBUF, 1);
    public_len_ = to_sockaddr(to, false, 0, public_);
    for (size_t i = 0; i < kBurst; ++i) {
      iov_[i] = {.iov_base = packets_[i].data(), .iov_len = kPacket};
      headers_[i].msg_hdr = {};
      headers_[i].msg_hdr.msg_name = &ports_[i];
      headers_[i].msg_hdr.msg_iov = &iov_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Endpoint client_at() const { return clients_.bound()[0]; }
  Endpoint server_at() const { return servers_.bound()[0]; }

  void run(Micros until, const std::atomic<int64_t>& forwarded) {
    int64_t sent = 0;
    Micros stalled_since = monotonic_now();
    uint32_t flow = 0;
    while (monotonic_now() < until) {
      const int64_t on_the_way = sent - forwarded.load(std::memory_order_relaxed);
      if (on_the_way + int64_t{2 * kBurst} > kWindow) {
        if (monotonic_now() - stalled_since > millis(20)) sent -= on_the_way;  // lost
        std::this_thread::yield();
        continue;
      }
      stalled_since = monotonic_now();
      for (size_t i = 0; i < kBurst; ++i) {
        const auto f = static_cast<uint16_t>(flow++ * 7 % kFlows);
        std::memcpy(packets_[i].data(), &f, sizeof f);
        headers_[i].msg_hdr.msg_namelen =
            to_sockaddr({kHost, static_cast<uint16_t>(kFirst + f)}, false, 0, ports_[i]);
      }
      sent += send_public();
      sent += std::max(::sendmmsg(server(), headers_.data(), kBurst, 0), 0);
    }
  }

 private:
  int client() const { return clients_.shard(0)[0].fd; }
  int server() const { return servers_.shard(0)[0].fd; }
  int64_t send_public() {
    set_option(client(), IPPROTO_UDP, UDP_SEGMENT, kPacket);
    const auto n = ::sendto(client(), packets_.data(), sizeof packets_, 0, &public_.sa, public_len_);
    return n > 0 ? static_cast<int64_t>(kBurst) : 0;
  }

  ListenSockets clients_;
  ListenSockets servers_;
  SocketAddress public_{};
  socklen_t public_len_ = 0;
  std::array<std::array<char, kPacket>, kBurst> packets_{};
  std::array<SocketAddress, kBurst> ports_{};
  std::array<iovec, kBurst> iov_{};
  std::array<mmsghdr, kBurst> headers_{};
};

/// A forwarder, ready to run. `step` carries what is there, waits for some time if that is nothing, and
/// returns how many packets.
struct Forwarder {
  std::function<int64_t(const Endpoint& client, const Endpoint& server)> step;
  Endpoint at;
};

struct Result {
  double cpu_ns = 0;
  double rate = 0;
};

Result measure(Forwarder f, Micros span) {
  Generator g(f.at);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> packets{0};
  int64_t cpu = 0;
  std::thread t([&] {
    ::pthread_setname_np(::pthread_self(), "forwarder");
    f.step(g.client_at(), g.server_at());  // rings begin on their thread
    const int64_t before = thread_cpu_ns();
    while (!stop.load(std::memory_order_relaxed))
      packets.store(packets.load(std::memory_order_relaxed) + f.step(g.client_at(), g.server_at()),
                    std::memory_order_relaxed);
    cpu = thread_cpu_ns() - before;
    f.step = nullptr;
  });
  const Micros from = monotonic_now();
  g.run(from + span, packets);
  const double seconds = static_cast<double>((monotonic_now() - from).us) / 1e6;
  stop = true;
  t.join();
  const auto n = static_cast<double>(std::max<int64_t>(packets, 1));
  return {static_cast<double>(cpu) / n, n / seconds};
}

/// recvmmsg and sendmmsg on the public port, recvfrom and sendto on the others, epoll.
class Bare {
 public:
  Bare() : listen_(listen_on_any()), epoll_(::epoll_create1(0)) {
    for (uint16_t i = 0; i < kFlows; ++i) {
      ports_.push_back(bind_relay_socket({kHost, static_cast<uint16_t>(kFirst + i)}));
      epoll_event e{.events = EPOLLIN, .data = {.u32 = i}};
      if (!ports_.back() || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, ports_.back().get(), &e) != 0)
        std::abort();
    }
    for (size_t i = 0; i < kBurst; ++i) {
      iov_[i] = {.iov_base = buffers_[i].data(), .iov_len = buffers_[i].size()};
      headers_[i].msg_hdr = {};
      headers_[i].msg_hdr.msg_iov = &iov_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Endpoint at() const { return listen_.bound()[0]; }

  int64_t step(const Endpoint& client, const Endpoint& server) {
    const int64_t n = out(server) + back(client);
    if (n > 0) return n;
    std::array<pollfd, 2> wait{pollfd{.fd = public_fd(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = epoll_.get(), .events = POLLIN, .revents = 0}};
    ::poll(wait.data(), wait.size(), 20);
    return 0;
  }

 private:
  int public_fd() const { return listen_.shard(0)[0].fd; }

  int64_t out(const Endpoint& server) {
    SocketAddress to;
    const socklen_t len = to_sockaddr(server, false, 0, to);
    for (size_t i = 0; i < kBurst; ++i) {
      iov_[i].iov_len = buffers_[i].size();
      headers_[i].msg_hdr.msg_name = &names_[i];
      headers_[i].msg_hdr.msg_namelen = sizeof names_[i];
    }
    const int n = ::recvmmsg(public_fd(), headers_.data(), kBurst, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) {
      const auto k = static_cast<size_t>(i);
      uint16_t flow;
      std::memcpy(&flow, buffers_[k].data(), sizeof flow);
      ::sendto(ports_[flow].get(), buffers_[k].data(), headers_[k].msg_len, MSG_DONTWAIT, &to.sa, len);
    }
    return std::max(n, 0);
  }
  int64_t back(const Endpoint& client) {
    SocketAddress to;
    const socklen_t len = to_sockaddr(client, false, 0, to);
    const int n = ::epoll_wait(epoll_.get(), events_.data(), kBurst, 0);
    unsigned got = 0;
    for (int i = 0; i < n; ++i) {
      socklen_t from = sizeof names_[got];
      const auto bytes =
          ::recvfrom(ports_[events_[static_cast<size_t>(i)].data.u32].get(), buffers_[got].data(),
                     buffers_[got].size(), MSG_DONTWAIT, &names_[got].sa, &from);
      if (bytes < 0) continue;
      iov_[got].iov_len = static_cast<size_t>(bytes);
      headers_[got].msg_hdr.msg_name = &to;
      headers_[got].msg_hdr.msg_namelen = len;
      ++got;
    }
    if (got > 0) ::sendmmsg(public_fd(), headers_.data(), got, MSG_DONTWAIT);
    return got;
  }

  ListenSockets listen_;
  Fd epoll_;
  std::vector<Fd> ports_;
  std::array<epoll_event, kBurst> events_;
  std::array<std::array<char, 2048>, kBurst> buffers_;
  std::array<SocketAddress, kBurst> names_;
  std::array<iovec, kBurst> iov_;
  std::array<mmsghdr, kBurst> headers_;
};

/// The same by a backend.
class Through {
 public:
  static constexpr uint32_t kSlots = 16'384;

  Through(Kind kind, RelayMode mode)
      : listen_(listen_on_any()),
        memory_(static_cast<std::byte*>(std::aligned_alloc(64, kBytes)), &std::free) {
    std::memset(memory_.get(), 0, kBytes);  // else page faults are measured
    pool_ = PacketPool({memory_.get(), kBytes}, kSlots);
    const auto opened = open(kind, mode);
    ok_ = opened.has_value();
    if (!ok_) fmt::print(stderr, "{}\n", opened.error().message);
  }
  bool ok() const { return ok_; }
  Endpoint at() const { return listen_.bound()[0]; }

  int64_t step(const Endpoint& client, const Endpoint& server) {
    backend_->receive(rx_, monotonic_now() + millis(20), drops_);
    for (const Packet& p : rx_) {
      Packet& out = tx_.push();
      out = p;
      if (p.local.port == at().port) {
        uint16_t flow;
        std::memcpy(&flow, pool_.payload(p).data(), sizeof flow);
        out.local = {kHost, static_cast<uint16_t>(kFirst + flow)};
        out.remote = server;
      } else {
        out.local = at();
        out.remote = client;
      }
    }
    const auto n = static_cast<int64_t>(rx_.size());
    rx_.clear();
    backend_->send(tx_, drops_);
    return n;
  }

 private:
  std::expected<void, IoError> open(Kind kind, RelayMode mode) {
    const RelayGrant grant{.addresses = {&kHost, 1},
                           .ports = {.lo = kFirst, .hi = static_cast<uint16_t>(kFirst + kFlows - 1)}};
    auto ports = RelayPorts::make(grant, {.mode = mode});
    if (!ports) return std::unexpected(ports.error());
    ports_ = std::move(*ports);
    auto made = make_backend(kind, listen_.shard(0), pool_, {.gso = false, .relay_ports = ports_.get()});
    if (!made) return std::unexpected(made.error());
    backend_ = std::move(*made);
    if (auto ok = backend_->grant_relay(grant); !ok) return std::unexpected(ok.error());
    for (uint16_t i = 0; i < kFlows; ++i) {
      const auto port = static_cast<uint16_t>(kFirst + i);
      if (!backend_->claim_block(static_cast<uint16_t>(port - port % kPortBlock)) ||
          !backend_->open_port({kHost, port}))
        return std::unexpected(IoError{"a port does not open", ""});
    }
    return {};
  }

  static constexpr size_t kBytes = (PacketPool::bytes_for(kSlots) + 63) / 64 * 64;

  ListenSockets listen_;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
  PacketPool pool_;
  std::unique_ptr<RelayPorts> ports_;
  std::unique_ptr<Backend> backend_;
  RxBatch rx_;
  TxBatch tx_;
  DropCounters drops_;
  bool ok_ = true;
};

struct Way {
  const char* name;
  std::function<std::optional<Forwarder>()> make;
  std::vector<double> ns = {}, rate = {}, ratio = {};
};

template <class T>
std::optional<Forwarder> forwarder(std::shared_ptr<T> f) {
  const Endpoint at = f->at();
  return Forwarder{[f](const Endpoint& c, const Endpoint& s) { return f->step(c, s); }, at};
}

std::optional<Forwarder> through(Kind kind, RelayMode mode) {
  auto f = std::make_shared<Through>(kind, mode);
  if (!f->ok()) return std::nullopt;
  return forwarder(f);
}

/// The kernel's own memory, KiB.
int64_t slab_kib() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("Slab:")) return std::atoll(line.c_str() + 5);
  return 0;
}

/// Opens every port that it can and closes them again.
void print_open_costs(const char* name, Kind kind, RelayMode mode) {
  const std::array addresses{kHost, Address::v4(127, 0, 0, 2)};
  const RelayGrant grant{.addresses = addresses, .ports = {.lo = 10'048, .hi = 25'047}};
  const ListenSockets listen = listen_on_any();
  auto ports = RelayPorts::make(grant, {.mode = mode});
  if (!ports) return fmt::print("{}: {}\n", name, ports.error().message);
  constexpr uint32_t kSlots = 1024;
  std::vector<std::byte> memory(PacketPool::bytes_for(kSlots) + 64);
  const size_t skew = 64 - reinterpret_cast<uintptr_t>(memory.data()) % 64;
  PacketPool pool({memory.data() + skew, memory.size() - skew}, kSlots);
  auto backend = make_backend(kind, listen.shard(0), pool, {.relay_ports = ports->get()}).value();
  if (!backend->grant_relay(grant)) return;
  RxBatch rx;
  DropCounters drops;
  std::vector<Endpoint> open;
  const int64_t slab = slab_kib();
  const int64_t from = thread_cpu_ns();
  for (uint32_t port = grant.ports.lo; port <= grant.ports.hi; ++port)
    for (const Address& a : addresses) {
      const Endpoint e{a, static_cast<uint16_t>(port)};
      if (port % kPortBlock == 0) backend->claim_block(e.port);
      if (backend->open_port(e)) open.push_back(e);
    }
  backend->receive(rx, kPoll, drops);  // what is left to be armed
  const int64_t opened = thread_cpu_ns();
  const int64_t used = slab_kib() - slab;
  for (const Endpoint& e : open) backend->close_port(e);
  const int64_t closed = thread_cpu_ns();
  const auto n = static_cast<double>(std::max<size_t>(open.size(), 1));
  fmt::print(
      "{:<14} {:>6} open {:>8.2f} us to open {:>8.2f} us to close {:>6.2f} KiB of kernel memory each\n", name,
      open.size(), static_cast<double>(opened - from) / n / 1e3,
      static_cast<double>(closed - opened) / n / 1e3, static_cast<double>(used) / n);
}

double at_rank(std::vector<double> v, double rank) {
  std::ranges::sort(v);
  return v[static_cast<size_t>(rank * static_cast<double>(v.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 11;
  std::vector<Way> ways{
      {"bare", [] { return forwarder(std::make_shared<Bare>()); }},
      {"mmsg+sockets", [] { return through(Kind::mmsg, RelayMode::sockets); }},
      {"uring+sockets", [] { return through(Kind::uring, RelayMode::sockets); }},
      {"mmsg+steered", [] { return through(Kind::mmsg, RelayMode::steered); }},
      {"uring+steered", [] { return through(Kind::uring, RelayMode::steered); }},
  };
  if (argc > 2) std::erase_if(ways, [&](const Way& w) { return w.name != std::string_view(argv[2]); });
  for (int r = 0; r < rounds; ++r) {
    double base = 0;
    for (Way& w : ways) {
      auto f = w.make();
      if (!f) continue;
      const Result x = measure(std::move(*f), millis(200));
      if (&w == ways.data()) base = x.cpu_ns;
      w.ns.push_back(x.cpu_ns);
      w.rate.push_back(x.rate);
      w.ratio.push_back(base / x.cpu_ns);
    }
  }
  fmt::print("{:<14} {:>10} {:>12} {:>22}\n", "way", "ns/packet", "packets/s", "x bare (quartiles)");
  for (const Way& w : ways)
    if (!w.ns.empty())
      fmt::print("{:<14} {:>10.0f} {:>12.0f} {:>8.2f} ({:.2f}..{:.2f})\n", w.name, at_rank(w.ns, 0.5),
                 at_rank(w.rate, 0.5), at_rank(w.ratio, 0.5), at_rank(w.ratio, 0.25), at_rank(w.ratio, 0.75));
  print_open_costs("mmsg+sockets", Kind::mmsg, RelayMode::sockets);
  print_open_costs("uring+sockets", Kind::uring, RelayMode::sockets);
  print_open_costs("uring+steered", Kind::uring, RelayMode::steered);
}
