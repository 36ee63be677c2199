// What a forwarded voice packet costs a shard: SRTP in, fan-out, SRTP out, network left out. Beside it, in
// the same run, the floor: unprotect and protect of the same packets with nothing in between.

#include <benchmark/benchmark.h>
#include <ctime>

#include "bench/shard_rig.h"

namespace {

using namespace sluice;

constexpr size_t kPayload = 80;  // 20 ms of Opus at 32 kb/s

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// `rooms` publishers with `players` each; every publisher says a packet each 20 ms, in batches of kRxBurst.
void forward(benchmark::State& state) {
  const auto rooms = static_cast<uint32_t>(state.range(0)), players = static_cast<uint32_t>(state.range(1));
  bench::ShardRig rig(rooms * (players + 1), rooms, srtp::Kind::automatic);
  std::vector<bench::Client> publishers;
  for (uint32_t r = 0; r < rooms; ++r) {
    publishers.push_back(rig.connect(engine::Role::publish, r));
    for (uint32_t p = 0; p < players; ++p) rig.connect(engine::Role::play, r);
    rig.publish(r, publishers.back());
  }
  size_t next = 0;
  const uint64_t before = rig.io().tx_packets;
  uint64_t in = 0;
  for (auto _ : state) {
    // Consent checks, if any are due, go before the batch.
    rig.advance(micros(static_cast<int64_t>(20'000 * kRxBurst / rooms)));
    for (size_t i = 0; i < kRxBurst; ++i) rig.say(publishers[next++ % rooms], kPayload);
    in += kRxBurst;
    const double start = cpu_seconds();
    rig.step();
    state.SetIterationTime(cpu_seconds() - start);
  }
  const auto out = static_cast<double>(rig.io().tx_packets - before);
  if (out < 0.95 * static_cast<double>(in) * players)
    state.SkipWithError("packets were lost: the figure means nothing");
  state.counters["ns_per_packet_out"] =
      benchmark::Counter(out * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["packets_out_per_s"] = benchmark::Counter(out, benchmark::Counter::kIsRate);
}
BENCHMARK(forward)
    ->UseManualTime()
    ->Args({1, 1})
    ->Args({1000, 1})
    ->Args({10000, 1})
    ->Args({64, 20})
    ->Args({10, 1000});

/// The floor of one hop at `sessions` cold sessions.
void srtp_hop(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  auto cipher = srtp::Cipher::make(srtp::Kind::automatic);
  const size_t bytes = (*cipher)->context_bytes(srtp::Profile::aead_aes_128_gcm);
  struct Memory {
    explicit Memory(size_t size) : p(static_cast<std::byte*>(::operator new(size, std::align_val_t{64}))) {}
    ~Memory() { ::operator delete(p, std::align_val_t{64}); }
    std::byte* p;
  } memory(3 * n * bytes);
  std::vector<srtp::Outbound> client(n), server(n);
  std::vector<srtp::Inbound> in(n);
  const srtp::MasterKey key;
  for (size_t i = 0; i < n; ++i) {
    client[i].open(**cipher, {memory.p + (3 * i) * bytes, bytes}, key);
    in[i].open(**cipher, {memory.p + (3 * i + 1) * bytes, bytes}, key);
    server[i].open(**cipher, {memory.p + (3 * i + 2) * bytes, bytes}, key);
  }
  std::vector<std::array<uint8_t, 256>> packet(kRxBurst);
  std::array<srtp::TxJob, kRxBurst> tx;
  std::array<srtp::RxJob, kRxBurst> rx;
  uint64_t k = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < kRxBurst; ++i, ++k) {
      const auto seq = static_cast<uint16_t>(k / n);
      packet[i] = {0x80, 111, static_cast<uint8_t>(seq >> 8), static_cast<uint8_t>(seq)};
      tx[i] = {.out = &client[k % n],
               .dst = packet[i].data(),
               .header_len = 12,
               .payload = packet[i].data() + 12,
               .payload_len = kPayload};
    }
    srtp::protect(**cipher, tx);
    for (size_t i = 0; i < kRxBurst; ++i)
      rx[i] = {.in = &in[(k - kRxBurst + i) % n], .data = packet[i].data(), .len = tx[i].out_len};
    const double start = cpu_seconds();
    srtp::unprotect(**cipher, rx);
    for (size_t i = 0; i < kRxBurst; ++i) tx[i].out = &server[(k - kRxBurst + i) % n];
    srtp::protect(**cipher, tx);
    state.SetIterationTime(cpu_seconds() - start);
  }
  const auto total = static_cast<double>(k);
  state.counters["ns_per_packet_out"] =
      benchmark::Counter(total * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(srtp_hop)->UseManualTime()->Arg(1)->Arg(1000)->Arg(10000);

}  // namespace

BENCHMARK_MAIN();
