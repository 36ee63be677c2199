#include "tools/load/worker.h"

#include <cstring>

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include "tools/load/flood_protocol.h"
#include "tools/load/frame_wire.h"
#include "tools/load/relay_protocol.h"
#include "tools/load/socket_wire.h"
#include "tools/load/turn_protocol.h"
#include "tools/load/udp_protocol.h"
#include "tools/load/whip_protocol.h"

namespace sluice::load {
namespace {

constexpr Nanos kSpinBelow = 50'000;  ///< a shorter gap is not worth a system call that sleeps
constexpr Nanos kIdleRound = 5'000;   ///< a round without work that took longer was not idle
constexpr Nanos kPublishEvery = 50'000'000;
constexpr Nanos kFarewell = 20'000'000;  ///< for what the last packets bring

Nanos cpu_now() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

std::unique_ptr<Protocol> make_protocol(const Bench& bench) {
  switch (bench.options.mode) {
    case Mode::relay:
      return std::make_unique<RelayProtocol>(bench);
    case Mode::turn:
      return std::make_unique<TurnProtocol>(bench);
    case Mode::whip:
      return std::make_unique<WhipProtocol>(bench);
    case Mode::flood:
      return std::make_unique<FloodProtocol>(bench);
    case Mode::udp:
      break;
  }
  return std::make_unique<UdpProtocol>(bench);
}

}  // namespace

std::expected<std::string, std::string> Worker::start() {
  thread_ = std::jthread([this] { run(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_.has_value(); });
  return *started_;
}

void Worker::pin() const {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  if (options_.options->cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(options_.options->cores[options_.index], &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

std::expected<std::unique_ptr<Wire>, std::string> Worker::open_wire() const {
  if (options_.veth != nullptr) return open_frames();
  const Options& o = *options_.options;
  SocketWireOptions w;
  w.clients = options_.capacity;
  w.partners = o.mode == Mode::udp && o.path == UdpPath::pairs;
  const bool ipv4 = o.mode == Mode::whip || o.target.is_v4();
  w.source = ipv4 ? Address::v4(uint32_t{0}) : Address{};
  if (o.target.addr.is_loopback() && o.target.is_v4())
    w.spread = AddressPlan::of(kLoopbackNet, options_.index);
  if (o.serves())
    for (uint32_t j = 0; j < o.servers; ++j)
      w.servers.push_back(
          {o.serve.addr, static_cast<uint16_t>(o.serve.port + options_.index * o.servers + j)});
  return SocketWire::open(w);
}

std::expected<std::unique_ptr<Wire>, std::string> Worker::open_frames() const {
  if (::setns(options_.veth->netns(), CLONE_NEWNET) != 0)
    return std::unexpected(fmt::format("setns: {}; it needs root", std::strerror(errno)));
  const Options& o = *options_.options;
  FrameWireOptions w;
  w.interface = options_.veth->interface();
  w.source = Veth::kOurMac;
  w.destination = Veth::kServerMac;
  w.clients = AddressPlan::of(kClientNet, options_.index + o.plan);
  const Address address = Address::v4(AddressPlan::of(kServerNet, options_.index + o.plan).base + 1);
  for (uint32_t j = 0; j < o.servers; ++j)
    w.servers.push_back({address, static_cast<uint16_t>(o.serve.port + j)});
  return FrameWire::open(w);
}

void Worker::run() {
  const Options& o = *options_.options;
  pin();
  auto wire = open_wire();
  {
    const std::lock_guard lock(mutex_);
    started_ =
        wire ? std::expected<std::string, std::string>((*wire)->describe()) : std::unexpected(wire.error());
  }
  changed_.notify_all();
  if (!wire) return;
  Sessions sessions(options_.capacity);
  TxQueue control(**wire);
  const Bench bench{o, *options_.credentials, options_.first, options_.run, **wire, sessions, control};
  const auto protocol = make_protocol(bench);
  const Traffic traffic = o.dtx ? Traffic::dtx(o.interval()) : Traffic(o.size);
  Generator generator(bench, *protocol, traffic, options_.began);
  loop(**wire, sessions, generator);
  generator.close_all();
  for (const Nanos end = now_ns() + kFarewell; now_ns() < end; (*wire)->wait(end)) generator.step(now_ns());
  series_ = generator.series();
  setup_ = sessions.setup();
}

void Worker::loop(Wire& wire, const Sessions& sessions, Generator& generator) {
  const bool spin = options_.options->spin;
  Nanos next_publish = 0;
  Nanos now = now_ns();
  while (!stop_.load(std::memory_order_relaxed)) {
    const Nanos from = now;
    const bool worked = generator.step(now);
    const Nanos due = generator.next_due(now);
    const bool sleeps = !worked && !spin && due - now > kSpinBelow;
    if (sleeps) wire.wait(due);
    now = now_ns();
    const bool inside = from >= pace_.begin && from < pace_.end;
    if (inside != in_window_) cross(inside, wire);
    if (inside) {
      own_.elapsed += now - from;
      // A round that did not sleep and still took long was interrupted, by softirqs mostly: it was not idle.
      if (!worked) own_.idle += sleeps ? now - from : std::min(now - from, kIdleRound);
    }
    if (ordered_.load(std::memory_order_relaxed) || now >= next_publish) {
      next_publish = now + kPublishEvery;
      serve_orders(generator, wire, sessions);
    }
  }
}

/// The window begins or ends.
void Worker::cross(bool inside, Wire& wire) {
  in_window_ = inside;
  const WireCounters c = wire.counters();
  const Nanos cpu = cpu_now();
  if (inside) {
    wire_before_ = c;
    cpu_before_ = cpu;
    return;
  }
  own_.wire = {c.tx_packets - wire_before_.tx_packets, c.rx_packets - wire_before_.rx_packets,
               c.tx_refused - wire_before_.tx_refused, c.rx_dropped - wire_before_.rx_dropped};
  own_.cpu = cpu - cpu_before_;
}

void Worker::serve_orders(Generator& g, Wire& wire, const Sessions& sessions) {
  const std::lock_guard lock(mutex_);
  ordered_.store(false, std::memory_order_relaxed);
  if (new_pace_) {
    if (new_pace_->begin != pace_.begin) own_ = {};
    pace_ = *new_pace_;
    new_pace_.reset();
    g.set_pace(pace_);
  }
  const SetupFigures& setup = sessions.setup();
  live_ = {setup.begun, setup.ready, setup.failed, wire.counters()};
  if (!wanted_) return;
  wanted_ = false;
  delivered_ = g.figures();
  delivered_->merge(own_);
  changed_.notify_all();
}

void Worker::set_pace(const Pace& pace) {
  const std::lock_guard lock(mutex_);
  new_pace_ = pace;
  ordered_.store(true, std::memory_order_relaxed);
}

Figures Worker::figures() {
  std::unique_lock lock(mutex_);
  wanted_ = true;
  delivered_.reset();
  ordered_.store(true, std::memory_order_relaxed);
  changed_.wait(lock, [this] { return delivered_.has_value(); });
  return *delivered_;
}

Live Worker::live() {
  const std::lock_guard lock(mutex_);
  return live_;
}

void Worker::stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice::load
