// Packets out per CPU second from one publisher to many players, over real sockets on loopback: a shard with
// its real backend, and in turns with it a bare loop that sends as many ready-made packets of the same size
// to the same sockets by the same system call. Everything is on one thread, step by step, so that no second
// core is needed and nobody waits: packets are put in, the shard's turns are timed, then the players' sockets
// are emptied and counted. Medians of rounds, of CPU time. One JSON object per line.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <vector>

#include <liburing.h>
#include <sys/socket.h>

#include "bench/shard_rig.h"
#include "net/io/address.h"
#include "net/io/factory.h"
#include "net/io/kernel.h"

namespace {

using namespace sluice;

constexpr size_t kPayload = 80;  // 20 ms of Opus at 32 kb/s
constexpr int kRounds = 100;

double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

/// A backend, and the CPU time that is spent in it.
class Timed final : public io::Backend {
 public:
  Timed(std::unique_ptr<io::Backend> inner, double& receiving, double& sending)
      : inner_(std::move(inner)), receiving_(receiving), sending_(sending) {}
  Micros receive(RxBatch& rx, Micros deadline, DropCounters& drops) override {
    const double start = cpu_ns();
    const Micros now = inner_->receive(rx, deadline, drops);
    receiving_ += cpu_ns() - start;
    return now;
  }
  void send(TxBatch& tx, DropCounters& drops) override {
    const double start = cpu_ns();
    inner_->send(tx, drops);
    sending_ += cpu_ns() - start;
  }
  void wake() override { inner_->wake(); }
  uint32_t slots_held() const override { return inner_->slots_held(); }
  std::expected<io::RelayAbility, io::IoError> grant_relay(const io::RelayGrant& g) override {
    return inner_->grant_relay(g);
  }
  bool claim_block(uint16_t first) override { return inner_->claim_block(first); }
  bool open_port(const Endpoint& local) override { return inner_->open_port(local); }
  void close_port(const Endpoint& local) override { inner_->close_port(local); }
  const io::IoCounters& counters() const override { return inner_->counters(); }
  const char* name() const override { return inner_->name(); }

 private:
  std::unique_ptr<io::Backend> inner_;
  double& receiving_;
  double& sending_;
};

io::ListenSockets listen_at(const Endpoint& e) {
  return io::ListenSockets::open({&e, 1}, {.shards = 1}).value();
}

/// The clients' ends.
class Clients {
 public:
  explicit Clients(const Endpoint& server) { server_len_ = io::to_sockaddr(server, false, 0, server_); }

  bool send(const Endpoint& from, Bytes payload) {
    auto it = sockets_.find(from);
    if (it == sockets_.end()) it = sockets_.emplace(from, listen_at(from)).first;
    const int fd = it->second.shard(0)[0].fd;
    return ::sendto(fd, payload.data(), payload.size(), MSG_DONTWAIT, &server_.sa, server_len_) > 0;
  }
  /// Empties all; returns how many datagrams of more than kPayload bytes there were, and their size.
  size_t drain(size_t& bytes) {
    size_t n = 0;
    std::array<char, 2048> b;
    for (const auto& [at, s] : sockets_)
      for (ssize_t got = 0; (got = ::recv(s.shard(0)[0].fd, b.data(), b.size(), MSG_DONTWAIT)) >= 0;)
        if (static_cast<size_t>(got) > kPayload && (b[0] & 0xc0) == 0x80) ++n, bytes = static_cast<size_t>(got);
    return n;
  }

 private:
  struct Less {
    bool operator()(const Endpoint& a, const Endpoint& b) const {
      return std::pair(a.addr.b, a.port) < std::pair(b.addr.b, b.port);
    }
  };
  std::map<Endpoint, io::ListenSockets, Less> sockets_;
  io::SocketAddress server_{};
  socklen_t server_len_ = 0;
};

/// Sends ready-made packets, kTxBurst a call.
class BareLoop {
 public:
  BareLoop(io::Kind kind, int fd, const std::vector<Endpoint>& to, size_t bytes, size_t copies)
      : uring_(kind == io::Kind::uring), fd_(fd), bytes_(bytes), payload_(to.size() * copies) {
    names_.resize(payload_.size()), iov_.resize(payload_.size()), headers_.resize(payload_.size());
    for (size_t i = 0; i < payload_.size(); ++i) {
      const socklen_t len = io::to_sockaddr(to[i % to.size()], false, 0, names_[i]);
      iov_[i] = {.iov_base = payload_[i].data(), .iov_len = bytes_};
      headers_[i] = {};
      headers_[i].msg_hdr.msg_name = &names_[i];
      headers_[i].msg_hdr.msg_namelen = len;
      headers_[i].msg_hdr.msg_iov = &iov_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
    if (!uring_) return;
    io_uring_params p{};
    p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;
    if (::io_uring_queue_init_params(kTxBurst, &ring_, &p) < 0 ||
        ::io_uring_register_files(&ring_, &fd_, 1) < 0)
      std::abort();
    ::io_uring_register_ring_fd(&ring_);
  }
  ~BareLoop() {
    if (uring_) ::io_uring_queue_exit(&ring_);
  }
  BareLoop(const BareLoop&) = delete;
  BareLoop& operator=(const BareLoop&) = delete;

  void send() {
    for (size_t at = 0; at < headers_.size();) {
      const size_t n = std::min(kTxBurst, headers_.size() - at);
      at += uring_ ? by_ring(at, n) : by_call(at, n);
    }
  }

 private:
  size_t by_call(size_t at, size_t n) {
    const int r = ::sendmmsg(fd_, &headers_[at], static_cast<unsigned>(n), MSG_DONTWAIT);
    return r > 0 ? static_cast<size_t>(r) : 1;
  }
  size_t by_ring(size_t at, size_t n) {
    for (size_t i = at; i < at + n; ++i) {
      io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
      ::io_uring_prep_send(sqe, 0, payload_[i].data(), bytes_, MSG_DONTWAIT);
      ::io_uring_prep_send_set_addr(sqe, &names_[i].sa, static_cast<uint16_t>(headers_[i].msg_hdr.msg_namelen));
      sqe->flags |= IOSQE_FIXED_FILE;
    }
    ::io_uring_submit_and_wait(&ring_, static_cast<unsigned>(n));
    ::io_uring_cq_advance(&ring_, ::io_uring_cq_ready(&ring_));
    return n;
  }

  bool uring_;
  int fd_;
  size_t bytes_;
  std::vector<std::array<uint8_t, 256>> payload_;
  std::vector<io::SocketAddress> names_;
  std::vector<iovec> iov_;
  std::vector<mmsghdr> headers_;
  io_uring ring_{};
};

class Fanout {
 public:
  /// `place`: tells the clients' addresses of several apart.
  Fanout(io::Kind kind, uint32_t players, uint32_t burst, uint8_t place)
      : kind_(kind), burst_(burst), place_(place), clients_(sockets_.bound()[0]) {
    publisher_ = rig_.connect(engine::Role::publish, 0);
    for (uint32_t p = 0; p < players; ++p) players_.push_back(rig_.connect(engine::Role::play, 0).at);
    rig_.publish(0, publisher_);
    size_t bytes = 0;
    clients_.drain(bytes);
    turn();
    if (turn() != burst_ * players) lost_ = true;
    bare_ = std::make_unique<BareLoop>(kind_, sockets_.shard(0)[0].fd, players_, bytes_, burst_);
  }

  void round() {
    const double receiving = receiving_, sending = sending_;
    const size_t out = turn();
    lost_ = lost_ || out != burst_ * players_.size();
    const auto n = static_cast<double>(std::max<size_t>(out, 1));
    ours.push_back(spent_ / n);
    share.push_back((receiving_ - receiving + sending_ - sending) / spent_);
    receive_ns.push_back((receiving_ - receiving) / burst_);
    send_ns.push_back((sending_ - sending) / n);
    const double start = cpu_ns();
    bare_->send();
    bare.push_back((cpu_ns() - start) / n);
    size_t bytes = 0;
    clients_.drain(bytes);
    ratio.push_back(bare.back() / ours.back());
  }

  void print() const {
    std::printf("{\"io\": \"%s\", \"players\": %zu, \"burst\": %u, \"ns_per_packet_out\": %.0f, "
                "\"bare_ns\": %.0f, \"times_bare\": %.3f, \"io_share\": %.3f, \"receive_ns\": %.0f, "
                "\"send_ns\": %.0f, \"lost\": %s}\n",
                io::name_of(kind_).data(), players_.size(), burst_, median(ours), median(bare), median(ratio),
                median(share), median(receive_ns), median(send_ns), lost_ ? "true" : "false");
  }

  std::vector<double> ours, bare, ratio, share, receive_ns, send_ns;

 private:
  /// One burst through the shard; returns how many packets came out.
  size_t turn() {
    for (uint32_t i = 0; i < burst_; ++i) {
      std::array<uint8_t, kMaxDatagram> buffer{};
      clients_.send(publisher_.at, rig_.packet(publisher_, kPayload, buffer));
    }
    const uint64_t before = rig_.io().tx_packets, want = burst_ * players_.size();
    const double start = cpu_ns();
    for (int i = 0; i < 8 && rig_.io().tx_packets - before < want; ++i) rig_.step();
    spent_ = cpu_ns() - start;
    return clients_.drain(bytes_);
  }

  io::Kind kind_;
  uint32_t burst_;
  uint8_t place_;
  bool lost_ = false;
  double receiving_ = 0, sending_ = 0, spent_ = 0;
  size_t bytes_ = 0;
  io::ListenSockets sockets_ = listen_at({Address::v4(127, 0, 0, 1), 0});
  Clients clients_;
  bench::ShardRig rig_{
      128,
      1,
      srtp::Kind::automatic,
      1,
      {.cipher = {},
       .backend =
           [this](PacketPool& pool) {
             auto made = io::make_backend(kind_, sockets_.shard(0), pool, {.gso = false}).value();
             return std::make_unique<Timed>(std::move(made), receiving_, sending_);
           },
       .deliver = [this](const Endpoint& from, Bytes payload) { return clients_.send(from, payload); },
       .server = sockets_.bound()[0],
       .clients = Address::v4(127, place_, 0, 0),
       .now = io::monotonic_now()}};
  bench::Client publisher_;
  std::vector<Endpoint> players_;
  std::unique_ptr<BareLoop> bare_;
};

}  // namespace

int main() {
  std::vector<std::unique_ptr<Fanout>> all;
  uint8_t place = 1;
  for (const io::Kind kind : {io::Kind::mmsg, io::Kind::uring})
    for (const uint32_t players : {1u, 10u, 100u})
      for (const uint32_t burst : {1u, 32u}) all.push_back(std::make_unique<Fanout>(kind, players, burst, place++));
  for (int i = 0; i < kRounds; ++i)
    for (const auto& f : all) f->round();
  for (const auto& f : all) f->print();
}
