// Shards allocate nothing after start. The counter is bumped by whoever watches the allocator: the malloc
// wrappers of static_memory_hooks.cpp, linked into Sluice's own programs but never forced on a program that
// embeds the library.
#pragma once

#include <cstdint>

namespace sluice::engine {

/// Allocations seen on this thread while it was forbidden to allocate.
struct AllocationWatch {
  uint64_t late = 0;
  bool forbidden = false;
};

inline thread_local AllocationWatch t_allocation_watch;

/// From construction on this thread is a running shard. `#ifndef NDEBUG` builds abort on the first
/// allocation, release builds count.
class ForbidAllocation {
 public:
  ForbidAllocation() : before_(t_allocation_watch.forbidden) { t_allocation_watch.forbidden = true; }
  ~ForbidAllocation() { t_allocation_watch.forbidden = before_; }
  ForbidAllocation(const ForbidAllocation&) = delete;
  ForbidAllocation& operator=(const ForbidAllocation&) = delete;

 private:
  bool before_;
};

/// An exemption with a reason, e.g. the libsrtp cipher, which allocates when a session opens.
class AllowAllocation {
 public:
  AllowAllocation() : before_(t_allocation_watch.forbidden) { t_allocation_watch.forbidden = false; }
  ~AllowAllocation() { t_allocation_watch.forbidden = before_; }
  AllowAllocation(const AllowAllocation&) = delete;
  AllowAllocation& operator=(const AllowAllocation&) = delete;

 private:
  bool before_;
};

}  // namespace sluice::engine
