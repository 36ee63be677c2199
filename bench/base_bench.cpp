// What a shard's own data structures cost: flow look-ups cold and prefetched, the hash, rings, timers.
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "net/base/flat_table.h"
#include "net/base/ring.h"
#include "net/base/timer_wheel.h"

namespace {

using namespace sluice;

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Free>;
Memory aligned(size_t bytes) {
  return Memory(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
}

FlowKey key(uint32_t n) {
  return {{Address::v4(0x0a000000 + (n >> 10)), static_cast<uint16_t>(1024 + n % 1024)},
          {Address::v4(192, 0, 2, 1), 3478}};
}

void hash_of_a_flow(benchmark::State& state) {
  FlowKey k = key(1);
  for (auto _ : state) {
    k.remote.port =
        static_cast<uint16_t>(siphash(HashSeed{1, 2}, {reinterpret_cast<const uint8_t*>(&k), sizeof k}));
    benchmark::DoNotOptimize(k);
  }
}
BENCHMARK(hash_of_a_flow);

/// Bursts of 64 random flows; range: flows, whether to prefetch.
void find_flows(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  const bool prefetch = state.range(1) != 0;
  const size_t bytes = FlatTable<>::bytes_for(flows);
  const Memory memory = aligned(bytes);
  FlatTable<> table({memory.get(), bytes}, flows, {1, 2});
  for (uint32_t i = 0; i < flows; ++i) table.insert(key(i), i);
  constexpr size_t kBurst = 64;
  std::vector<FlowKey> wanted(kBurst * 1024);
  std::minstd_rand random(1);
  for (FlowKey& k : wanted) k = key(static_cast<uint32_t>(random() % flows));
  size_t at = 0;
  uint64_t sum = 0;
  std::array<uint64_t, kBurst> hash;
  for (auto _ : state) {
    const FlowKey* burst = wanted.data() + at;
    at = (at + kBurst) % wanted.size();
    for (size_t i = 0; i < kBurst; ++i) {
      hash[i] = table.hash(burst[i]);
      if (prefetch) table.prefetch(hash[i]);
    }
    if (prefetch)
      for (size_t i = 0; i < kBurst; ++i) table.prefetch_entry(hash[i]);
    for (size_t i = 0; i < kBurst; ++i) sum += *table.find(burst[i], hash[i]);
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBurst));
}
BENCHMARK(find_flows)->ArgsProduct({{1'000, 20'000, 1'000'000}, {0, 1}});

/// One side after the other on one thread: the instructions of a batch, without the transfer between cores.
void ring_batch_of_32(benchmark::State& state) {
  using Ring = SpscRing<std::array<uint64_t, 8>>;
  const Memory memory = aligned(Ring::size_for(1024));
  Ring ring({memory.get(), Ring::size_for(1024)}, 1024);
  std::array<std::array<uint64_t, 8>, 32> batch{};
  for (auto _ : state) {
    ring.push_many(batch);
    benchmark::DoNotOptimize(ring.pop_many(batch));
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(ring_batch_of_32);

/// Between two threads, in batches of 32.
void ring_between_threads(benchmark::State& state) {
  using Ring = SpscRing<std::array<uint64_t, 8>>;
  const Memory memory = aligned(Ring::size_for(1024));
  Ring ring({memory.get(), Ring::size_for(1024)}, 1024);
  std::atomic<bool> stop{false};
  std::thread producer([&] {
    std::array<std::array<uint64_t, 8>, 32> batch{};
    while (!stop.load(std::memory_order_relaxed))
      if (ring.push_many(batch) == 0) std::this_thread::yield();
  });
  int64_t got = 0;
  std::array<std::array<uint64_t, 8>, 32> out;
  for (auto _ : state) {
    size_t n = 0;
    while ((n = ring.pop_many(out)) == 0) std::this_thread::yield();
    got += static_cast<int64_t>(n);
  }
  stop = true;
  producer.join();
  state.SetItemsProcessed(got);
}
BENCHMARK(ring_between_threads)->UseRealTime();

/// Every session has a timer that is moved on by 20 ms as it comes due.
void timers_of_20_ms(benchmark::State& state) {
  std::vector<TimerWheel::Node> nodes(static_cast<size_t>(state.range(0)));
  TimerWheel wheel(nodes, seconds(1));
  for (uint32_t i = 0; i < nodes.size(); ++i)
    wheel.schedule(i, seconds(1) + micros(i * 20'000 / nodes.size()));
  Micros now = seconds(1);
  std::array<uint32_t, 256> due;
  int64_t fired = 0;
  for (auto _ : state) {
    now += millis(1);
    for (size_t n; (n = wheel.advance(now, due)) != 0;) {
      for (size_t i = 0; i < n; ++i) wheel.schedule(due[i], now + millis(20));
      fired += static_cast<int64_t>(n);
    }
  }
  state.SetItemsProcessed(fired);
}
BENCHMARK(timers_of_20_ms)->Arg(1'000)->Arg(20'000);

}  // namespace

BENCHMARK_MAIN();
