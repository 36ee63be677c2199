// setsockopt() without its pointers.
#pragma once

#include <algorithm>
#include <cstdint>

#include <sys/socket.h>

namespace sluice::io {

inline bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// Asks for a buffer of `bytes`, past the system's limit where CAP_NET_ADMIN allows that. Returns what the
/// kernel granted, in its own accounting (twice the bytes asked for is normal).
inline uint32_t set_buffer(int fd, int force, int plain, uint32_t bytes) {
  const int want = static_cast<int>(std::min<uint32_t>(bytes, 1u << 30));
  if (!set_option(fd, SOL_SOCKET, force, want)) set_option(fd, SOL_SOCKET, plain, want);
  int got = 0;
  socklen_t len = sizeof got;
  ::getsockopt(fd, SOL_SOCKET, plain, &got, &len);
  return static_cast<uint32_t>(got);
}

}  // namespace sluice::io
