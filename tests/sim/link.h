// One direction of a path through the Internet.
#pragma once

#include <functional>
#include <vector>

#include "net/base/bytes.h"
#include "tests/sim/rng.h"

namespace sluice::sim {

struct LinkOptions {
  Micros delay = millis(10);
  Micros jitter;             ///< added evenly; keeps the order
  double loss = 0;           ///< of each packet by itself
  double burst_enter = 0;    ///< Gilbert and Elliott: into a state that loses everything ...
  double burst_leave = 0.2;  ///< ... and out of it, per packet
  double reorder = 0;        ///< overtaken by what comes within reorder_by
  Micros reorder_by = millis(30);
  double duplicate = 0;
  double corrupt = 0;            ///< one to three bits flipped
  uint64_t bits_per_second = 0;  ///< 0: any
  uint32_t queue_bytes = 64 * 1024;
};

struct LinkCounters {
  uint64_t sent = 0, lost = 0, duplicated = 0, corrupted = 0, queue_full = 0;
};

class Link {
 public:
  using Deliver = std::function<void(Micros at, std::vector<uint8_t> bytes)>;

  Link(const LinkOptions& options, Rng rng) : options_(options), rng_(rng) {}

  /// Calls `deliver` for each copy that will arrive.
  void send(Micros now, Bytes datagram, const Deliver& deliver);
  /// Delay and rate stay, everything else is as it should be.
  void heal();
  LinkOptions& options() { return options_; }
  const LinkCounters& counters() const { return counters_; }

 private:
  bool loses();
  Micros arrival(Micros now, size_t bytes);
  std::vector<uint8_t> copy(Bytes datagram);
  void flip(std::vector<uint8_t>& bytes);

  LinkOptions options_;
  Rng rng_;
  LinkCounters counters_;
  bool in_burst_ = false;
  Micros free_at_;  ///< when the last bit of what was sent has left
  Micros last_arrival_;
};

}  // namespace sluice::sim
