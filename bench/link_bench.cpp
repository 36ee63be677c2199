// What sending a 172-byte datagram costs over veth, to 1 000 ports of one address in turn, batches of 64,
// once per way of doing it, in interleaved rounds: the backends with sockets, with prebuilt headers, and the
// ways of handing frames over that net/io/link did not choose. Time is the thread's CPU per packet, with the
// work of the network's soft interrupts, which runs in it; the other end drops frames at first sight. Figures
// beside it are medians of the rounds' ratios to sendmmsg(). Needs root: it makes network namespaces.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/io/factory.h"
#include "net/io/kernel.h"
#include "net/io/link/frame_writer.h"
#include "net/io/link/neighbours.h"
#include "net/io/uring/uring.h"

namespace {

using namespace sluice;
using namespace sluice::io;

constexpr size_t kPacket = 172;
constexpr size_t kBatch = 64;
constexpr uint16_t kPorts = 1000;
constexpr int kBatches = 60;  // a round
constexpr int kRounds = 15;
const Address kHere = Address::v4(10, 99, 0, 1);
const Address kThere = Address::v4(10, 99, 0, 2);

int64_t thread_cpu_ns() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "link_bench: {} (root is needed)\n", what);
  std::exit(1);
}

/// A cable to a host that ignores what arrives: the neighbour's MAC address is not its own.
class Cable {
 public:
  Cable() : peer_(::fork()) {
    if (peer_ == 0) {
      ::unshare(CLONE_NEWNET);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    int status = 0;
    if (::waitpid(peer_, &status, WUNTRACED) != peer_ || ::unshare(CLONE_NEWNET) != 0) fail("no namespace");
    const std::string command = fmt::format(
        "ip link add va type veth peer name vb netns {0} && ip addr add 10.99.0.1/24 dev va && "
        "ip link set va up && nsenter -t {0} -n ip link set vb up && "
        "ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:99 dev va nud permanent",
        peer_);
    if (std::system(command.c_str()) != 0) fail("no veth");
  }
  ~Cable() {
    ::kill(peer_, SIGKILL);
    ::waitpid(peer_, nullptr, 0);
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

 private:
  pid_t peer_;
};

/// Destination ports in turn, `run` packets to each before the next.
class Ports {
 public:
  explicit Ports(int run) : run_(run) {}
  Endpoint next() {
    if (sent_++ % run_ == 0) port_ = static_cast<uint16_t>(port_ + 1 == kPorts ? 0 : port_ + 1);
    return {kThere, static_cast<uint16_t>(20'000 + port_)};
  }

 private:
  int run_;
  int sent_ = 0;
  uint16_t port_ = 0;
};

/// A kernel backend, with or without a link.
class Through {
 public:
  Through(Kind kind, link::Neighbours* link, int run)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(64, kBytes)), &std::free), ports_(run) {
    std::memset(memory_.get(), 0, kBytes);
    pool_ = std::make_unique<PacketPool>(std::span(memory_.get(), kBytes), kSlots);
    const Endpoint any{Address::v4(uint32_t{0}), 0};
    sockets_ = ListenSockets::open({&any, 1}, {}).value();
    BackendOptions options;
    options.link = link;
    backend_ = make_backend(kind, sockets_.shard(0), *pool_, options).value();
    while (link && backend_->counters().tx_frames == 0) batch();
  }
  void batch() {
    for (size_t i = 0; i < kBatch; ++i) {
      Packet& p = tx_.push();
      p.slot = pool_->take();
      p.offset = kHeadroom;
      p.len = kPacket;
      p.local = {kHere, sockets_.bound()[0].port};
      p.remote = ports_.next();
    }
    backend_->send(tx_, drops_);
  }

 private:
  static constexpr uint32_t kSlots = 4096;
  static constexpr size_t kBytes = (PacketPool::bytes_for(kSlots) + 63) / 64 * 64;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
  std::unique_ptr<PacketPool> pool_;
  ListenSockets sockets_;
  std::unique_ptr<Backend> backend_;
  Ports ports_;
  TxBatch tx_;
  DropCounters drops_;
};

/// Frames by the ways that were not chosen.
enum class Other { named, offload, ring };

class ByPacketSocket {
 public:
  ByPacketSocket(Other how, const link::Path& path)
      : how_(how), path_(path), fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    const int one = 1;
    ::setsockopt(fd_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    if (how == Other::offload) ::setsockopt(fd_.get(), SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one);
    if (how == Other::ring) map();
    name_.sll_family = AF_PACKET;
    name_.sll_ifindex = static_cast<int>(path.ifindex);
    name_.sll_protocol = htons(wire::kEtherTypeIpv4);
    sockaddr_ll bound = name_;
    bound.sll_protocol = 0;
    if (how != Other::named) ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&bound), sizeof bound);
  }
  void batch() {
    for (size_t i = 0; i < kBatch; ++i) how_ == Other::ring ? put(ports_.next()) : message(i, ports_.next());
    const auto n = how_ == Other::ring ? ::send(fd_.get(), nullptr, 0, MSG_DONTWAIT)
                                       : ::sendmmsg(fd_.get(), messages_.data(), kBatch, MSG_DONTWAIT);
    if (n <= 0) fail("a packet socket did not send");
  }

 private:
  static constexpr uint32_t kFrameBytes = 2048;
  static constexpr uint32_t kFrames = 1024;
  static constexpr size_t kVnet = 10;
  static constexpr size_t kHeaders = wire::kEthernetHeader + wire::ip_udp_header(true);

  void map() {
    const int version = TPACKET_V2;
    const tpacket_req r{.tp_block_size = 1 << 16,
                        .tp_block_nr = kFrameBytes * kFrames >> 16,
                        .tp_frame_size = kFrameBytes,
                        .tp_frame_nr = kFrames};
    ::setsockopt(fd_.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version);
    ::setsockopt(fd_.get(), SOL_PACKET, PACKET_TX_RING, &r, sizeof r);
    void* at = ::mmap(nullptr, kFrameBytes * kFrames, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      fd_.get(), 0);
    if (at == MAP_FAILED) fail("no transmit ring");
    ring_ = static_cast<uint8_t*>(at);
  }
  void headers(uint8_t* at, const Endpoint& to) const {
    wire::write_ethernet(at, path_.destination, path_.source, true);
    if (how_ == Other::offload)
      wire::write_ip_udp_unsummed(at + wire::kEthernetHeader, {kHere, 4000}, to, kPacket);
    else
      wire::write_ip_udp(at + wire::kEthernetHeader, {kHere, 4000}, to, payload_);
  }
  void message(size_t i, const Endpoint& to) {
    std::array<uint8_t, 64>& h = headers_[i];
    // struct virtio_net_hdr: the device sums from byte 34 on, into byte 40.
    constexpr std::array<uint8_t, kVnet> kSumThere{1, 0, kHeaders, 0, 0, 0, 34, 0, 6, 0};
    std::memcpy(h.data(), kSumThere.data(), kVnet);
    headers(h.data() + kVnet, to);
    const size_t skip = how_ == Other::offload ? 0 : kVnet;
    iov_[2 * i] = {.iov_base = h.data() + skip, .iov_len = kVnet + kHeaders - skip};
    iov_[2 * i + 1] = {.iov_base = payload_.data(), .iov_len = kPacket};
    msghdr& m = messages_[i].msg_hdr;
    m = {};
    m.msg_iov = &iov_[2 * i];
    m.msg_iovlen = 2;
    if (how_ != Other::named) return;
    m.msg_name = &name_;
    m.msg_namelen = sizeof name_;
  }
  void put(const Endpoint& to) {
    uint8_t* frame = ring_ + size_t{next_} * kFrameBytes;
    next_ = (next_ + 1) % kFrames;
    auto* h = reinterpret_cast<tpacket2_hdr*>(frame);
    uint8_t* data = frame + TPACKET2_HDRLEN - sizeof(sockaddr_ll);
    headers(data, to);
    std::memcpy(data + kHeaders, payload_.data(), kPacket);
    h->tp_len = kHeaders + kPacket;
    __atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
  }

  Other how_;
  link::Path path_;
  Fd fd_;
  sockaddr_ll name_{};
  Ports ports_{1};
  uint8_t* ring_ = nullptr;
  uint32_t next_ = 0;
  std::array<uint8_t, kPacket> payload_{};
  std::array<std::array<uint8_t, 64>, kBatch> headers_;
  std::array<iovec, 2 * kBatch> iov_;
  std::array<mmsghdr, kBatch> messages_;
};

/// One way of sending and what its rounds gave.
struct Way {
  std::string name;
  std::function<void()> batch;
  std::vector<double> ns = {}, ratio = {};
};

template <class T, class... A>
Way way(std::string name, A... a) {
  auto sender = std::make_shared<T>(a...);
  return {std::move(name), [sender] { sender->batch(); }};
}

double round_ns(const Way& w) {
  const int64_t before = thread_cpu_ns();
  for (int i = 0; i < kBatches; ++i) w.batch();
  return static_cast<double>(thread_cpu_ns() - before) / (kBatches * double{kBatch});
}

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

void report(benchmark::State& state, const Way& w) {
  for (auto _ : state) state.SetIterationTime(median(w.ns) * 1e-9);
  state.counters["packets_per_cpu_vs_sendmmsg"] = median(w.ratio);
  state.counters["lowest"] = std::ranges::min(w.ratio);
  state.counters["highest"] = std::ranges::max(w.ratio);
}

std::vector<Way> measure(link::Neighbours& link) {
  const auto path = link.look_up(kHere, kThere);
  if (!path) fail(path.error().message);
  std::vector<Way> ways{way<Through>("sendmmsg", Kind::mmsg, nullptr, 1),
                        way<Through>("mmsg_link", Kind::mmsg, &link, 1),
                        way<ByPacketSocket>("packet_named", Other::named, *path),
                        way<ByPacketSocket>("packet_offload", Other::offload, *path),
                        way<ByPacketSocket>("packet_ring", Other::ring, *path),
                        way<Through>("runs_of_8/sendmmsg", Kind::mmsg, nullptr, 8),
                        way<Through>("runs_of_8/mmsg_link", Kind::mmsg, &link, 8)};
  if (uring_available()) {
    ways.push_back(way<Through>("uring", Kind::uring, nullptr, 1));
    ways.push_back(way<Through>("uring_link", Kind::uring, &link, 1));
  }
  for (const Way& w : ways) round_ns(w);
  for (int r = 0; r < kRounds; ++r) {
    double base = 0;
    for (Way& w : ways) {
      w.ns.push_back(round_ns(w));
      if (&w == ways.data()) base = w.ns.back();
      w.ratio.push_back(base / w.ns.back());
    }
  }
  return ways;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const Cable cable;
  auto link = link::Neighbours::make();
  if (!link) fail(link.error().message);
  for (const Way& w : measure(**link))
    benchmark::RegisterBenchmark(("send_172/" + w.name).c_str(), [w](benchmark::State& s) { report(s, w); })
        ->UseManualTime()
        ->Iterations(1);
  benchmark::RunSpecifiedBenchmarks();
}
