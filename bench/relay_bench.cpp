// What the relay costs without its system calls: first packets, valid and forged, and voice packets each way
// with few and with many flows. Time is that of a shard's whole turn, classification and look-up included,
// with a backend that does nothing.
#include <chrono>
#include <numeric>

#include <benchmark/benchmark.h>

#include "bench/relay_rig.h"

using namespace sluice;
using bench::RelayRig;

namespace {

constexpr size_t kBatch = RelayRig::kBatch;
constexpr size_t kVoice = 172;
constexpr uint32_t kFirstPackets = 1 << 15;

/// Runs the shard's turn and counts its time alone.
void timed_step(benchmark::State& state, RelayRig& rig) {
  const auto from = std::chrono::steady_clock::now();
  rig.step();
  state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
}

void finish(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
  // Google Benchmark prints an inverted rate in units of 1e-9.
  state.counters["ns_per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations() * static_cast<int64_t>(kBatch)) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void first_valid(benchmark::State& state) {
  // At most an eighth of the flows may wait for their server's answer.
  RelayRig rig({.flows = 8 * kFirstPackets});
  std::vector<std::vector<uint8_t>> checks;
  for (uint32_t i = 0; i < kFirstPackets; ++i) checks.push_back(rig.check(i));
  uint32_t at = 0;
  for (auto _ : state) {
    for (uint32_t k = 0; k < kBatch; ++k)
      rig.place(RelayRig::client(at + k), RelayRig::kPublic, checks[at + k]);
    const uint64_t before = rig.sent();
    timed_step(state, rig);
    if (rig.sent() - before != kBatch) return state.SkipWithError("not all were forwarded");
    if ((at += kBatch) < kFirstPackets) continue;
    rig.end_all();
    at = 0;
  }
  finish(state);
}

void first_forged(benchmark::State& state) {
  RelayRig rig({.flows = 1024, .routes = static_cast<uint32_t>(state.range(0))});
  std::vector<std::vector<uint8_t>> checks;
  for (uint32_t i = 0; i < kFirstPackets; ++i) checks.push_back(rig.check(i, true));
  uint32_t at = 0;
  for (auto _ : state) {
    for (uint32_t k = 0; k < kBatch; ++k)
      rig.place(RelayRig::client(at + k), RelayRig::kPublic, checks[at + k]);
    timed_step(state, rig);
    if ((at += kBatch) >= kFirstPackets) at = 0;
  }
  if (rig.sent() != 0) state.SkipWithError("a forged check was forwarded");
  finish(state);
}

/// Every flow once in an order that no cache foresees.
std::vector<uint32_t> shuffled(uint32_t n) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  uint64_t seed = 1;
  for (uint32_t i = n; i > 1; --i) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    std::swap(order[i - 1], order[(seed >> 33) % i]);
  }
  return order;
}

void voice(benchmark::State& state, bool up) {
  const auto n = static_cast<uint32_t>(state.range(0));
  RelayRig rig({.flows = n});
  std::vector<Endpoint> relay;
  for (uint32_t i = 0; i < n; ++i) relay.push_back(rig.connect(i));
  const auto order = shuffled(n);
  std::array<uint8_t, kVoice> packet{0x80, 111};
  size_t at = 0;
  for (auto _ : state) {
    if (at + kBatch > n) at = 0;
    for (size_t k = 0; k < kBatch; ++k) {
      const uint32_t i = order[at + k];
      if (up)
        rig.place(RelayRig::client(i), RelayRig::kPublic, packet);
      else
        rig.place(rig.server_of(i), relay[i], packet);
    }
    at += kBatch;
    const uint64_t before = rig.sent();
    timed_step(state, rig);
    if (rig.sent() - before != kBatch) return state.SkipWithError("not all were forwarded");
  }
  finish(state);
}
void voice_up(benchmark::State& state) { voice(state, true); }
void voice_down(benchmark::State& state) { voice(state, false); }

/// User memory of flows at the table's load factor, sockets and BPF maps apart.
void memory(benchmark::State& state) {
  constexpr uint32_t kEntries = 2'000'000;
  const auto each = static_cast<double>(engine::FlowTable::bytes_for(kEntries)) / kEntries;
  for (auto _ : state) benchmark::DoNotOptimize(each);
  state.counters["MB_per_million_two_legs"] = 2 * each;
  state.counters["MB_per_million_by_trunk"] = each;
}

BENCHMARK(first_valid)->UseManualTime();
BENCHMARK(first_forged)->Arg(0)->Arg(10'000)->UseManualTime();
BENCHMARK(voice_up)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->UseManualTime();
BENCHMARK(voice_down)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->UseManualTime();
BENCHMARK(memory)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
