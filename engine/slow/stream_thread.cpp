#include "engine/slow/stream_thread.h"

#include <system_error>

#include <pthread.h>

namespace sluice::slow {

std::expected<std::unique_ptr<StreamThread>, std::string> StreamThread::start(StreamWorker& worker) {
  std::unique_ptr<StreamThread> t(new StreamThread(worker));
  try {
    t->thread_ = std::thread([raw = t.get()] {
      ::pthread_setname_np(::pthread_self(), "sluice-streams");
      while (!raw->stop_.load(std::memory_order_acquire)) raw->worker_.run_once();
    });
  } catch (const std::system_error& e) {
    return std::unexpected(std::string("no thread for the streams worker: ") + e.what());
  }
  return t;
}

StreamThread::~StreamThread() {
  stop_.store(true, std::memory_order_release);
  worker_.wake();
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice::slow
