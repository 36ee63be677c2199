// Threads for an engine: one pinned thread per shard, one that steps the handshake worker.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/slow/handshake_thread.h"
#include "engine/slow/stream_thread.h"

namespace sluice::engine {

class Runner {
 public:
  /// `cores[i % cores.size()]` is shard i's; `control` is rung when the control thread has notices to take.
  /// `streams`: may be none. Both must outlive this.
  static std::expected<std::unique_ptr<Runner>, std::string> start(Engine& engine,
                                                                   const std::vector<int>& cores,
                                                                   slow::Wake control,
                                                                   slow::StreamWorker* streams = nullptr);
  /// Before start(): the shards' memory is there, on the NUMA node of the core that each will run on.
  static std::expected<void, Failure> prefault(Engine& engine, const std::vector<int>& cores);
  /// Stops and joins.
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

 private:
  explicit Runner(Engine& engine) : engine_(engine) {}
  void run_shard(size_t i, int core);

  Engine& engine_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<slow::HandshakeThread> handshakes_;
  std::unique_ptr<slow::StreamThread> streams_;
  std::vector<std::thread> threads_;
};

/// Cores of the process's affinity mask.
std::vector<int> allowed_cores();
/// "0,2-3" as a list, each core once; empty with a reason if it is malformed or names a core outside
/// `allowed`.
std::expected<std::vector<int>, std::string> parse_cores(std::string_view text,
                                                         const std::vector<int>& allowed);

}  // namespace sluice::engine
