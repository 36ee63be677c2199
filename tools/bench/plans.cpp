#include "tools/bench/plans.h"

#include <fmt/format.h>

namespace sluice::bench {
namespace {

constexpr double kRelayRate = 50, kTurnRate = 40;  ///< packets per second of a flow and direction
constexpr double kTurnLatencyRate = 10;
constexpr double kCrowd = 40'000;   ///< packets per second of all flows, each way
constexpr double kFlood = 100'000;  ///< packets per second
constexpr Bar at_least(double v) { return {Bar::Side::at_least, v}; }
constexpr Bar at_most(double v) { return {Bar::Side::at_most, v}; }

Comparison cpu(std::string ours, std::string rival, std::optional<Bar> bar) {
  return {std::move(ours), std::move(rival), Measure::packets_per_cpu, bar};
}
Comparison latency(std::string ours, std::string rival, Measure m, std::optional<Bar> bar = {}) {
  return {std::move(ours), std::move(rival), m, bar};
}

std::string load_text(std::string_view what, double rate, int ways = 2) {
  return fmt::format("{}, 172 bytes, {:g} packets/s {}: {:.0f} packets/s.", what, rate,
                     ways == 2 ? "each way" : "each", 1000 * ways * rate);
}

Plan transparent(const Contestants& make, double rate) {
  return {
      .key = "transparent",
      .title = "Relay, transparent leg",
      .load = load_text("1 000 flows with one server behind", rate),
      .contestants = {make.forwarder(rate), make.transparent("sockets", "Sluice, portable", rate),
                      make.transparent("ports", "Sluice, steered ports", rate),
                      make.transparent("steered", "Sluice, accelerated", rate)},
      .comparisons = {cpu("sockets", "forwarder", at_least(0.9)), cpu("ports", "forwarder", at_least(0.9)),
                      cpu("steered", "forwarder", at_least(1.4))}};
}

Plan half_load(const Contestants& make) {
  Plan p = transparent(make, kRelayRate / 2);
  p.key = "latency";
  p.title = "Relay, added latency at half load";
  std::erase_if(p.contestants, [](const Contestant& c) { return c.key == "ports"; });
  p.comparisons.clear();
  for (const char* ours : {"sockets", "steered"})
    for (const Measure m : {Measure::p50, Measure::p99})
      p.comparisons.push_back(latency(ours, "forwarder", m));
  return p;
}

Plan turn(const Contestants& make, double rate) {
  return {.key = "turn",
          .title = "TURN, ChannelData",
          .load = load_text("1 000 allocations with a channel each", rate),
          .contestants = {make.coturn(rate), make.turn("sockets", "Sluice, portable", rate),
                          make.turn("steered", "Sluice, accelerated", rate)},
          .comparisons = {cpu("sockets", "coturn", at_least(2)), cpu("steered", "coturn", at_least(3))}};
}

Plan turn_latency(const Contestants& make) {
  Plan p = turn(make, kTurnLatencyRate);
  p.key = "turn-latency";
  p.title = "TURN, latency";
  p.comparisons = {cpu("sockets", "coturn", std::nullopt), cpu("steered", "coturn", std::nullopt)};
  for (const char* ours : {"sockets", "steered"}) {
    p.comparisons.push_back(latency(ours, "coturn", Measure::p50));
    p.comparisons.push_back(latency(ours, "coturn", Measure::p99, at_most(1)));
  }
  return p;
}

Plan setups(const Contestants& make) {
  Plan p{.key = "setups",
         .title = "TURN, allocations",
         .load = "9 000 allocations with long-term credentials, 3 000 begun per second in clumps of 64.",
         .contestants = {make.coturn(1), make.turn("sockets", "Sluice, portable", 1),
                         make.turn("steered", "Sluice, accelerated", 1)},
         .comparisons = {{"sockets", "coturn", Measure::setups_per_cpu, at_least(10)},
                         {"steered", "coturn", Measure::setups_per_cpu, at_least(10)}},
         .setups = true};
  for (Contestant& c : p.contestants) {
    c.load.turn.allocate_only = true;
    c.load.sessions = 9000;
    c.load.setup_rate = 3000;
    c.load.setup_clump = 64;
  }
  return p;
}

Plan trunk(const Contestants& make, bool up) {
  Plan p{.key = up ? "trunk-up" : "trunk-down",
         .title = up ? "Relay, trunk, client to server" : "Relay, trunk, server to client",
         .load = load_text("1 000 flows with Sluice media tiers behind, in clumps of 64", 2 * kRelayRate, 1),
         .contestants = {Contestants::one_way(make.forwarder(kRelayRate), 2 * kRelayRate, up)},
         .comparisons = {}};
  for (const uint32_t servers : {1U, 8U, 32U})
    for (const char* mode : {"sockets", "steered"}) {
      const bool portable = std::string_view(mode) == "sockets";
      if (servers > 1 && !portable) continue;
      const std::string title = fmt::format("Sluice, {}, {} server{}", portable ? "portable" : "accelerated",
                                            servers, servers == 1 ? "" : "s");
      const Contestant& c = p.contestants.emplace_back(
          Contestants::one_way(make.trunk(mode, title, servers), 2 * kRelayRate, up));
      std::optional<Bar> bar;
      if (servers == 1) bar = at_least(up ? 2.5 : portable ? 1.1 : 1.5);
      p.comparisons.push_back(cpu(c.key, "forwarder", bar));
    }
  return p;
}

Plan rooms(const Contestants& make) {
  return {.key = "forward",
          .title = "SRTP forward",
          .load = fmt::format(
              "{} rooms of a publisher and a player, 172 bytes, {:g} packets/s each, over loopback: the "
              "receive work is the sender's, alike for both.",
              Contestants::kRooms, kRelayRate),
          .contestants = {make.forwarder_on_loopback(kRelayRate), make.rooms(kRelayRate)},
          .comparisons = {cpu("forward", "forwarder", std::nullopt),
                          latency("forward", "forwarder", Measure::p99)}};
}

Plan flood(const Contestants& make) {
  return {.key = "flood",
          .title = "Forged first packets",
          .load = fmt::format(
              "{:.0f} checks per second with ufrags that nobody minted, from 1 000 addresses; beside "
              "them in the last line 200 calls of 50 packets/s each way, and half as many as the CPU time "
              "that the bare receiver takes for each would let it take.",
              kFlood),
          .contestants = {Contestants::flooded(make.receiver(), kFlood),
                          Contestants::flooded(make.transparent("sockets", "Sluice", 1), kFlood),
                          make.besieged(kRelayRate)},
          .comparisons = {cpu("sockets", "receiver", at_least(1 / 1.2)),
                          {"calls", "", Measure::loss, at_most(0.1)}}};
}

Plan held(const Contestants& make) {
  Plan p{.key = "held",
         .title = "TURN, allocations held",
         .load =
             fmt::format("{} allocations at once over two relay addresses, 5 000 begun per second; of coturn "
                         "{}, for the bytes of each.",
                         Contestants::kHeld, Contestants::kHeldByCoturn),
         .contestants = {make.held_by_coturn(), make.held()},
         .comparisons = {{"held", "", Measure::held, at_least(Contestants::kHeld)},
                         {"held", "", Measure::reserved, at_most(1024)},
                         {"held", "", Measure::resident, at_most(1024)},
                         {"held", "coturn", Measure::resident, {}}},
         .setups = true,
         .memory = true,
         .takes_long = true};
  for (Contestant& c : p.contestants) {
    c.load.turn.allocate_only = true;
    c.load.setup_rate = c.key == "held" ? 5000 : 3000;
  }
  return p;
}

Plan million(const Contestants& make) {
  constexpr uint32_t kFew = 1000, kMany = Contestants::kMillion;
  Plan p{.key = "million",
         .title = "Relay, trunk, a million flows",
         .load = fmt::format("1 000 and 1 000 000 flows with one Sluice media tier behind, 172 bytes, {:.0f} "
                             "packets/s each way in clumps of 64, each flow in its turn.",
                             kCrowd),
         .contestants = {},
         .comparisons = {},
         .memory = true,
         .takes_long = true};
  for (const char* mode : {"sockets", "steered"}) {
    const char* kind = std::string_view(mode) == "sockets" ? "portable" : "accelerated";
    const auto add = [&](uint32_t flows) {
      p.contestants.push_back(
          make.crowd(mode, fmt::format("Sluice, {}, {} flows", kind, flows), flows, kCrowd));
      return p.contestants.back().key;
    };
    const std::string few = add(kFew), many = add(kMany);
    p.comparisons.push_back({many, few, Measure::cpu_per_packet, at_most(1.5)});
    p.comparisons.push_back({many, "", Measure::held, at_least(kMany)});
    p.comparisons.push_back({many, "", Measure::reserved, at_most(100)});
    p.comparisons.push_back({many, "", Measure::resident, {}});
  }
  return p;
}

}  // namespace

std::vector<Plan> plans(const Contestants& make, double rate) {
  const auto or_else = [rate](double standard) { return rate > 0 ? rate : standard; };
  return {transparent(make, or_else(kRelayRate)),
          half_load(make),
          trunk(make, true),
          trunk(make, false),
          turn(make, or_else(kTurnRate)),
          turn_latency(make),
          setups(make),
          rooms(make),
          flood(make),
          held(make),
          million(make)};
}

std::vector<Named> scenario_names() {
  return {{"transparent", "relay to any server, beside a bare forwarder"},
          {"latency", "the same at half the load"},
          {"trunk-up", "relay to Sluice media tiers, beside a bare forwarder"},
          {"trunk-down", "and back"},
          {"turn", "TURN ChannelData, beside coturn, near what that can carry"},
          {"turn-latency", "the same at 20 000 packets/s"},
          {"setups", "TURN allocations, beside coturn"},
          {"forward", "SRTP from publishers to players, beside a bare forwarder"},
          {"flood", "forged first checks, beside a bare receiver, and calls in the midst of them"}};
}

std::vector<Named> long_scenario_names() {
  return {
      {"held",
       "100 000 TURN allocations at once and what each takes, beside coturn; a minute for each round"},
      {"million", "a million relayed flows over the trunk, beside a thousand; three minutes for each round"}};
}

}  // namespace sluice::bench
