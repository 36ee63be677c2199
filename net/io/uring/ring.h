// io_uring and its ring of provided buffers, as RAII.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include <liburing.h>

#include "net/base/pool.h"
#include "net/io/backend.h"
#include "net/io/factory.h"

namespace sluice::io {

/// An io_uring for one thread. Made disabled, so that it may be made on another.
class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (made_) ::io_uring_queue_exit(&ring_);
  }

  /// The error says why io_uring cannot be had on this host.
  std::expected<void, IoError> make(unsigned sq_entries, unsigned cq_entries, TaskRun task_run);
  /// A table of `n` files, all of them empty; one that was registered before is gone with what is in it.
  std::expected<void, IoError> register_files(uint32_t n);
  void unregister_files();
  /// Puts `fd` (-1: nothing) at `index` of the table, which from then on holds the file itself.
  bool set_file(uint32_t index, int fd);
  /// Ties the ring to the calling thread.
  bool enable();
  // To end with, on the thread of enable(). What has completed is lost.

  /// Cancels everything in progress and waits for it.
  void cancel_all();
  /// Waits for what is being cancelled.
  void end_cancelled();

  io_uring* get() { return &ring_; }
  /// Whether the kernel has completions that only a system call brings into view.
  bool wants_entry() const {
    return __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN);
  }

 private:
  io_uring ring_{};
  bool made_ = false;
  bool has_files_ = false;
};

/// Pool slots lent to the kernel for receiving. A buffer is the front of a slot, so that what multishot
/// recvmsg writes before the payload fills the headroom exactly.
class BufferRing {
 public:
  /// At most `armed` of the `entries` places are filled, until arm_all().
  BufferRing(PacketPool& pool, uint32_t entries, uint32_t armed);
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;
  /// The ring that it is registered with must be gone. Gives the slots back.
  ~BufferRing();

  static constexpr uint16_t kGroup = 0;

  std::expected<void, IoError> attach(Ring& ring);
  /// Fills empty places from the pool, as far as it goes.
  void replenish();
  void arm_all() { armed_ = entries_; }
  /// The kernel has used buffer `id`: its slot, which now is the caller's.
  SlotIndex take(uint16_t id);
  /// Slots lent, and those used but not taken yet.
  uint32_t held() const { return entries_ - static_cast<uint32_t>(empty_.size()); }

 private:
  PacketPool& pool_;
  uint32_t entries_;  // power of two
  uint32_t armed_;
  io_uring_buf_ring* ring_ = nullptr;
  std::vector<SlotIndex> slot_of_;  // by buffer id
  std::vector<uint16_t> empty_;     // ids without a slot; never grows beyond entries_
};

}  // namespace sluice::io
