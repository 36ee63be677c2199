// A thread with a generator, and what another thread may ask of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tools/load/generator.h"
#include "tools/load/veth.h"

namespace sluice::load {

/// As of now and here.
struct Live {
  uint64_t begun = 0, ready = 0, failed = 0;
  WireCounters wire;
};

struct WorkerOptions {
  const Options* options = nullptr;  ///< outlives the worker, and so do the credentials
  const Credentials* credentials = nullptr;
  uint32_t index = 0;
  uint32_t run = 0;
  uint32_t first = 0;     ///< sessions of the threads before
  uint32_t capacity = 0;  ///< sessions at most
  Nanos began = 0;
  const Veth* veth = nullptr;  ///< works in its namespace, by frames; nullptr: here, by sockets
};

class Worker {
 public:
  explicit Worker(const WorkerOptions& options) : options_(options) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Opens its sockets on its own thread; the error is a sentence for people. The text says what it opened.
  std::expected<std::string, std::string> start();
  void set_pace(const Pace& pace);
  /// Of the window of the last pace. Waits for the worker, not for the window.
  Figures figures();
  Live live();
  /// Closes the sessions and ends the thread.
  void stop();

  // After stop().
  const std::vector<Second>& series() const { return series_; }
  const SetupFigures& setup() const { return setup_; }

 private:
  void run();
  void pin() const;
  std::expected<std::unique_ptr<Wire>, std::string> open_wire() const;
  std::expected<std::unique_ptr<Wire>, std::string> open_frames() const;
  void loop(Wire& wire, const Sessions& sessions, Generator& generator);
  void serve_orders(Generator& g, Wire& wire, const Sessions& sessions);
  void cross(bool inside, Wire& wire);

  WorkerOptions options_;
  std::jthread thread_;

  std::atomic<bool> stop_{false};
  std::atomic<bool> ordered_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  // Under the mutex:
  std::optional<std::expected<std::string, std::string>> started_;
  std::optional<Pace> new_pace_;
  bool wanted_ = false;
  std::optional<Figures> delivered_;
  Live live_;

  // Of the thread:
  Pace pace_;
  bool in_window_ = false;
  WireCounters wire_before_;
  Nanos cpu_before_ = 0;
  Figures own_;  ///< elapsed, idle, cpu, wire
  std::vector<Second> series_;
  SetupFigures setup_;
};

}  // namespace sluice::load
