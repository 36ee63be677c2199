#include "engine/slow/handshake_thread.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

namespace sluice::slow {
namespace {

Micros read_clock(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return {t.tv_sec * 1'000'000 + t.tv_nsec / 1000};
}

}  // namespace

uint64_t thread_cpu_us() { return static_cast<uint64_t>(read_clock(CLOCK_THREAD_CPUTIME_ID).us); }

std::expected<std::unique_ptr<HandshakeThread>, std::string> HandshakeThread::start(HandshakeWorker& worker) {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0)
    return std::unexpected(std::string("no eventfd for the handshake worker: ") + std::strerror(errno));
  std::unique_ptr<HandshakeThread> t(new HandshakeThread(worker, fd));
  try {
    t->thread_ = std::thread([raw = t.get()] { raw->run(); });
  } catch (const std::system_error& e) {
    return std::unexpected(std::string("no thread for the handshake worker: ") + e.what());
  }
  return t;
}

HandshakeThread::HandshakeThread(HandshakeWorker& worker, int event_fd)
    : worker_(worker), event_fd_(event_fd) {}

HandshakeThread::~HandshakeThread() {
  stop_.store(true, std::memory_order_release);
  ring_bell();
  if (thread_.joinable()) thread_.join();
  ::close(event_fd_);
}

void HandshakeThread::ring_bell() {
  const uint64_t one = 1;
  // Full means that it has been rung already.
  [[maybe_unused]] const ssize_t n = ::write(event_fd_, &one, sizeof one);
}

// Both sides exchange `asleep_`, so the two exchanges have an order: if ours is the later one it sees `true`
// and rings; if the worker's is the later one it sees what was pushed before ours.
void HandshakeThread::wake() {
  if (asleep_.exchange(false, std::memory_order_acq_rel)) ring_bell();
}

void HandshakeThread::run() {
  ::pthread_setname_np(::pthread_self(), "sluice-dtls");
  while (!stop_.load(std::memory_order_acquire)) {
    Micros now = read_clock(CLOCK_MONOTONIC);
    if (worker_.step(now) <= now) continue;
    asleep_.exchange(true, std::memory_order_acq_rel);
    now = read_clock(CLOCK_MONOTONIC);
    const Micros next = worker_.step(now);
    if (next > now) sleep_until(next, now);
    asleep_.exchange(false, std::memory_order_acq_rel);
  }
}

void HandshakeThread::sleep_until(Micros deadline, Micros now) {
  const Micros left = deadline - now;
  const timespec timeout{left.us / 1'000'000, left.us % 1'000'000 * 1000};
  pollfd p{event_fd_, POLLIN, 0};
  if (::ppoll(&p, 1, deadline == kNever ? nullptr : &timeout, nullptr) <= 0) return;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(event_fd_, &count, sizeof count);
}

}  // namespace sluice::slow
