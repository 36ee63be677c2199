// Chooses and makes a kernel backend. Control thread, at start; may allocate.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/base/pool.h"
#include "net/io/backend.h"
#include "net/io/relay_ports.h"
#include "net/io/socket.h"

namespace sluice::io {
namespace link {
class Neighbours;
}
class XdpReceive;

enum class Kind : uint8_t { automatic, uring, mmsg };

/// "auto", "uring", "mmsg".
std::optional<Kind> parse_kind(std::string_view s);
std::string_view name_of(Kind k);

/// What `automatic` takes where everything it needs is there. Measured on Linux 6.18, a virtual machine of
/// two Zen 4 cores, loopback: 0.96 to 1.00 of the packets per CPU of recvmmsg, busy and paced; with thousands
/// of relay ports of a socket each, where mmsg needs epoll, 1.1. So it is no loss for few sockets and a gain
/// for many. To measure again, on a machine with little else to do:
///   meson setup build-bench --buildtype=release -Dbench=true && ninja -C build-bench bench/io_bench
///   build-bench/bench/io_bench
/// packets_per_cpu_vs_mmsg of the uring rows is what counts, of `busy` and of `paced`; above 1 speaks for
/// uring.
inline constexpr Kind kPreferred = Kind::uring;

struct Resolved {
  Kind kind = Kind::mmsg;  ///< never automatic
  std::string reason;      ///< one line for the log; "io: mmsg, because io_uring is not permitted (...)"
};

/// What `wanted` means on this host. An explicit wish is passed through (make_backend() then fails if it
/// cannot be had); `automatic` is kPreferred if that can be had, else mmsg.
Resolved resolve(Kind wanted);

/// How io_uring runs completion work: at any entry to the kernel, or when completions are asked for. Deferred
/// is a few per cent cheaper per packet (bench/io_bench): it receives in one go what is there.
enum class TaskRun : uint8_t { coop, defer };

struct BackendOptions {
  bool gso = true;  ///< UDP_SEGMENT for consecutive packets of equal size to one destination
  /// Armed receive slots; power of two, 2..32768; at most half the pool is used. The kernel passes through
  /// all of them in turn, so many are always cold (measured: 4096 cost 4 % more CPU per packet than 256);
  /// with TaskRun::defer what finds none waits in the socket. With relay ports of a socket each there are
  /// 4096.
  uint32_t uring_buffers = 256;
  uint32_t uring_cq_entries = 0;  ///< 0: enough for every armed buffer
  TaskRun uring_task_run = TaskRun::defer;
  bool uring_ring_sends = true;  ///< false: receives by io_uring, sends by sendmmsg
  /// What grant_relay() draws on; must outlive the backend. Null: sockets, and a range of the backend's own.
  RelayPorts* relay_ports = nullptr;
  uint32_t shard = 0;  ///< as `relay_ports` and ListenSockets count them
  /// What can leave with prebuilt headers does, if this is given; it must outlive the backend.
  link::Neighbours* link = nullptr;
  /// What arrives as frames is taken beside the sockets, if this is given (mmsg only); it must outlive the
  /// backend.
  XdpReceive* xdp = nullptr;
};

inline constexpr uint32_t kMinPoolSlots = 4 * kRxBurst;

/// Backend of one shard. `sockets` are copied, their descriptors are not: ListenSockets must outlive it, and
/// so must `pool`, which must not move. It takes slots at once: mmsg kRxBurst, uring min(uring_buffers, half
/// the pool); see Backend::slots_held(). The pool needs kMinPoolSlots.
std::expected<std::unique_ptr<Backend>, IoError> make_backend(Kind kind, std::span<const ShardSocket> sockets,
                                                              PacketPool& pool,
                                                              const BackendOptions& options = {});

}  // namespace sluice::io
