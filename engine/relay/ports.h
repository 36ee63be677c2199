// Local ports of relayed legs: blocks of them from a pool that the shards share, single ones from the blocks
// that a shard has.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/endpoint.h"
#include "net/io/backend.h"

namespace sluice::engine::relay {

/// Which shard has which block of kPortBlock ports. Any shard's thread; touched when a shard runs out, not
/// per flow.
class PortPool {
 public:
  static constexpr uint32_t kBlocks = 65536 / io::kPortBlock;

  /// Ports outside `range` are never given out. `start`: chance; the blocks go from there on, since servers
  /// may still speak to the first ports of the process before this one.
  explicit PortPool(io::PortRange range, uint32_t start = 0) : range_(range), start_(start) {}
  io::PortRange range() const { return range_; }
  /// Blocks that a range touches.
  static constexpr uint32_t blocks_of(io::PortRange r) {
    return uint32_t{r.hi} / io::kPortBlock - r.lo / io::kPortBlock + 1;
  }

  /// First port of a block that is the shard's from now on; nullopt when none is left.
  std::optional<uint16_t> claim(ShardId shard);
  /// Whose block the port is in; nullopt if nobody's.
  std::optional<ShardId> owner(uint16_t port) const {
    const uint8_t n = owner_[port / io::kPortBlock].load(std::memory_order_relaxed);
    if (n == 0) return {};
    return ShardId{static_cast<uint8_t>(n - 1)};
  }

 private:
  io::PortRange range_;
  uint32_t start_;
  std::array<std::atomic<uint8_t>, kBlocks> owner_{};  ///< 1 + shard; 0: nobody
};

/// One shard's ports. Owner thread only.
class LocalPorts {
 public:
  static constexpr uint16_t kExclusive = UINT16_MAX;
  static size_t bytes_for(size_t addresses, io::PortRange range) {
    return addresses * PortPool::blocks_of(range) * (sizeof(uint64_t) + io::kPortBlock * sizeof(uint16_t));
  }

  LocalPorts() = default;
  /// `memory`: zeroed, aligned to 8, of bytes_for(); `pool`, `addresses`: outlive this.
  LocalPorts(std::span<std::byte> memory, std::span<const Address> addresses, PortPool& pool, ShardId shard);
  bool on() const { return pool_ != nullptr; }

  /// At start, before any shard takes a port: the first block, so that others that come first leave one.
  void begin(io::Backend& io) { borrow(io); }

  /// A port of address `a` that `free(port)` accepts, shared with other flows or not, opened if it was not.
  /// `cursor`: where the last search ended. nullopt: none to be had.
  template <class Free>
  std::optional<uint16_t> share(io::Backend& io, uint8_t a, uint32_t& cursor, Free&& free) {
    for (uint32_t tries = 0;; ++tries) {
      // A long search says that what the shard has is nearly used up.
      const bool borrows = ports_n() == 0 || (tries > 0 && tries % io::kPortBlock == 0);
      if (borrows && borrow(io))
        cursor = (blocks_n_ - 1) * io::kPortBlock;
      else if (borrows && tries >= ports_n())
        return {};
      const uint16_t port = port_at(cursor++);
      if (!in_range(port)) continue;
      uint16_t& n = users(a, port);
      if (n >= kExclusive - 1 || !free(port)) continue;
      if (n == 0 && !io.open_port({addresses_[a], port})) continue;
      if (n++ == 0) note_open(a, port);
      return port;
    }
  }
  /// A port of address `a` that nobody uses; `even`: as EVEN-PORT wants it (RFC 8656 §7.2), `next`: with the
  /// one above it, which is taken too. The search begins at the place that `random` says, and looks at a
  /// block of ports at a time.
  std::optional<uint16_t> take(io::Backend& io, uint8_t a, bool even, bool next, uint32_t random);
  /// Of share() or take().
  void give_back(io::Backend& io, uint8_t a, uint16_t port);

  uint32_t open() const { return open_; }
  /// All ports of the blocks that the shard has, in the order in which share() looks at them from `i` on.
  uint32_t ports_n() const { return blocks_n_ * io::kPortBlock; }
  uint16_t port_at(uint32_t i) const {
    return static_cast<uint16_t>(blocks_[i / io::kPortBlock % blocks_n_] + i % io::kPortBlock);
  }
  std::span<const Address> addresses() const { return addresses_; }
  /// Whose relay endpoint this would be: contains(e).
  std::optional<ShardId> shard_of(const Endpoint& e) const { return pool_->owner(e.port); }
  /// Index of an address; addresses().size() if it is none of ours.
  size_t index_of(const Address& a) const;
  bool contains(const Endpoint& e) const {
    return pool_ != nullptr && e.port >= pool_->range().lo && e.port <= pool_->range().hi &&
           index_of(e.addr) < addresses_.size();
  }

 private:
  bool borrow(io::Backend& io);
  bool in_range(uint16_t port) const { return port >= pool_->range().lo && port <= pool_->range().hi; }
  /// Place of a port's block in `busy_`.
  size_t place(uint8_t a, uint16_t port) const {
    return a * per_address_ + port / io::kPortBlock - pool_->range().lo / io::kPortBlock;
  }
  uint16_t& users(uint8_t a, uint16_t port) {
    return users_[place(a, port) * io::kPortBlock + port % io::kPortBlock];
  }
  void note_open(uint8_t a, uint16_t port) {
    busy_[place(a, port)] |= uint64_t{1} << port % io::kPortBlock;
    ++open_;
  }
  bool open_exclusive(io::Backend& io, uint8_t a, uint16_t port);
  std::optional<uint16_t> take_of_block(io::Backend& io, uint8_t a, uint16_t first, uint64_t wanted,
                                        uint32_t random, bool next, uint32_t& refused);

  uint64_t* busy_ = nullptr;   ///< a bit for each port of a block: open, or outside of the range
  uint16_t* users_ = nullptr;  ///< how many flows, or kExclusive
  size_t per_address_ = 0;     ///< blocks
  std::span<const Address> addresses_;
  PortPool* pool_ = nullptr;
  ShardId shard_;
  std::array<uint16_t, PortPool::kBlocks> blocks_{};
  uint32_t blocks_n_ = 0;
  uint32_t open_ = 0;
  bool all_claimed_ = false;  ///< once nobody's, never again: nobody gives a block back
};

}  // namespace sluice::engine::relay
