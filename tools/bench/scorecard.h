// What the scorecard holds: who ran, what each run found, and what is concluded from it. Plain data.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/statistics.h"

namespace sluice::bench {

/// One run of one contestant.
struct Sample {
  double offered = 0;     ///< packets per second that were meant to leave, both directions
  double delivered = 0;   ///< packets per second that arrived
  double loss = 0;        ///< share, 0..1
  double cpu_ns = 0;      ///< per delivered packet: its threads and the receive work of its core
  double receive_ns = 0;  ///< of it the receive work
  double core_ns = 0;     ///< per delivered packet: all that kept its core busy, whoever did it
  double p50_ms = 0, p99_ms = 0;
  double setups = 0;    ///< sessions set up per second
  double setup_us = 0;  ///< CPU of one session's setup
  double repeated = 0;  ///< requests sent again, of all setups
  double held = 0;      ///< sessions that were up at once
  double resident = 0;  ///< bytes by which the program has grown since it started, for each of them
  double reserved = 0;  ///< bytes for each that there is room for, by its own account; 0: has none
  std::vector<std::string> doubts;  ///< why the run says nothing; empty: it does
};

/// A program under test.
struct Entry {
  std::string key;              ///< within its scenario
  std::string title;            ///< "Sluice, sockets"
  std::string version;          ///< of the program
  std::string absent;           ///< why it did not run; empty: it did
  std::vector<Sample> samples;  ///< by round; all zero: it failed
};

/// A figure of one entry beside another's.
enum class Measure : uint8_t {
  packets_per_cpu,  ///< how many times the rival's packets for the same CPU time
  setups_per_cpu,
  cpu_per_packet,  ///< as a multiple of the rival's
  resident,        ///< bytes of a session; as a multiple of the rival's, or without one
  reserved,        ///< bytes of a session; without a rival
  held,            ///< sessions; without a rival
  loss,            ///< of our packets in percent; without a rival
  p50,
  p99,  ///< latency, as a multiple of the rival's
};

struct Comparison {
  std::string ours, rival;  ///< keys of entries
  Measure measure = Measure::packets_per_cpu;
  std::optional<Bar> bar;
};

struct Scenario {
  std::string key, title;
  std::string load;  ///< what was offered, a sentence
  std::vector<Entry> entries;
  std::vector<Comparison> comparisons;
  bool memory = false;  ///< what sessions take is a part of it

  const Entry* find(std::string_view key) const;
  /// By round.
  std::vector<double> ratios(const Comparison& c) const;
};

struct Named {
  std::string what, value;
};
struct Scorecard {
  std::vector<Named> machine;    ///< versions, CPU, kernel, time
  std::vector<std::string> how;  ///< how CPU was counted, sentences
  std::vector<Scenario> scenarios;
};

double value_of(const Sample& s, Measure m);
std::string_view name(Measure m);

/// Of the rounds that did not fail.
Spread spread_of(const Entry& e, double Sample::* member);
/// "transparent: Sluice, sockets, beside bare forwarder: packets per CPU"
std::string title_of(const Scenario& s, const Comparison& c);
/// "at least 0.9"; empty without one.
std::string text_of(const std::optional<Bar>& bar);

std::string to_markdown(const Scorecard& card);
/// One picture: a line for each comparison with its median, range and bar.
std::string to_svg(const Scorecard& card);
/// `schema` "sluice-bench/1"; tools/bench/README.md says what is in it.
std::string to_json(const Scorecard& card);

}  // namespace sluice::bench
