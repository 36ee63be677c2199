// /v1/events: server-sent events to any number of listeners, each with a queue of its own and a bound on it.
// Control thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {

/// One listener. When its queue is full the oldest event goes and the listener is told how many it missed.
class EventQueue {
 public:
  static constexpr size_t kCapacity = 256;

  void push(std::shared_ptr<const std::string> event);
  /// Everything that waits, ready for the wire; an `event: missed` first where some was lost.
  std::string take();
  bool empty() const { return waiting_.empty() && missed_ == 0; }

  std::function<void()> on_ready;  ///< called when the queue was empty and no longer is

 private:
  std::deque<std::shared_ptr<const std::string>> waiting_;
  uint64_t missed_ = 0;
};

class EventHub {
 public:
  static constexpr size_t kMaxListeners = 64;

  /// nullptr: there are kMaxListeners already. The hub forgets a listener that everybody else dropped.
  std::shared_ptr<EventQueue> subscribe();
  bool full();
  /// `name`: "session", "shutdown"; `json`: one line.
  void publish(std::string_view name, std::string_view json);

 private:
  void sweep();
  std::vector<std::weak_ptr<EventQueue>> listeners_;
  uint64_t next_id_ = 1;
};

}  // namespace sluice::http
