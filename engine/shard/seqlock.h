// A value written by one thread and read whole by others, without a lock. Readers retry; the writer never
// waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice::engine {

/// The payload is copied as relaxed atomic words between two versions (Boehm, "Can seqlocks get along with
/// programming language memory models?", 2012), so that a torn read is retried and is no data race.
template <class T>
class SeqLocked {
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr size_t kWords = (sizeof(T) + 7) / 8;

 public:
  /// Writer thread only.
  void store(const T& value) {
    uint64_t words[kWords]{};
    std::memcpy(words, &value, sizeof value);
    const uint32_t v = version_.load(std::memory_order_relaxed);
    version_.store(v + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
    version_.store(v + 2, std::memory_order_release);
  }

  /// Any thread: changes with every store(), and is 0 before the first.
  uint32_t version() const { return version_.load(std::memory_order_acquire); }

  /// Any thread. False if the writer was at work the whole time; the caller keeps what it had.
  bool load(T& out) const {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const uint32_t before = version_.load(std::memory_order_acquire);
      if (before & 1) continue;
      uint64_t words[kWords];
      for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (version_.load(std::memory_order_relaxed) != before) continue;
      std::memcpy(static_cast<void*>(&out), words, sizeof out);
      return true;
    }
    return false;
  }

 private:
  std::atomic<uint32_t> version_{0};
  std::atomic<uint64_t> words_[kWords]{};
};

}  // namespace sluice::engine
