// The thread that runs a StreamWorker.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <thread>

#include "engine/slow/streams.h"

namespace sluice::slow {

class StreamThread {
 public:
  /// `worker` must outlive this. The thread starts here; the error says what the kernel refused.
  static std::expected<std::unique_ptr<StreamThread>, std::string> start(StreamWorker& worker);
  /// Stops and joins.
  ~StreamThread();
  StreamThread(const StreamThread&) = delete;
  StreamThread& operator=(const StreamThread&) = delete;

 private:
  explicit StreamThread(StreamWorker& worker) : worker_(worker) {}

  StreamWorker& worker_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sluice::slow
