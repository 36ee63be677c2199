// One thread's work: sends what is due, takes what has come, opens sessions at their pace. Without a clock of
// its own.
#pragma once

#include <vector>

#include "tools/load/figures.h"
#include "tools/load/options.h"
#include "tools/load/protocol.h"
#include "tools/load/schedule.h"
#include "tools/load/sessions.h"
#include "tools/load/traffic.h"

namespace sluice::load {

struct Pace {
  uint32_t target = 0;      ///< sessions that shall exist, at most the capacity
  double setup_rate = 500;  ///< begun per second
  uint32_t active = 0;      ///< of them, those that send
  Nanos epoch = 0;          ///< when the first packet is due; a new one starts the schedule anew
  Nanos begin = kNanosNever, end = kNanosNever;  ///< what is meant to leave in between is measured
};

class Generator {
 public:
  /// All must outlive it. `began`: where the seconds of series() are counted from.
  Generator(const Bench& bench, Protocol& protocol, const Traffic& traffic, Nanos began);

  void set_pace(const Pace& pace);
  /// One round. True: something was done.
  bool step(Nanos now);
  /// When there is something to do at the latest.
  Nanos next_due(Nanos now) const;
  void close_all();

  /// Of the window; without the thread's own figures.
  const Figures& figures() const { return figures_; }
  const std::vector<Second>& series() const { return series_; }

 private:
  bool receive(Nanos now);
  bool send_due(Schedule& schedule, Way way, Nanos now);
  void send(Session& session, const Schedule::Slot& slot, Way way, Nanos now);
  bool open_due(Nanos now);
  void sweep(Nanos now);
  void account(const RxPacket& p);
  bool measured(Nanos intended) const { return intended >= pace_.begin && intended < pace_.end; }
  Second& second(Nanos at);

  Bench bench_;
  Protocol& protocol_;
  const Traffic& traffic_;
  Nanos began_;
  TxQueue media_;
  Pace pace_;
  Schedule up_, down_;
  uint32_t opened_ = 0;
  Nanos next_open_ = 0;
  Nanos next_send_ = 0;
  uint32_t swept_ = 0;
  Nanos next_sweep_ = 0;
  Figures figures_;
  std::vector<Second> series_;
};

}  // namespace sluice::load
