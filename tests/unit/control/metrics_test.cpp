#include "engine/telemetry/metrics.h"

#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "tests/unit/control/live_engine.h"

using namespace sluice;
using namespace sluice::telemetry;

namespace {

struct Text {
  std::map<std::string, std::string> type;  ///< family -> TYPE
  std::set<std::string> help;               ///< families with HELP
  std::map<std::string, double> sample;     ///< "name{labels}" -> value
};

/// Prometheus text format 0.0.4, as far as it is used.
Text parse(const std::string& text) {
  Text out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string hash, what, name, rest;
    if (line.starts_with("# ")) {
      words >> hash >> what >> name;
      std::getline(words >> std::ws, rest);
      REQUIRE_FALSE(rest.empty());
      if (what == "TYPE") CHECK(out.type.emplace(name, rest).second);
      if (what == "HELP") CHECK(out.help.insert(name).second);
      continue;
    }
    const size_t space = line.rfind(' ');
    REQUIRE(space != std::string::npos);
    CHECK(out.sample.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second);
  }
  return out;
}

std::string family_of(std::string name, const Text& t) {
  name = name.substr(0, name.find('{'));
  for (const char* suffix : {"_bucket", "_sum", "_count"})
    if (name.ends_with(suffix) && t.type.contains(name.substr(0, name.size() - std::strlen(suffix))))
      return name.substr(0, name.size() - std::strlen(suffix));
  return name;
}

Snapshot snapshot() {
  Snapshot s{};
  s.engine.sessions_connected = 3;
  s.engine.closed_by_reason[SLUICE_CLOSE_CONSENT] = 2;
  s.shards.resize(2);
  s.shards[1].shard = 1;
  s.shards[1].rx_packets = 12'345'678'901;
  s.shards[1].drops[1] = 7;
  s.shards[1].unsent[1] = 8;
  s.relay.relay = 1;
  s.relay.flows = 5;
  s.relay.down_bytes = 99;
  s.turn.on = 1;
  s.turn.allocations = 6;
  s.turn.up_packets = 77;
  s.turn.refused_count = 1;
  s.turn.refused_code[0] = 401;
  s.turn.refused[0] = 12;
  s.servers.resize(2);
  std::strcpy(s.servers[0].id, "1.7");
  s.servers[0].up_packets = 11;
  s.servers[0].trunk = s.servers[0].up = 1;
  s.servers[0].rtt_us = 1500;
  std::strcpy(s.servers[1].address, "192.0.2.9:3478");
  s.servers[1].flows = 4;
  return s;
}

}  // namespace

TEST_CASE("every sample belongs to a family with HELP and TYPE") {
  const Text t = parse(render(snapshot(), SetupTimes()));
  CHECK(t.sample.size() > 100);
  for (const auto& [name, value] : t.sample) {
    const std::string family = family_of(name, t);
    CHECK_MESSAGE(t.type.contains(family), name);
    CHECK_MESSAGE(t.help.contains(family), name);
    if (t.type.at(family) == "counter") CHECK_MESSAGE(family.ends_with("_total"), family);
  }
}

TEST_CASE("figures come out as they went in") {
  const Text t = parse(render(snapshot(), SetupTimes()));
  CHECK(t.sample.at("sluice_rx_packets_total{shard=\"1\"}") == 12'345'678'901);
  CHECK(t.sample.at("sluice_sessions{state=\"connected\"}") == 3);
  CHECK(t.sample.at("sluice_sessions_closed_total{reason=\"consent\"}") == 2);
  const std::string reason = sluice_drop_name(1);
  CHECK(t.sample.at("sluice_drops_total{reason=\"" + reason + "\",shard=\"1\"}") == 7);
  CHECK(t.sample.at("sluice_unsent_total{reason=\"" + reason + "\",shard=\"1\"}") == 8);
}

TEST_CASE("servers go by their name, or by their address, and only a relay has such figures") {
  const Text t = parse(render(snapshot(), SetupTimes()));
  CHECK(t.sample.at("sluice_relay_flows") == 5);
  CHECK(t.sample.at("sluice_relay_bytes_total{direction=\"down\"}") == 99);
  CHECK(t.sample.at("sluice_server_up_packets_total{server=\"1.7\"}") == 11);
  CHECK(t.sample.at("sluice_server_flows{server=\"192.0.2.9:3478\"}") == 4);
  CHECK(t.sample.at("sluice_trunk_up{server=\"1.7\"}") == 1);
  CHECK(t.sample.at("sluice_trunk_rtt_microseconds{server=\"1.7\"}") == 1500);
  CHECK_FALSE(t.sample.contains("sluice_trunk_up{server=\"192.0.2.9:3478\"}"));
  Snapshot media = snapshot();
  media.relay.relay = 0;
  CHECK_FALSE(parse(render(media, SetupTimes())).sample.contains("sluice_relay_flows"));
}

TEST_CASE("TURN has its figures where it is served") {
  const Text t = parse(render(snapshot(), SetupTimes()));
  CHECK(t.sample.at("sluice_turn_allocations") == 6);
  CHECK(t.sample.at("sluice_turn_packets_total{direction=\"up\"}") == 77);
  CHECK(t.sample.at("sluice_turn_refused_total{code=\"401\"}") == 12);
  Snapshot without = snapshot();
  without.turn.on = 0;
  CHECK_FALSE(parse(render(without, SetupTimes())).sample.contains("sluice_turn_allocations"));
}

TEST_CASE("every reason has a series before its first drop, and none is left out") {
  const Text t = parse(render(snapshot(), SetupTimes()));
  for (unsigned i = 1; sluice_drop_name(i) != nullptr; ++i)
    CHECK(t.sample.contains(std::string("sluice_drops_total{reason=\"") + sluice_drop_name(i) +
                            "\",shard=\"0\"}"));
}

TEST_CASE("each phase of setting up counts once per session, when it has been reached") {
  SetupTimes times;
  sluice_session_stats s{};
  s.session = 1;
  s.offered_us = 1'000'000;
  times.observe(s);
  s.first_check_us = 1'015'000;
  times.observe(s);
  s.dtls_start_us = 1'020'000;
  s.dtls_done_us = 1'140'000;
  times.observe(s);
  times.observe(s);
  const Text t = parse(render(snapshot(), times));
  CHECK(t.sample.at("sluice_setup_seconds_count{phase=\"ice\"}") == 1);
  CHECK(t.sample.at("sluice_setup_seconds_bucket{phase=\"ice\",le=\"0.01\"}") == 0);
  CHECK(t.sample.at("sluice_setup_seconds_bucket{phase=\"ice\",le=\"0.02\"}") == 1);
  CHECK(t.sample.at("sluice_setup_seconds_sum{phase=\"dtls\"}") == doctest::Approx(0.12));
  CHECK(t.sample.at("sluice_setup_seconds_count{phase=\"media\"}") == 0);
  times.forget(1);
}

TEST_CASE("a live engine's metrics say what it is") {
  test::LiveEngine engine;
  const Text t = parse(render(take_snapshot(engine.get()), SetupTimes()));
  CHECK(t.sample.contains("sluice_pool_free_slots{shard=\"0\"}"));
  CHECK(t.sample.at("process_resident_memory_bytes") > 1e6);
  CHECK(t.type.contains("sluice_build_info"));
}
