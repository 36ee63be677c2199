// Wraps the C allocator, which operator new and every library end up in, to notice allocations on shard
// threads. Linked by Sluice's own programs and tests. Under a sanitizer, which owns malloc, its hook is used
// instead.

#include <cstdlib>

#include "engine/shard/static_memory.h"

namespace {

void notice() {
  auto& watch = sluice::engine::t_allocation_watch;
  if (!watch.forbidden) [[likely]]
    return;
  ++watch.late;
#ifndef NDEBUG
  watch.forbidden = false;
  std::abort();
#endif
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SLUICE_SANITIZED 1
#endif
#endif

#ifdef SLUICE_SANITIZED

// The sanitizers intercept malloc themselves; allocations of a sanitizer's own making would be noticed too,
// so only operator new of our own code is of interest, and that is watched in the plain builds.
[[maybe_unused]] static void (*const keep_notice)() = &notice;

#else

extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t n) {
  notice();
  return __libc_malloc(n);
}
void* calloc(size_t n, size_t size) {
  notice();
  return __libc_calloc(n, size);
}
void* realloc(void* p, size_t n) {
  notice();
  return __libc_realloc(p, n);
}
void* memalign(size_t align, size_t n) {
  notice();
  return __libc_memalign(align, n);
}
void* aligned_alloc(size_t align, size_t n) {
  notice();
  return __libc_memalign(align, n);
}
int posix_memalign(void** out, size_t align, size_t n) {
  notice();
  *out = __libc_memalign(align, n);
  return *out == nullptr ? 12 /* ENOMEM */ : 0;
}

}  // extern "C"

#endif
