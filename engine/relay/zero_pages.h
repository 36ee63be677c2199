// An array whose elements are all zero bytes at first and whose pages are not there until somebody writes.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace sluice::engine::relay {

/// T's default-constructed value must be all zero bytes.
template <class T>
class ZeroPages {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));

 public:
  /// Of some hundred KiB on calloc() maps memory that the kernel has cleared and that nobody has touched.
  explicit ZeroPages(size_t n) : memory_(static_cast<T*>(std::calloc(n, sizeof(T)))) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  T& operator[](size_t i) const { return memory_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> memory_;
};

}  // namespace sluice::engine::relay
