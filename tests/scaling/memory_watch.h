// Which cache lines of the whole process a thread changes while it runs a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sluice::test {

/// Everything writable: heaps, arenas, static data; no stacks, where each thread is alone. Memory mapped
/// after construction is not seen. A store of what was there already is not seen either.
class MemoryWatch {
 public:
  static constexpr size_t kLine = 64;

  /// `stacks`: an address on the stack of each other thread, which may run on at any time.
  explicit MemoryWatch(std::span<const uintptr_t> stacks = {});
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  /// What was changed until now is nobody's.
  void begin();
  /// What was changed since begin() is `writer`'s (0..7).
  void end(unsigned writer);

  struct Shared {
    const void* line;
    std::string where;          ///< mapping and offset
    std::vector<size_t> bytes;  ///< those within the line that have ever changed
  };
  /// Lines with more than one writer.
  std::vector<Shared> shared() const;
  /// Lines with this writer.
  size_t written_by(unsigned writer) const;

 private:
  struct Region {
    std::byte* from;
    size_t size;
    size_t at;  ///< in copy_
    std::string name;
  };
  template <class F>
  void for_each_changed(F&& f);

  const std::byte* core_line_;  ///< the kernel's, of the thread that made this
  std::vector<Region> regions_;
  std::span<std::byte> copy_;
  std::span<uint8_t> writers_;   ///< per line: a bit per writer
  std::span<uint64_t> changed_;  ///< per line: a bit per byte
};

}  // namespace sluice::test
