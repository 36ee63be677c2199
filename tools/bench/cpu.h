// CPU time of a server: its threads and the receive work of its end of the veth pair, apart from what else
// happens on its core.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace sluice::bench {

struct CpuTimes {
  int64_t threads_ns = 0;  ///< of all threads of the processes
  int64_t receive_ns = 0;  ///< of the kernel threads that poll the interface
  int64_t core_ns = 0;     ///< the core was not idle, whoever had it

  CpuTimes operator-(const CpuTimes& o) const {
    return {threads_ns - o.threads_ns, receive_ns - o.receive_ns, core_ns - o.core_ns};
  }
};

/// The kernel threads that receive at `interface`, of this network namespace or another.
std::vector<pid_t> receive_threads(const std::string& interface);

class CpuMeter {
 public:
  /// `interface`: the server's end, with threaded NAPI.
  CpuMeter(std::vector<pid_t> processes, const std::string& interface, unsigned core);

  CpuTimes read() const;
  /// The receive work has threads of its own; if not, its cost is somewhere else and nothing can be said.
  bool has_receive() const { return !receivers_.empty(); }

 private:
  std::vector<pid_t> processes_;
  std::vector<pid_t> receivers_;
  unsigned core_;
};

/// Time on a CPU out of a schedstat file's text, ns.
int64_t parse_schedstat(std::string_view text);
/// Time that `core` was not idle out of /proc/stat's text, in ticks; nothing if it is not there.
std::optional<int64_t> parse_busy_ticks(std::string_view stat, unsigned core);

}  // namespace sluice::bench
