// The thread that steps a HandshakeWorker in production. The simulator has none.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <thread>

#include "engine/slow/handshake_worker.h"

namespace sluice::slow {

/// CPU time of the calling thread in microseconds, for HandshakeLimits::cpu_clock.
uint64_t thread_cpu_us();

/// Sleeps in the kernel until wake() or the worker's next deadline; reads CLOCK_MONOTONIC.
class HandshakeThread {
 public:
  /// `worker` must outlive this. The thread starts here; the error says what the kernel refused.
  static std::expected<std::unique_ptr<HandshakeThread>, std::string> start(HandshakeWorker& worker);
  /// Stops and joins.
  ~HandshakeThread();
  HandshakeThread(const HandshakeThread&) = delete;
  HandshakeThread& operator=(const HandshakeThread&) = delete;

  /// Any thread, after pushing to one of the worker's rings; a batch of pushes needs one. A system call only
  /// while the worker sleeps; allocates nothing.
  void wake();
  Wake waker() {
    return {[](void* t) { static_cast<HandshakeThread*>(t)->wake(); }, this};
  }

 private:
  HandshakeThread(HandshakeWorker& worker, int event_fd);
  void ring_bell();
  void run();
  void sleep_until(Micros deadline, Micros now);

  HandshakeWorker& worker_;
  const int event_fd_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> asleep_{false};
  std::thread thread_;
};

}  // namespace sluice::slow
