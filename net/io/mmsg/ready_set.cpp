#include "net/io/mmsg/ready_set.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include <sys/epoll.h>

#include "net/io/kernel.h"

namespace sluice::io {
namespace {

static_assert(sizeof(ReadySet::Member) == sizeof(uint64_t));

int whole_ms(Micros longest) {
  constexpr int64_t kMost = 3'600'000;
  return longest == kNever ? -1 : static_cast<int>(std::clamp<int64_t>((longest.us + 999) / 1000, 0, kMost));
}

}  // namespace

ReadySet::ReadySet() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}

bool ReadySet::add(int fd, Member m) {
  const bool once = m.kind == Kind::waker || m.kind == Kind::frames;
  epoll_event e{.events = EPOLLIN | (once ? EPOLLET : 0U), .data = {.u64 = std::bit_cast<uint64_t>(m)}};
  return ::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &e) == 0;
}

std::span<const ReadySet::Member> ReadySet::wait(Micros now, Micros deadline) {
  std::array<epoll_event, kRxBurst> events;
  const auto left = [&] { return deadline == kNever ? kNever : deadline > now ? deadline - now : Micros{}; };
  int n = wait_once(events, left());
  // Not only a signal interrupts: so does what an io_uring that died in this thread has left to do, for
  // milliseconds on end.
  while (n < 0 && errno == EINTR) {
    now = monotonic_now();
    n = wait_once(events, left());
  }
  const auto count = static_cast<size_t>(std::max(n, 0));
  for (size_t i = 0; i < count; ++i) {
    const uint64_t of_packed_struct = events[i].data.u64;
    ready_[i] = std::bit_cast<Member>(of_packed_struct);
  }
  return {ready_.data(), count};
}

/// As epoll_wait(); in microseconds where the kernel can.
int ReadySet::wait_once(std::span<epoll_event> events, Micros longest) {
  const int most = static_cast<int>(events.size());
  if (precise_ && longest > Micros{} && longest != kNever) {
    const timespec t = to_timespec(longest);
    const int n = ::epoll_pwait2(fd_.get(), events.data(), most, &t, nullptr);
    // Before Linux 5.11, or behind a seccomp profile of that time.
    precise_ = n >= 0 || (errno != ENOSYS && errno != EPERM);
    if (precise_) return n;
  }
  return ::epoll_wait(fd_.get(), events.data(), most, whole_ms(longest));
}

}  // namespace sluice::io
