// Ends a sleep in the kernel from another thread, without a system call while the sleeper is awake.
#pragma once

#include <atomic>
#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

#include "net/io/socket.h"

namespace sluice::io {

class Waker {
 public:
  /// `flags` for eventfd(), besides EFD_CLOEXEC.
  explicit Waker(int flags) : fd_(::eventfd(0, EFD_CLOEXEC | flags)) {}

  bool ok() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }

  /// Any thread. Of two sequentially consistent store-then-load pairs at least one sees the other's store:
  /// either the sleeper sees the wish, or we see that it sleeps.
  void wake() {
    wanted_.store(true);
    if (!sleeping_.load()) return;
    const uint64_t one = 1;
    // A full counter (EAGAIN) means that a wake-up is on its way already.
    [[maybe_unused]] const auto n = ::write(fd_.get(), &one, sizeof one);
  }

  /// The sleeper: false if a wake() is pending, which is thereby used up. If true, sleep, then call awake().
  bool may_sleep() {
    sleeping_.store(true);
    if (!wanted_.exchange(false)) return true;
    sleeping_.store(false, std::memory_order_relaxed);
    return false;
  }
  /// Uses up what woke us. The exchange makes visible what the waker wrote before its wake().
  void awake() {
    sleeping_.store(false, std::memory_order_relaxed);
    wanted_.exchange(false);
  }

 private:
  std::atomic<bool> wanted_{false};
  std::atomic<bool> sleeping_{false};
  Fd fd_;
};

}  // namespace sluice::io
