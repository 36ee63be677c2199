// Who takes part in each scenario: how it is started, and what the generator does to it.
#pragma once

#include <optional>

#include "tools/bench/child.h"
#include "tools/bench/scorecard.h"
#include "tools/bench/stage.h"
#include "tools/load/options.h"

namespace sluice::bench {

/// How a program says what its memory is sized for: the bytes behind `words` in its log are those of `of`
/// sessions.
struct Reservation {
  std::string words;
  double of = 1;
};

struct Contestant {
  std::string key, title, version;
  std::string absent;                              ///< why it cannot run here; empty: it can
  std::vector<std::vector<std::string>> programs;  ///< with their arguments; the first one is measured
  uint16_t udp_port = 0;                           ///< of the first
  std::string ready;                               ///< ChildOptions::ready of the first
  load::Options load;
  std::optional<Reservation> reservation;
  std::optional<load::Options> flood;  ///< beside it, from other addresses; not in the figures
  std::string half_of;  ///< key: the flood is half of what that one can take, by its newest figures
};

struct Versions {
  std::string sluice, kernel, coturn, cpu;  ///< coturn: empty if it is not installed
};

/// Makes contestants on a stage. `mode`: "sockets", the portable way; "ports", steered ports and sockets to
/// send; or "steered", the accelerated one with frames. `rate`: packets per second of a flow and direction.
class Contestants {
 public:
  static constexpr uint32_t kRooms = 200;
  static constexpr uint32_t kHeld = 100'000, kHeldByCoturn = 10'000, kMillion = 1'000'000;

  /// Both outlive it.
  Contestants(const Stage& stage, const Versions& versions) : stage_(stage), versions_(versions) {}

  Contestant forwarder(double rate) const;
  Contestant receiver() const;
  Contestant transparent(const std::string& mode, const std::string& title, double rate) const;
  Contestant turn(const std::string& mode, const std::string& title, double rate) const;
  Contestant coturn(double rate) const;
  /// With `servers` Sluice media tiers behind the relay.
  Contestant trunk(const std::string& mode, const std::string& title, uint32_t servers) const;
  /// kHeld allocations over two relay addresses, and as many as coturn has sockets for.
  Contestant held() const;
  Contestant held_by_coturn() const;
  /// `flows` over the trunk to one media tier, in a table for kMillion by trunk; all together `rate` packets
  /// per second each way.
  Contestant crowd(const std::string& mode, const std::string& title, uint32_t flows, double rate) const;
  /// `c` loaded in one direction only, with clumps of 64 packets.
  static Contestant one_way(Contestant c, double rate, bool up);
  /// kRooms rooms of a publisher and a player, over loopback.
  Contestant rooms(double rate) const;
  Contestant forwarder_on_loopback(double rate) const;
  /// `c` under nothing but `per_second` forged checks of 1 000 addresses.
  static Contestant flooded(Contestant c, double per_second);
  /// 200 calls during such a flood.
  Contestant besieged(double rate) const;

 private:
  using Words = std::vector<std::string>;
  /// Outside of what the system hands out to others, so that nobody has to look whether a port is taken.
  static constexpr const char* kRelayPorts = "20000-32767";
  Contestant base(std::string key, std::string title, std::string version, uint16_t port) const;
  Words relay(const std::string& mode, const Words& more, const char* ports = kRelayPorts) const;
  std::string core() const { return std::to_string(stage_.options().server_core); }

  const Stage& stage_;
  const Versions& versions_;
};

}  // namespace sluice::bench
