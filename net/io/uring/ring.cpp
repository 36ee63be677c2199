#include "net/io/uring/ring.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::io {
namespace {

IoError ring_error(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return {"io_uring is not permitted here (a container's seccomp profile, or kernel.io_uring_disabled)",
              "allow io_uring_setup, io_uring_enter and io_uring_register, or use --io mmsg"};
    case ENOSYS:
      return {"this kernel has no io_uring, or a seccomp profile hides it", "use --io mmsg"};
    case EINVAL:
      return {"this kernel's io_uring is too old (Linux 6.1 is needed)", "use --io mmsg"};
    case ENOMEM:
      return {"no memory for io_uring", "raise the limit of locked memory (ulimit -l), or use --io mmsg"};
    case EMFILE:
    case ENFILE:
      return {"no file descriptor for io_uring", "raise the limit of open files (ulimit -n)"};
    default:
      return {fmt::format("io_uring does not start: {}", std::strerror(error)), "use --io mmsg"};
  }
}

}  // namespace

std::expected<void, IoError> Ring::make(unsigned sq_entries, unsigned cq_entries, TaskRun task_run) {
  io_uring_params p{};
  p.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL |
            IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG |
            (task_run == TaskRun::coop ? IORING_SETUP_COOP_TASKRUN : IORING_SETUP_DEFER_TASKRUN);
  p.cq_entries = cq_entries;
  if (const int r = ::io_uring_queue_init_params(sq_entries, &ring_, &p); r < 0)
    return std::unexpected(ring_error(-r));
  made_ = true;
  // Waiting with a timeout in one call; otherwise liburing would slip a timeout request in.
  if (!(p.features & IORING_FEAT_EXT_ARG)) return std::unexpected(ring_error(EINVAL));
  return {};
}

std::expected<void, IoError> Ring::register_files(uint32_t n) {
  unregister_files();
  if (const int r = ::io_uring_register_files_sparse(&ring_, n); r < 0)
    return std::unexpected(ring_error(-r));
  has_files_ = true;
  return {};
}

void Ring::unregister_files() {
  if (has_files_) ::io_uring_unregister_files(&ring_);
  has_files_ = false;
}

bool Ring::set_file(uint32_t index, int fd) {
  return ::io_uring_register_files_update(&ring_, index, &fd, 1) == 1;
}

bool Ring::enable() {
  // liburing 2.3 declares io_uring_enable_rings() but does not export it.
  if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0)
    return false;
  ::io_uring_register_ring_fd(&ring_);  // saves a look-up per call; no matter if it fails
  return true;
}

void Ring::cancel_all() {
  io_uring_sync_cancel_reg all{};
  all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  all.timeout = {.tv_sec = -1, .tv_nsec = -1};
  ::io_uring_register_sync_cancel(&ring_, &all);
  end_cancelled();
}

void Ring::end_cancelled() {
  // What was cancelled ends when the kernel is entered, a part of it each time.
  do {
    ::io_uring_cq_advance(&ring_, ::io_uring_cq_ready(&ring_));
    ::io_uring_submit_and_get_events(&ring_);
  } while (::io_uring_cq_ready(&ring_) > 0 || wants_entry());
}

BufferRing::BufferRing(PacketPool& pool, uint32_t entries, uint32_t armed)
    : pool_(pool), entries_(entries), armed_(armed), slot_of_(entries, kNoSlot) {
  empty_.reserve(entries);
  for (uint32_t id = entries; id-- > 0;) empty_.push_back(static_cast<uint16_t>(id));
}

BufferRing::~BufferRing() {
  for (const SlotIndex s : slot_of_)
    if (s != kNoSlot) pool_.drop(s);
  if (ring_) ::munmap(ring_, entries_ * sizeof(io_uring_buf));
}

std::expected<void, IoError> BufferRing::attach(Ring& ring) {
  void* at = ::mmap(nullptr, entries_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return std::unexpected(ring_error(ENOMEM));
  ring_ = static_cast<io_uring_buf_ring*>(at);
  ::io_uring_buf_ring_init(ring_);
  io_uring_buf_reg reg{};
  reg.ring_addr = reinterpret_cast<uintptr_t>(ring_);
  reg.ring_entries = entries_;
  reg.bgid = kGroup;
  if (const int r = ::io_uring_register_buf_ring(ring.get(), &reg, 0); r < 0)
    return std::unexpected(ring_error(-r));
  replenish();
  // Touched now, or the first round through the ring is spent in page faults (measured: 1.4x the CPU per
  // packet).
  for (const SlotIndex slot : slot_of_)
    if (slot != kNoSlot) pool_.slot_bytes(slot)[0] = 0;
  return {};
}

void BufferRing::replenish() {
  int added = 0;
  for (; held() < armed_; empty_.pop_back(), ++added) {
    const SlotIndex slot = pool_.take();
    if (slot == kNoSlot) break;
    const uint16_t id = empty_.back();
    slot_of_[id] = slot;
    ::io_uring_buf_ring_add(ring_, pool_.slot_bytes(slot), kSlotBytes - kTailroom, id,
                            ::io_uring_buf_ring_mask(entries_), added);
  }
  if (added > 0) ::io_uring_buf_ring_advance(ring_, added);
}

SlotIndex BufferRing::take(uint16_t id) {
  const SlotIndex slot = slot_of_[id];
  slot_of_[id] = kNoSlot;
  empty_.push_back(id);
  return slot;
}

}  // namespace sluice::io
