#include "engine/control/http/events.h"

#include <fmt/format.h>

namespace sluice::http {

void EventQueue::push(std::shared_ptr<const std::string> event) {
  const bool was_empty = empty();
  if (waiting_.size() == kCapacity) {
    waiting_.pop_front();
    ++missed_;
  }
  waiting_.push_back(std::move(event));
  if (was_empty && on_ready) on_ready();
}

std::string EventQueue::take() {
  std::string out;
  if (missed_ > 0) out = fmt::format("event: missed\ndata: {{\"missed\":{}}}\n\n", missed_);
  for (const auto& event : waiting_) out += *event;
  waiting_.clear();
  missed_ = 0;
  return out;
}

std::shared_ptr<EventQueue> EventHub::subscribe() {
  if (full()) return nullptr;
  auto queue = std::make_shared<EventQueue>();
  listeners_.push_back(queue);
  return queue;
}

bool EventHub::full() {
  sweep();
  return listeners_.size() >= kMaxListeners;
}

void EventHub::publish(std::string_view name, std::string_view json) {
  sweep();
  if (listeners_.empty()) return;
  const auto event = std::make_shared<const std::string>(
      fmt::format("id: {}\nevent: {}\ndata: {}\n\n", next_id_++, name, json));
  for (const auto& weak : listeners_)
    if (const auto queue = weak.lock()) queue->push(event);
}

void EventHub::sweep() {
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
}

}  // namespace sluice::http
