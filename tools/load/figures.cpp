#include "tools/load/figures.h"

#include <fmt/format.h>

namespace sluice::load {
namespace {

constexpr double kSaturated = 0.97;     ///< busy share of a thread
constexpr double kTolerated = 0.000'1;  ///< share of packets that our own side may lose: a tenth of the bar
constexpr double kLagPercentile = 99;

}  // namespace

void WayFigures::merge(const WayFigures& o) {
  sent += o.sent;
  sent_bytes += o.sent_bytes;
  expected += o.expected;
  delivered += o.delivered;
  duplicates += o.duplicates;
  reordered += o.reordered;
  stale += o.stale;
  latency.merge(o.latency);
}

void Second::merge(const Second& o) {
  sent += o.sent;
  expected += o.expected;
  delivered += o.delivered;
  ready += o.ready;
  setups += o.setups;
  latency.merge(o.latency);
}

void SetupFigures::merge(const SetupFigures& o) {
  begun += o.begun;
  ready += o.ready;
  failed += o.failed;
  retransmissions += o.retransmissions;
  latency.merge(o.latency);
  first_packet.merge(o.first_packet);
  first = std::min(first, o.first);
  last = std::max(last, o.last);
  for (const auto& [why, n] : o.failures) failures[why] += n;
}

double SetupFigures::per_second() const {
  return last > first ? static_cast<double>(ready) * 1e9 / static_cast<double>(last - first) : 0;
}

void Figures::merge(const Figures& o) {
  up.merge(o.up);
  down.merge(o.down);
  lag.merge(o.lag);
  strays += o.strays;
  elapsed = std::max(elapsed, o.elapsed);
  idle += o.idle;
  cpu += o.cpu;
  wire.tx_packets += o.wire.tx_packets;
  wire.rx_packets += o.wire.rx_packets;
  wire.tx_refused += o.wire.tx_refused;
  wire.rx_dropped += o.wire.rx_dropped;
}

double Figures::loss() const {
  const uint64_t all = expected();
  return all == 0 ? 0 : static_cast<double>(up.lost() + down.lost()) / static_cast<double>(all);
}

std::vector<std::string> generator_limits(const Figures& f, const Limits& limits) {
  std::vector<std::string> out;
  const double lag_ms = static_cast<double>(f.lag.percentile(kLagPercentile)) / 1e6;
  if (lag_ms > limits.max_lag_ms)
    out.push_back(
        fmt::format("1 % of the packets left more than {:.1f} ms after their time (--max-lag {:.1f})", lag_ms,
                    limits.max_lag_ms));
  if (f.elapsed > 0) {
    const double all = static_cast<double>(f.elapsed) * limits.threads;
    const double busy = 1 - static_cast<double>(f.idle) / all;
    if (busy > kSaturated) out.push_back(fmt::format("its cores were {:.0f} % busy", busy * 100));
  }
  const double allowed = kTolerated * static_cast<double>(f.sent());
  if (static_cast<double>(f.wire.rx_dropped) > allowed)
    out.push_back(fmt::format("{} packets overran its own receive buffer", f.wire.rx_dropped));
  if (static_cast<double>(f.wire.tx_refused) > allowed)
    out.push_back(fmt::format("the kernel refused to send {} packets", f.wire.tx_refused));
  return out;
}

}  // namespace sluice::load
