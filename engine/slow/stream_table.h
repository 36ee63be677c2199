// The places of the streams worker's streams, and their names. Streams worker only.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/slow/stream.h"

namespace sluice::slow {

class StreamTable {
 public:
  explicit StreamTable(uint32_t capacity) : place_(capacity) {
    for (uint32_t i = 0; i < capacity; ++i) free_.push_back(i);
  }

  bool full() const { return free_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(place_.size() - free_.size()); }
  /// The name of the next stream. Precondition: not full().
  StreamId next_id() const { return StreamId(free_.front(), place_[free_.front()].generation, false); }
  /// Precondition: `s` has the name that next_id() said.
  Stream& put(std::unique_ptr<Stream> s) {
    Place& p = place_[free_.front()];
    free_.pop_front();
    p.stream = std::move(s);
    return *p.stream;
  }
  /// nullptr if it has ended.
  Stream* find(StreamId id) const {
    if (id.index() >= place_.size()) return nullptr;
    Stream* s = place_[id.index()].stream.get();
    // What carries TURN shows only after the name was given.
    return s != nullptr && ((s->id().ifindex() ^ id.ifindex()) & ~kTurnStream) == 0 ? s : nullptr;
  }
  /// Its place goes to the end of the queue, so that generations last.
  void erase(const Stream& s) {
    const uint32_t index = s.id().index();
    place_[index].stream.reset();
    ++place_[index].generation;
    free_.push_back(index);
  }
  /// f(Stream&), which may erase the stream it is given.
  template <class F>
  void for_each(F&& f) {
    for (Place& p : place_)
      if (p.stream != nullptr) f(*p.stream);
  }

 private:
  struct Place {
    std::unique_ptr<Stream> stream;
    uint32_t generation = 0;
  };
  std::vector<Place> place_;
  std::deque<uint32_t> free_;
};

}  // namespace sluice::slow
