// What a forwarded packet costs besides SRTP: parse, count, splice, write the subscriber's header; and the
// reports.
#include <array>
#include <cstring>

#include <benchmark/benchmark.h>

#include "net/rtcp/builder.h"
#include "net/rtp/header.h"
#include "net/rtp/nack_tracker.h"
#include "net/rtp/receive_stats.h"
#include "net/rtp/splice.h"

namespace {

using namespace sluice;
using namespace sluice::rtp;

struct OpusPacket {
  std::array<uint8_t, 172> bytes{};
  ExtMap map;
  OpusPacket() {
    map.set(ExtKind::mid, 4), map.set(ExtKind::audio_level, 1), map.set(ExtKind::transport_cc, 3);
    ElementList list;
    list.add_audio_level(1, {true, 30});
    list.add_transport_seq(3, 7);
    list.add_mid(4, "0");
    write_header(bytes, {false, 111, SeqNo{1}, RtpTime{960}, Ssrc{5}}, list);
  }
};

void parse_and_read_extensions(benchmark::State& state) {
  OpusPacket p;
  for (auto _ : state) {
    const auto h = parse_header(p.bytes);
    benchmark::DoNotOptimize(read_extensions(*h, p.map));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(parse_and_read_extensions);

void write_subscriber_header(benchmark::State& state) {
  std::array<uint8_t, 64> out;
  Fields f{false, 111, SeqNo{1}, RtpTime{960}, Ssrc{5}};
  for (auto _ : state) {
    ElementList list;
    list.add_mid(4, "0");
    list.add_audio_level(1, {true, 30});
    f.seq = f.seq + 1;
    benchmark::DoNotOptimize(write_header(out, f, list));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(write_subscriber_header);

void receive_statistics(benchmark::State& state) {
  ReceiveStats stats(Ssrc{1}, 48'000);
  uint32_t n = 0;
  for (auto _ : state) {
    ++n;
    benchmark::DoNotOptimize(
        stats.on_packet(SeqNo{static_cast<uint16_t>(n)}, RtpTime{n * 960}, seconds(1) + millis(20) * n, 160));
  }
}
BENCHMARK(receive_statistics);

void splice_map(benchmark::State& state) {
  Splice splice(48'000, 960, SeqNo{1}, RtpTime{1});
  const Source source{1, Ssrc{1}};
  splice.switch_to(source);
  uint32_t n = 0;
  for (auto _ : state) {
    ++n;
    benchmark::DoNotOptimize(splice.map(source, n, RtpTime{n * 960}, seconds(1) + millis(20) * n));
  }
}
BENCHMARK(splice_map);

void nack_tracking(benchmark::State& state) {
  NackTracker<> nack;
  std::array<SeqNo, 16> due;
  uint32_t n = 0;
  for (auto _ : state) {
    ++n;
    const Micros now = seconds(1) + millis(20) * n;
    if (n % 100 != 0) nack.on_packet(SeqNo{static_cast<uint16_t>(n)}, now);
    benchmark::DoNotOptimize(nack.take_due(now, millis(50), due));
  }
}
BENCHMARK(nack_tracking);

void transport_feedback_of_100_packets(benchmark::State& state) {
  rtcp::TwccRecorder recorder;
  std::array<uint8_t, 1'200> out;
  Micros now = seconds(1);
  uint32_t n = 0;
  for (auto _ : state) {
    for (int i = 0; i < 101; ++i, ++n, now += millis(1))
      if (n % 50 != 0) recorder.on_packet(static_cast<uint16_t>(n), Ssrc{1}, now);
    benchmark::DoNotOptimize(recorder.take_feedback(out, Ssrc{2}, now));
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(transport_feedback_of_100_packets);

void receiver_report(benchmark::State& state) {
  ReceiveStats stats(Ssrc{1}, 48'000);
  stats.on_packet(SeqNo{1}, RtpTime{1}, seconds(1), 160);
  std::array<uint8_t, 128> out;
  for (auto _ : state) {
    rtcp::Builder b(out);
    const std::array blocks{stats.report(seconds(2))};
    b.receiver_report(Ssrc{2}, blocks);
    b.sdes_cname(Ssrc{2}, "0123456789abcdef");
    benchmark::DoNotOptimize(b.written().data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(receiver_report);

}  // namespace

BENCHMARK_MAIN();
