// The sessions of one thread.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "tools/load/figures.h"
#include "tools/load/mark.h"
#include "tools/load/wire.h"

namespace sluice::load {

enum class State : uint8_t { idle, opening, ready, failed, closed };

struct Session {
  Endpoint up_to;    ///< where its client sends media
  Endpoint down_to;  ///< where its far side sends; port 0: not known yet, nothing is sent
  Local far;
  State state = State::idle;
  bool talks_up = true, talks_down = true;
  uint16_t copies = 1;  ///< arrivals of one packet if nothing is lost
  uint32_t up_number = 0, down_number = 0;
  Nanos begun = 0;
  Sequence up_seen, down_seen;
};

class Sessions {
 public:
  explicit Sessions(uint32_t capacity) : all_(capacity), due_(capacity, kNanosNever) {}

  uint32_t capacity() const { return static_cast<uint32_t>(all_.size()); }
  Session& operator[](uint32_t s) { return all_[s]; }
  const Session& operator[](uint32_t s) const { return all_[s]; }

  /// When Protocol::on_timer() is called for it next.
  void set_timer(uint32_t s, Nanos at) { due_[s] = at; }
  Nanos timer(uint32_t s) const { return due_[s]; }

  void begin(uint32_t s, Nanos now) {
    all_[s].state = State::opening;
    all_[s].begun = now;
    ++setup_.begun;
    setup_.first = std::min(setup_.first, now);
  }
  void ready(uint32_t s, Nanos now) {
    if (all_[s].state != State::opening) return;
    all_[s].state = State::ready;
    ++setup_.ready;
    ++fresh_;
    setup_.latency.add(now - all_[s].begun);
    setup_.last = std::max(setup_.last, now);
  }
  /// Also of a session that was ready: then it is lost.
  void fail(uint32_t s, std::string_view why) {
    if (all_[s].state == State::failed || all_[s].state == State::closed) return;
    if (all_[s].state == State::ready) --setup_.ready;
    all_[s].state = State::failed;
    due_[s] = kNanosNever;
    ++setup_.failed;
    ++setup_.failures[std::string(why)];
  }
  void heard_first(Nanos after) { setup_.first_packet.add(after); }
  void retransmitted() { ++setup_.retransmissions; }

  const SetupFigures& setup() const { return setup_; }
  /// Sessions that became ready since the last call.
  uint32_t take_fresh() { return std::exchange(fresh_, 0); }

 private:
  std::vector<Session> all_;
  std::vector<Nanos> due_;
  SetupFigures setup_;
  uint32_t fresh_ = 0;
};

}  // namespace sluice::load
