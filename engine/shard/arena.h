// Memory of one shard: mapped once at start, cut into named pieces, never grown. Pages are touched on first
// use, so capacity that nobody uses costs address space only.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>

#include <sys/mman.h>

namespace sluice::engine {

/// One term of a shard's memory sum, printed at start.
struct MemoryTerm {
  std::string_view what;
  size_t bytes = 0;
};

class Arena {
 public:
  static constexpr size_t kMaxTerms = 40;
  static constexpr size_t kHugeFrom = size_t{64} << 20;

  explicit Arena(size_t bytes) : size_(bytes) {
    void* p =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(p);
  }
  ~Arena() { munmap(base_, size_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Zeroed memory on a cache line of its own. The sum of all takes was computed from the same terms, so
  /// running out is a defect.
  std::span<std::byte> take(std::string_view what, size_t bytes) {
    const size_t rounded = round_up(bytes);
    assert(used_ + rounded <= size_ && terms_n_ < kMaxTerms);
    std::byte* p = base_ + used_;
    used_ += rounded;
    terms_[terms_n_++] = {what, rounded};
    return {p, bytes};
  }
  /// The same for what every packet touches: thousands of sessions at tens of lines each, and without large
  /// pages each would pay for page walks. Not for what is touched now and then, of which one byte would cost
  /// 2 MiB. Takes of this kind stand best side by side.
  std::span<std::byte> take_hot(std::string_view what, size_t bytes) {
    constexpr size_t kPage = 4096;
    const size_t from = used_ / kPage * kPage;
    const std::span<std::byte> taken = take(what, bytes);
    // Before the first touch: pages that are there stay small.
    const size_t to = std::min((used_ + kPage - 1) / kPage * kPage, size_);
    if (size_ >= kHugeFrom && from < to) madvise(base_ + from, to - from, MADV_HUGEPAGE);
    return taken;
  }
  /// `n` value-initialised elements. T's constructor must leave zeroed memory as it is (checked by its
  /// tests), so that untouched pages stay untouched.
  template <class T>
  std::span<T> take_zeroed(std::string_view what, size_t n) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
    return {reinterpret_cast<T*>(take(what, n * sizeof(T)).data()), n};
  }
  template <class T>
  std::span<T> take_hot_zeroed(std::string_view what, size_t n) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
    return {reinterpret_cast<T*>(take_hot(what, n * sizeof(T)).data()), n};
  }

  /// All its pages are there from now on, and on the calling thread's NUMA node. False with errno. Any time.
  bool populate() const { return madvise(base_, size_, MADV_POPULATE_WRITE) == 0; }

  static constexpr size_t round_up(size_t bytes) { return (bytes + 63) & ~size_t{63}; }
  std::span<const MemoryTerm> terms() const { return {terms_, terms_n_}; }
  size_t size() const { return size_; }

 private:
  std::byte* base_ = nullptr;
  size_t size_;
  size_t used_ = 0;
  MemoryTerm terms_[kMaxTerms];
  size_t terms_n_ = 0;
};

}  // namespace sluice::engine
