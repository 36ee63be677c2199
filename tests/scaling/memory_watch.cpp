#include "tests/scaling/memory_watch.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>

#include <sys/mman.h>
#include <sys/rseq.h>

namespace sluice::test {
namespace {

constexpr size_t kBlock = 4096;

/// Mapped, so that no heap changes while memory is compared.
template <class T>
std::span<T> map(size_t n) {
  void* p = mmap(nullptr, n * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<T*>(p), n};
}

template <class T>
void unmap(std::span<T> s) {
  munmap(s.data(), s.size_bytes());
}

/// Where the kernel writes which core this thread is on, whenever that changes; null if nowhere.
const std::byte* core_line() {
  if (__rseq_size == 0) return nullptr;
  const auto at =
      reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) + static_cast<uintptr_t>(__rseq_offset);
  return reinterpret_cast<const std::byte*>(at / MemoryWatch::kLine * MemoryWatch::kLine);
}

}  // namespace

MemoryWatch::MemoryWatch(std::span<const uintptr_t> stacks) : core_line_(core_line()) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  size_t total = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t from = 0, to = 0;
    char rights[5] = {};
    int name = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %n", &from, &to, rights, &name) < 3) continue;
    const auto inside = [&](uintptr_t at) { return from <= at && at < to; };
    if (std::strncmp(rights, "rw", 2) != 0 || inside(here) || std::ranges::any_of(stacks, inside)) continue;
    regions_.push_back({reinterpret_cast<std::byte*>(from), to - from, total,
                        name == 0 ? std::string{} : line.substr(static_cast<size_t>(name))});
    total += to - from;
  }
  copy_ = map<std::byte>(total);
  writers_ = map<uint8_t>(total / kLine);
  changed_ = map<uint64_t>(total / kLine);
}

MemoryWatch::~MemoryWatch() {
  unmap(copy_);
  unmap(writers_);
  unmap(changed_);
}

/// f(line, old, new) for each line that differs from the copy, which is brought up to date.
template <class F>
void MemoryWatch::for_each_changed(F&& f) {
  for (const Region& r : regions_) {
    for (size_t block = 0; block < r.size; block += kBlock) {
      std::byte* const copy = copy_.data() + r.at + block;
      const std::byte* const live = r.from + block;
      if (std::memcmp(copy, live, kBlock) == 0) continue;
      for (size_t at = 0; at < kBlock; at += kLine)
        if (live + at != core_line_ && std::memcmp(copy + at, live + at, kLine) != 0)
          f((r.at + block + at) / kLine, copy + at, live + at);
      std::memcpy(copy, live, kBlock);
    }
  }
}

void MemoryWatch::begin() {
  for_each_changed([](size_t, const std::byte*, const std::byte*) {});
}

void MemoryWatch::end(unsigned writer) {
  for_each_changed([&](size_t line, const std::byte* was, const std::byte* is) {
    writers_[line] = static_cast<uint8_t>(writers_[line] | (1U << writer));
    for (size_t i = 0; i < kLine; ++i)
      if (was[i] != is[i]) changed_[line] |= uint64_t{1} << i;
  });
}

std::vector<MemoryWatch::Shared> MemoryWatch::shared() const {
  std::vector<Shared> out;
  for (const Region& r : regions_) {
    for (size_t at = 0; at < r.size; at += kLine) {
      const size_t line = (r.at + at) / kLine;
      if (std::popcount(writers_[line]) < 2) continue;
      Shared s{r.from + at, r.name + "+" + std::to_string(at), {}};
      for (size_t i = 0; i < kLine; ++i)
        if (changed_[line] >> i & 1) s.bytes.push_back(i);
      out.push_back(std::move(s));
    }
  }
  return out;
}

size_t MemoryWatch::written_by(unsigned writer) const {
  size_t n = 0;
  for (const uint8_t w : writers_) n += w >> writer & 1;
  return n;
}

}  // namespace sluice::test
