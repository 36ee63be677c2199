// What the trunk costs: a batch of 64 packets of 172 bytes framed, copied and sealed for 1, 8 or 32 servers,
// and the datagrams opened and iterated on the other side. Nothing is sent.
#include <memory>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "tests/support/trunk_node.h"

namespace {

using namespace sluice;
using namespace sluice::trunk;
using namespace sluice::trunk::test;
using Kind = crypto::GmacKeys::Kind;

constexpr size_t kBatch = 64;
constexpr size_t kFlows = 1000;
constexpr size_t kVoice = 172;

constexpr uint32_t kServerId = 100;

/// A relay shard with n servers, and packets of many clients.
class Rig {
 public:
  Rig(size_t n, Kind kind)
      : relay(std::make_unique<Node>(Config{.id = 1}, address_of(1), 1, 64, 64, kind)),
        payloads_(kBatch * kMaxPayload),
        slots_(2 * kBatch, std::vector<uint8_t>(kDefaultMaxSingle)) {
    for (size_t i = 0; i < n; ++i) {
      const auto id = static_cast<uint32_t>(kServerId + i);
      servers.push_back(std::make_unique<Node>(Config{.id = id}, address_of(static_cast<uint8_t>(2 + i)),
                                               2 + i, 2, 2, kind));
      links.push_back(connect(*relay, *servers[i], id, seconds(1)));
      writers_.push_back(relay->trunk.writer(links[i].server));
    }
    std::mt19937 rng(1);
    for (size_t i = 0; i < kFlows; ++i) {
      clients_.push_back({Address::v4(static_cast<uint32_t>(rng())), static_cast<uint16_t>(rng())});
      to_.push_back(static_cast<uint32_t>(rng() % n));
    }
  }

  /// Frames and seals packets [0, kBatch) of the given sizes; returns the datagrams' lengths.
  void frame_batch(const std::vector<uint16_t>& sizes) {
    sent = 0;
    bytes = 0;
    Frame f{.local = {Address::v4(203, 0, 113, 1), 3478}};
    for (size_t i = 0; i < kBatch; ++i) {
      const size_t flow = next_++ % kFlows;
      f.client = clients_[flow];
      f.payload = Bytes(payloads_).subspan(i * kMaxPayload, sizes[next_ % sizes.size()]);
      add(to_[flow], f);
    }
    for (uint32_t s = 0; s < writers_.size(); ++s) {
      if (!writers_[s].empty()) seal(s, trunk::Writer::More::no);
      writers_[s].end_batch();
    }
  }

  std::unique_ptr<Node> relay;
  std::vector<std::unique_ptr<Node>> servers;
  std::vector<Link> links;
  size_t sent = 0, bytes = 0;
  std::vector<std::pair<uint32_t, Bytes>> datagrams = std::vector<std::pair<uint32_t, Bytes>>(2 * kBatch);

 private:
  static constexpr size_t kMaxPayload = 256;

  void add(uint32_t server, const Frame& f) {
    trunk::Writer& w = writers_[server];
    if (!w.open()) w.start(slots_[started_++ % slots_.size()]);
    if (w.add(f)) return;
    seal(server, trunk::Writer::More::yes);
    w.start(slots_[started_++ % slots_.size()]);
    if (!w.add(f)) std::abort();
  }
  void seal(uint32_t server, trunk::Writer::More more) {
    trunk::Writer& w = writers_[server];
    const uint8_t* const at = w.memory().data();
    const size_t n = relay->trunk.seal(links[server].server, w, more);
    datagrams[sent++] = {server, Bytes(at, n)};
    bytes += n;
  }

  std::vector<uint8_t> payloads_;
  std::vector<std::vector<uint8_t>> slots_;
  std::vector<trunk::Writer> writers_;
  std::vector<Endpoint> clients_;
  std::vector<uint32_t> to_;
  size_t next_ = 0, started_ = 0;
};

Kind kind_of(const benchmark::State& state) { return state.range(1) == 0 ? Kind::ipsec_mb : Kind::openssl; }

void report(benchmark::State& state, double datagrams, double bytes) {
  const auto packets = static_cast<double>(state.iterations()) * kBatch;
  state.counters["packet"] = benchmark::Counter(
      packets, benchmark::Counter::kIsRate | benchmark::Counter::kInvert, benchmark::Counter::OneK::kIs1000);
  state.counters["datagrams_per_batch"] = datagrams / static_cast<double>(state.iterations());
  state.counters["bytes_per_packet"] = bytes / packets;
}

void frame_and_seal(benchmark::State& state) {
  Rig rig(static_cast<size_t>(state.range(0)), kind_of(state));
  double datagrams = 0, bytes = 0;
  for (auto _ : state) {
    rig.frame_batch({kVoice});
    datagrams += static_cast<double>(rig.sent);
    bytes += static_cast<double>(rig.bytes);
  }
  report(state, datagrams, bytes);
}

/// Only the second half is measured: of a server's datagrams each can be opened once.
void open_and_iterate(benchmark::State& state) {
  Rig rig(static_cast<size_t>(state.range(0)), kind_of(state));
  double datagrams = 0, bytes = 0;
  size_t packets = 0;
  for (auto _ : state) {
    state.PauseTiming();
    rig.frame_batch({kVoice});
    state.ResumeTiming();
    Frame f;
    for (size_t i = 0; i < rig.sent; ++i) {
      const auto& [server, datagram] = rig.datagrams[i];
      Node& node = *rig.servers[server];
      const auto r = node.trunk.receive(datagram, rig.relay->address, node.address, seconds(2));
      if (!r) std::abort();
      for (trunk::Reader reader(r->body); reader.next(f); ++packets) benchmark::DoNotOptimize(f);
    }
    datagrams += static_cast<double>(rig.sent);
    bytes += static_cast<double>(rig.bytes);
  }
  if (packets != state.iterations() * kBatch) std::abort();
  report(state, datagrams, bytes);
}

/// Opus in DTX and out of it: what padding costs where sizes differ.
void padding_of_mixed_sizes(benchmark::State& state) {
  Rig rig(static_cast<size_t>(state.range(0)), kind_of(state));
  std::mt19937 rng(2);
  std::vector<uint16_t> sizes(997);
  for (auto& s : sizes) s = static_cast<uint16_t>(rng() % 4 == 0 ? 40 + rng() % 10 : 80 + rng() % 120);
  double datagrams = 0, bytes = 0;
  for (auto _ : state) {
    rig.frame_batch(sizes);
    datagrams += static_cast<double>(rig.sent);
    bytes += static_cast<double>(rig.bytes);
  }
  report(state, datagrams, bytes);
}

void gmac(benchmark::State& state) {
  auto keys = crypto::GmacKeys::make(kind_of(state), 1);
  const crypto::Gmac mac = keys->view();
  std::vector<uint8_t> message(static_cast<size_t>(state.range(0))), key(16), tag(16);
  std::array<uint8_t, 12> n{};
  mac.set_key(0, key.data());
  for (auto _ : state) {
    ++n[0];
    mac.tag(0, n.data(), message, tag.data());
    benchmark::DoNotOptimize(tag.data());
  }
}

void derive_a_key(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(derive(crypto::kPrimitives, test_key(1), Purpose::to_relay, Association{}));
}

BENCHMARK(frame_and_seal)->ArgNames({"servers", "openssl"})->ArgsProduct({{1, 8, 32}, {0, 1}});
BENCHMARK(open_and_iterate)->ArgNames({"servers", "openssl"})->ArgsProduct({{1, 8, 32}, {0, 1}});
BENCHMARK(padding_of_mixed_sizes)->ArgNames({"servers", "openssl"})->ArgsProduct({{1, 8}, {0}});
BENCHMARK(gmac)->ArgNames({"bytes", "openssl"})->ArgsProduct({{64, 220, 1400}, {0, 1}});
BENCHMARK(derive_a_key);

}  // namespace

BENCHMARK_MAIN();
