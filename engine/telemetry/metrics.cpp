#include "engine/telemetry/metrics.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <unordered_map>

#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace sluice::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

ClientMetric metric(MetricType type, double value, Labels labels = {}) {
  ClientMetric m;
  m.label = std::move(labels);
  if (type == MetricType::Counter)
    m.counter.value = value;
  else
    m.gauge.value = value;
  return m;
}

MetricFamily family(std::string name, std::string help, MetricType type) {
  return {std::move(name), std::move(help), type, {}};
}

/// A family with one series and no labels.
MetricFamily single(std::string name, std::string help, MetricType type, double value) {
  MetricFamily f = family(std::move(name), std::move(help), type);
  f.metric.push_back(metric(type, value));
  return f;
}

struct ShardMetric {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const sluice_shard_stats&);
};

#define SLUICE_SHARD_FIELD(field) [](const sluice_shard_stats& s) { return static_cast<double>(s.field); }
constexpr ShardMetric kShardMetrics[] = {
    {"sluice_rx_packets_total", "UDP datagrams received", MetricType::Counter,
     SLUICE_SHARD_FIELD(rx_packets)},
    {"sluice_rx_bytes_total", "UDP payload bytes received", MetricType::Counter,
     SLUICE_SHARD_FIELD(rx_bytes)},
    {"sluice_tx_packets_total", "UDP datagrams sent", MetricType::Counter, SLUICE_SHARD_FIELD(tx_packets)},
    {"sluice_tx_bytes_total", "UDP payload bytes sent", MetricType::Counter, SLUICE_SHARD_FIELD(tx_bytes)},
    {"sluice_rx_calls_total", "Receive calls into the kernel", MetricType::Counter,
     SLUICE_SHARD_FIELD(rx_calls)},
    {"sluice_tx_calls_total", "Send calls into the kernel", MetricType::Counter,
     SLUICE_SHARD_FIELD(tx_calls)},
    {"sluice_rx_no_buffers_total", "Receives that found no free buffer", MetricType::Counter,
     SLUICE_SHARD_FIELD(rx_no_buffers)},
    {"sluice_rx_rearmed_total", "Receives that had to be armed again", MetricType::Counter,
     SLUICE_SHARD_FIELD(rx_rearmed)},
    {"sluice_kernel_drops_total", "Datagrams that the kernel dropped for want of socket memory",
     MetricType::Counter, SLUICE_SHARD_FIELD(kernel_drops)},
    {"sluice_shard_sleeps_total", "Times that the shard was ready to sleep until something comes", MetricType::Counter,
     SLUICE_SHARD_FIELD(sleeps)},
    {"sluice_shard_loops_total", "Rounds of the shard's loop", MetricType::Counter,
     SLUICE_SHARD_FIELD(loops)},
    {"sluice_handed_over_total", "Packets given to the shard that owns the session", MetricType::Counter,
     SLUICE_SHARD_FIELD(handed_over)},
    {"sluice_steered_total", "Entries made in the kernel's steering map", MetricType::Counter,
     SLUICE_SHARD_FIELD(steered)},
    {"sluice_shard_cpu_seconds_total", "CPU time of the shard's thread", MetricType::Counter,
     [](const sluice_shard_stats& s) { return static_cast<double>(s.cpu_us) / 1e6; }},
    {"sluice_late_allocations_total", "Allocations on the shard's thread after start; 0, or a defect",
     MetricType::Counter, SLUICE_SHARD_FIELD(late_allocations)},
    {"sluice_shard_sessions", "Sessions that the shard owns", MetricType::Gauge,
     SLUICE_SHARD_FIELD(sessions)},
    {"sluice_shard_flows", "Client addresses that the shard knows", MetricType::Gauge,
     SLUICE_SHARD_FIELD(flows)},
    {"sluice_pool_slots", "Packet slots of the shard's pool", MetricType::Gauge,
     SLUICE_SHARD_FIELD(pool_capacity)},
    {"sluice_pool_free_slots", "Packet slots that are free", MetricType::Gauge,
     SLUICE_SHARD_FIELD(pool_free)},
};
#undef SLUICE_SHARD_FIELD

/// Every reason from the start, so that a rate over the first drop is right.
MetricFamily by_reason(const Snapshot& snapshot, const char* name, const char* help,
                       uint64_t (sluice_shard_stats::*counters)[SLUICE_DROP_REASONS_MAX]) {
  MetricFamily f = family(name, help, MetricType::Counter);
  for (const auto& s : snapshot.shards)
    for (unsigned i = 1; i < SLUICE_DROP_REASONS_MAX && sluice_drop_name(i) != nullptr; ++i)
      f.metric.push_back(metric(MetricType::Counter, static_cast<double>((s.*counters)[i]),
                                {{"reason", sluice_drop_name(i)}, {"shard", std::to_string(s.shard)}}));
  return f;
}

void add_shards(const Snapshot& snapshot, std::vector<MetricFamily>& out) {
  for (const ShardMetric& m : kShardMetrics) {
    MetricFamily f = family(m.name, m.help, m.type);
    for (const auto& s : snapshot.shards)
      f.metric.push_back(metric(m.type, m.value(s), {{"shard", std::to_string(s.shard)}}));
    out.push_back(std::move(f));
  }
  out.push_back(by_reason(snapshot, "sluice_drops_total", "Packets received and not delivered, by reason",
                          &sluice_shard_stats::drops));
  out.push_back(by_reason(snapshot, "sluice_unsent_total",
                          "Copies, answers and reports that were to be sent and were not, by reason",
                          &sluice_shard_stats::unsent));
}

void add_engine(const sluice_engine_stats& e, std::vector<MetricFamily>& out) {
  MetricFamily info = family("sluice_build_info", "1, with what this process is and uses", MetricType::Gauge);
  info.metric.push_back(
      metric(MetricType::Gauge, 1, {{"io", e.io}, {"srtp", e.srtp}, {"version", sluice_version()}}));
  out.push_back(std::move(info));
  MetricFamily states = family("sluice_sessions", "Live sessions by state", MetricType::Gauge);
  states.metric.push_back(
      metric(MetricType::Gauge, e.sessions_new, {{"state", sluice_state_name(SLUICE_NEW)}}));
  states.metric.push_back(
      metric(MetricType::Gauge, e.sessions_checking, {{"state", sluice_state_name(SLUICE_CHECKING)}}));
  states.metric.push_back(
      metric(MetricType::Gauge, e.sessions_connected, {{"state", sluice_state_name(SLUICE_CONNECTED)}}));
  out.push_back(std::move(states));
  out.push_back(single("sluice_rooms", "Rooms with a publisher or a subscriber", MetricType::Gauge, e.rooms));
  out.push_back(
      single("sluice_draining", "1 while no new sessions are taken", MetricType::Gauge, e.draining));
  out.push_back(single("sluice_sessions_created_total", "Offers answered", MetricType::Counter,
                       static_cast<double>(e.sessions_created)));
  MetricFamily closed =
      family("sluice_sessions_closed_total", "Sessions ended, by reason", MetricType::Counter);
  for (unsigned i = 1; i < std::size(e.closed_by_reason); ++i)
    closed.metric.push_back(
        metric(MetricType::Counter, static_cast<double>(e.closed_by_reason[i]),
               {{"reason", sluice_close_reason_name(static_cast<sluice_close_reason>(i))}}));
  out.push_back(std::move(closed));
  MetricFamily dtls = family("sluice_dtls_handshakes_total", "DTLS handshakes finished", MetricType::Counter);
  dtls.metric.push_back(
      metric(MetricType::Counter, static_cast<double>(e.handshakes_done), {{"result", "done"}}));
  dtls.metric.push_back(
      metric(MetricType::Counter, static_cast<double>(e.handshakes_failed), {{"result", "failed"}}));
  out.push_back(std::move(dtls));
}

/// One series for each server; those without a name go by their address.
template <class Field>
MetricFamily per_server(const Snapshot& snapshot, const char* name, const char* help, MetricType type,
                        Field sluice_server_stats::*field, bool only_trunks = false) {
  MetricFamily f = family(name, help, type);
  for (const auto& s : snapshot.servers)
    if (!only_trunks || s.trunk != 0)
      f.metric.push_back(
          metric(type, static_cast<double>(s.*field), {{"server", s.id[0] != 0 ? s.id : s.address}}));
  return f;
}

MetricFamily both_ways(const char* name, const char* help, uint64_t up, uint64_t down) {
  MetricFamily f = family(name, help, MetricType::Counter);
  f.metric.push_back(metric(MetricType::Counter, static_cast<double>(up), {{"direction", "up"}}));
  f.metric.push_back(metric(MetricType::Counter, static_cast<double>(down), {{"direction", "down"}}));
  return f;
}

void add_trunks(const Snapshot& s, std::vector<MetricFamily>& out) {
  using S = sluice_server_stats;
  constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
  out.push_back(per_server(s, "sluice_trunk_up", "1: every shard hears the server", kGauge, &S::up, true));
  out.push_back(
      per_server(s, "sluice_trunk_draining", "1: it takes no new sessions", kGauge, &S::draining, true));
  out.push_back(per_server(s, "sluice_trunk_rtt_microseconds", "Round trip to it, the longest of all shards'",
                           kGauge, &S::rtt_us, true));
  out.push_back(per_server(s, "sluice_trunk_lost_up_total", "Datagrams to it that never arrived", kCounter,
                           &S::lost_up, true));
  out.push_back(per_server(s, "sluice_trunk_lost_down_total", "Datagrams from it that never arrived",
                           kCounter, &S::lost_down, true));
}

void add_servers(const Snapshot& s, std::vector<MetricFamily>& out) {
  using S = sluice_server_stats;
  constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
  out.push_back(per_server(s, "sluice_server_flows", "Relayed flows of a server", kGauge, &S::flows));
  out.push_back(per_server(s, "sluice_server_unconfirmed_flows", "Of them, those it has not answered yet",
                           kGauge, &S::unconfirmed));
  out.push_back(per_server(s, "sluice_server_routes", "Routes that lead to it", kGauge, &S::routes));
  out.push_back(per_server(s, "sluice_server_up_packets_total", "Packets from clients to it", kCounter,
                           &S::up_packets));
  out.push_back(
      per_server(s, "sluice_server_up_bytes_total", "UDP payload bytes to it", kCounter, &S::up_bytes));
  out.push_back(per_server(s, "sluice_server_down_packets_total", "Packets from it to clients", kCounter,
                           &S::down_packets));
  out.push_back(
      per_server(s, "sluice_server_down_bytes_total", "UDP payload bytes from it", kCounter, &S::down_bytes));
  add_trunks(s, out);
}

void add_relay(const Snapshot& snapshot, std::vector<MetricFamily>& out) {
  const sluice_relay_stats& r = snapshot.relay;
  if (r.relay == 0) return;
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    out.push_back(single(name, help, MetricType::Gauge, static_cast<double>(value)));
  };
  gauge("sluice_relay_flows", "Relayed flows", r.flows);
  gauge("sluice_relay_flows_max", "Relayed flows that there is room for, if those to come are not by trunk",
        r.max_flows);
  gauge("sluice_relay_unconfirmed_flows", "Relayed flows that no server has answered yet", r.unconfirmed);
  gauge("sluice_relay_routes", "Installed routes", r.routes);
  gauge("sluice_relay_routes_max", "Routes that there is room for", r.max_routes);
  gauge("sluice_relay_ports_open", "Local ports of relayed legs", r.ports_open);
  out.push_back(single("sluice_relay_flows_created_total", "Flows made", MetricType::Counter,
                       static_cast<double>(r.flows_created)));
  out.push_back(single("sluice_relay_flows_expired_total", "Flows whose client fell silent",
                       MetricType::Counter, static_cast<double>(r.flows_expired)));
  out.push_back(both_ways("sluice_relay_packets_total", "Packets relayed; up is from client to server",
                          r.up_packets, r.down_packets));
  out.push_back(both_ways("sluice_relay_bytes_total", "UDP payload bytes relayed", r.up_bytes, r.down_bytes));
  add_servers(snapshot, out);
}

void add_direct(const sluice_relay_stats& r, std::vector<MetricFamily>& out) {
  if (r.trunk_direct == 0) return;
  out.push_back(single("sluice_trunk_direct_packets_total", "Media sent to clients past the trunk",
                       MetricType::Counter, static_cast<double>(r.direct_packets)));
  out.push_back(single("sluice_trunk_direct_bytes_total", "UDP payload bytes sent so", MetricType::Counter,
                       static_cast<double>(r.direct_bytes)));
}

void add_turn(const sluice_turn_stats& t, std::vector<MetricFamily>& out) {
  if (t.on == 0) return;
  const auto one = [&](const char* name, const char* help, MetricType type, uint64_t value) {
    out.push_back(single(name, help, type, static_cast<double>(value)));
  };
  constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
  one("sluice_turn_allocations", "TURN allocations", kGauge, t.allocations);
  one("sluice_turn_allocations_max", "TURN allocations that there is room for", kGauge, t.max_allocations);
  one("sluice_turn_stream_allocations", "Allocations whose client came by TCP or TLS", kGauge, t.streams);
  one("sluice_turn_reservations", "Ports held for a reservation token", kGauge, t.reservations);
  one("sluice_turn_allocations_created_total", "Allocations made", kCounter, t.created);
  one("sluice_turn_allocations_expired_total", "Allocations that nobody refreshed", kCounter, t.expired);
  one("sluice_turn_allocations_deleted_total", "Allocations that their clients ended", kCounter, t.deleted);
  one("sluice_turn_allocations_moved_total", "Moves of clients to other addresses", kCounter, t.moved);
  one("sluice_turn_refreshes_total", "Allocations refreshed", kCounter, t.refreshed);
  one("sluice_turn_permissions_total", "Permissions installed or refreshed", kCounter, t.permissions);
  one("sluice_turn_channels_total", "Channels bound or refreshed", kCounter, t.channels);
  one("sluice_turn_bindings_total", "STUN binding requests answered", kCounter, t.bindings);
  out.push_back(both_ways("sluice_turn_packets_total", "Payloads relayed; up is from client to peer",
                          t.up_packets, t.down_packets));
  out.push_back(both_ways("sluice_turn_bytes_total", "Payload bytes relayed", t.up_bytes, t.down_bytes));
  MetricFamily refused = family("sluice_turn_refused_total", "Requests refused, by error code", kCounter);
  for (unsigned i = 0; i < t.refused_count; ++i)
    refused.metric.push_back(
        metric(kCounter, static_cast<double>(t.refused[i]), {{"code", std::to_string(t.refused_code[i])}}));
  out.push_back(std::move(refused));
}

struct Labelled {
  const char* value;
  uint64_t count;
};

MetricFamily by_label(const char* name, const char* help, MetricType type, const char* label,
                      std::initializer_list<Labelled> series) {
  MetricFamily f = family(name, help, type);
  for (const Labelled& s : series)
    f.metric.push_back(metric(type, static_cast<double>(s.count), {{label, s.value}}));
  return f;
}

void add_streams(const sluice_stream_stats& s, std::vector<MetricFamily>& out) {
  if (s.max_streams == 0) return;
  constexpr MetricType kCounter = MetricType::Counter, kGauge = MetricType::Gauge;
  out.push_back(by_label("sluice_streams", "TCP and TLS connections", kGauge, "tls",
                         {{"no", s.open - s.open_tls}, {"yes", s.open_tls}}));
  out.push_back(
      single("sluice_streams_max", "TCP and TLS connections that there is room for", kGauge, s.max_streams));
  out.push_back(by_label("sluice_streams_accepted_total", "TCP and TLS connections taken", kCounter, "tls",
                         {{"no", s.accepted - s.accepted_tls}, {"yes", s.accepted_tls}}));
  out.push_back(by_label("sluice_streams_recognised_total", "What they turned out to carry", kCounter,
                         "protocol", {{"ice", s.ice}, {"turn", s.turn}}));
  out.push_back(by_label("sluice_streams_refused_total", "Connections not taken", kCounter, "reason",
                         {{"full", s.refused_full},
                          {"address", s.refused_address},
                          {"rate", s.refused_rate},
                          {"files", s.refused_files}}));
  out.push_back(by_label("sluice_streams_ended_total", "Connections that have ended", kCounter, "reason",
                         {{"peer", s.ended_peer},
                          {"shard", s.ended_shard},
                          {"silent", s.ended_silent},
                          {"idle", s.ended_idle},
                          {"malformed", s.ended_malformed},
                          {"tls", s.ended_tls},
                          {"broken", s.ended_broken}}));
  out.push_back(by_label("sluice_stream_datagrams_total", "Datagrams by TCP and TLS", kCounter, "direction",
                         {{"in", s.rx_datagrams}, {"out", s.tx_datagrams}}));
  out.push_back(by_label("sluice_stream_bytes_total", "Bytes by TCP and TLS, framing included", kCounter,
                         "direction", {{"in", s.rx_bytes}, {"out", s.tx_bytes}}));
  out.push_back(by_label("sluice_stream_datagrams_dropped_total", "Datagrams that streams lost", kCounter,
                         "reason",
                         {{"ring_full", s.dropped_ring_full},
                          {"slow_reader", s.dropped_slow_reader},
                          {"gone", s.dropped_gone},
                          {"oversize", s.dropped_oversize}}));
  out.push_back(single("sluice_stream_queued_bytes", "Bytes that wait for slow readers", kGauge,
                       static_cast<double>(s.queued_bytes)));
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  const auto s = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return s(u.ru_utime) + s(u.ru_stime);
}

}  // namespace

Snapshot take_snapshot(sluice_engine* engine) {
  static const double start = static_cast<double>(time(nullptr));
  Snapshot out{};
  out.engine.size = sizeof out.engine;
  sluice_get_engine_stats(engine, &out.engine);
  for (unsigned i = 0; i < out.engine.shards; ++i) {
    sluice_shard_stats s{};
    s.size = sizeof s;
    if (sluice_get_shard_stats(engine, i, &s) == SLUICE_OK) out.shards.push_back(s);
  }
  out.relay.size = sizeof out.relay;
  sluice_get_relay_stats(engine, &out.relay);
  out.turn.size = sizeof out.turn;
  sluice_get_turn_stats(engine, &out.turn);
  out.streams.size = sizeof out.streams;
  sluice_get_stream_stats(engine, &out.streams);
  out.servers.resize(sluice_servers(engine, nullptr, 0));
  for (auto& s : out.servers) s.size = sizeof s;
  // Both calls are the control thread's, so nothing comes between them.
  sluice_servers(engine, out.servers.data(), out.servers.size());
  out.process_cpu_s = cpu_seconds();
  out.resident_bytes = resident_bytes();
  out.start_time_s = start;
  return out;
}

std::vector<MetricFamily> collect(const Snapshot& snapshot) {
  std::vector<MetricFamily> out;
  add_engine(snapshot.engine, out);
  add_shards(snapshot, out);
  add_relay(snapshot, out);
  add_direct(snapshot.relay, out);
  add_turn(snapshot.turn, out);
  add_streams(snapshot.streams, out);
  out.push_back(single("process_cpu_seconds_total", "CPU time of the process", MetricType::Counter,
                       snapshot.process_cpu_s));
  out.push_back(
      single("process_resident_memory_bytes", "Resident memory", MetricType::Gauge, snapshot.resident_bytes));
  out.push_back(single("process_start_time_seconds", "Start of the process since 1970", MetricType::Gauge,
                       snapshot.start_time_s));
  return out;
}

struct SetupTimes::Impl {
  static prometheus::Histogram::BucketBoundaries bounds() {
    return {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};
  }
  struct Phase {
    const char* name;
    int64_t (*took_us)(const sluice_session_stats&);  ///< negative: not reached
    prometheus::Histogram histogram{bounds()};
  };
  static int64_t between(int64_t from, int64_t to) { return from == 0 || to == 0 ? -1 : to - from; }
  static int64_t first(int64_t a, int64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

  // Histograms hold a mutex, so the phases are built in place and never move.
  Phase phases[4] = {
      {"ice", [](const sluice_session_stats& s) { return between(s.offered_us, s.first_check_us); }},
      {"dtls", [](const sluice_session_stats& s) { return between(s.dtls_start_us, s.dtls_done_us); }},
      {"connect", [](const sluice_session_stats& s) { return between(s.offered_us, s.dtls_done_us); }},
      {"media",
       [](const sluice_session_stats& s) {
         return between(s.offered_us, first(s.first_rtp_in_us, s.first_rtp_out_us));
       }},
  };
  std::unordered_map<sluice_session, uint8_t> done;  ///< one bit per phase that was counted
};

SetupTimes::SetupTimes() : impl_(std::make_unique<Impl>()) {}
SetupTimes::~SetupTimes() = default;

void SetupTimes::observe(const sluice_session_stats& stats) {
  uint8_t& done = impl_->done[stats.session];
  for (unsigned i = 0; i < std::size(impl_->phases); ++i) {
    auto& phase = impl_->phases[i];
    const int64_t us = phase.took_us(stats);
    if (us < 0 || (done & (1u << i)) != 0) continue;
    phase.histogram.Observe(static_cast<double>(us) / 1e6);
    done = static_cast<uint8_t>(done | (1u << i));
  }
}

void SetupTimes::forget(sluice_session session) { impl_->done.erase(session); }

std::vector<MetricFamily> SetupTimes::collect() const {
  MetricFamily f =
      family("sluice_setup_seconds",
             "How long setting up a session took: offer to first check (ice), the handshake (dtls), "
             "offer to keys (connect), offer to first RTP (media)",
             MetricType::Histogram);
  for (const auto& phase : impl_->phases) {
    ClientMetric m = phase.histogram.Collect();
    m.label.push_back({"phase", phase.name});
    f.metric.push_back(std::move(m));
  }
  return {std::move(f)};
}

std::string render(const Snapshot& snapshot, const SetupTimes& setup) {
  auto families = collect(snapshot);
  for (auto& f : setup.collect()) families.push_back(std::move(f));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace sluice::telemetry
