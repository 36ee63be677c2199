// What has something to read, out of thousands of sockets, in one system call: an epoll set.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <sys/epoll.h>

#include "net/base/packet.h"
#include "net/base/units.h"
#include "net/io/socket.h"

namespace sluice::io {

class ReadySet {
 public:
  enum class Kind : uint32_t { waker, frames, socket, port };
  struct Member {
    Kind kind = Kind::waker;
    uint32_t index = 0;  ///< which of its kind
  };

  ReadySet();
  bool ok() const { return static_cast<bool>(fd_); }

  /// False with errno. Sockets and ports are named again until they are empty; the waker and frames once for
  /// each time something arrives, so look at frames before you wait. Closing `fd` takes it out.
  bool add(int fd, Member m);

  /// Those that are ready, at most kRxBurst, each in its turn. If there are none, waits until one is or the
  /// deadline has passed; one that is not later than `now` does not wait, kNever waits for ever. A signal does
  /// not end the wait. Valid until the next call.
  std::span<const Member> wait(Micros now, Micros deadline);

 private:
  int wait_once(std::span<epoll_event> events, Micros longest);

  Fd fd_;
  bool precise_ = true;  // epoll_pwait2() is there, and permitted
  std::array<Member, kRxBurst> ready_;
};

}  // namespace sluice::io
