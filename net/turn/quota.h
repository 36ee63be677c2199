// How many allocations there are, in all and per user, over all shards of a process. Pure.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstdint>
#include <span>

namespace sluice::turn {

/// Counts by the hash of a user's name in two rows of cells that all shards share; a user's count is the
/// smaller of its two cells, so it is never too small, and too large only for one who meets others in both
/// rows. Give it 8 cells per user that is expected at once. Any thread; touched when allocations are made and
/// end, never per packet.
class SharedQuota {
 public:
  using Cell = std::atomic<uint32_t>;

  SharedQuota() = default;
  /// `cells`: zeroed, 1 + two rows of a power of two (3, 5, 9, 17 ...); must outlive this.
  explicit SharedQuota(std::span<Cell> cells) : cells_(cells) {
    assert(cells.size() >= 3 && std::has_single_bit(cells.size() - 1));
  }

  explicit operator bool() const { return !cells_.empty(); }

  /// Counts one more allocation of the user if neither limit (0: none) is reached.
  bool take(uint64_t user_hash, uint32_t user_limit, uint32_t total_limit) {
    if (!raise(cells_[0], total_limit)) return false;
    const bool a = raise(row(0, user_hash), 0), b = raise(row(1, user_hash), 0);
    if (a && b && (user_limit == 0 || of_user(user_hash) <= user_limit)) return true;
    give_back(user_hash);
    return false;
  }
  void give_back(uint64_t user_hash) {
    cells_[0].fetch_sub(1, std::memory_order_relaxed);
    row(0, user_hash).fetch_sub(1, std::memory_order_relaxed);
    row(1, user_hash).fetch_sub(1, std::memory_order_relaxed);
  }
  uint32_t total() const { return cells_[0].load(std::memory_order_relaxed); }
  uint32_t of_user(uint64_t user_hash) const {
    const uint32_t a = row(0, user_hash).load(std::memory_order_relaxed);
    const uint32_t b = row(1, user_hash).load(std::memory_order_relaxed);
    return a < b ? a : b;
  }

 private:
  static bool raise(Cell& c, uint32_t limit) {
    if (c.fetch_add(1, std::memory_order_relaxed) < limit || limit == 0) return true;
    c.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  Cell& row(uint32_t k, uint64_t hash) const {
    const size_t width = (cells_.size() - 1) / 2;
    const auto half = static_cast<uint32_t>(k == 0 ? hash : hash >> 32);
    return cells_[1 + k * width + (half & (width - 1))];
  }

  std::span<Cell> cells_;
};

}  // namespace sluice::turn
