// Nanoseconds per packet of each stage of the shard loop, network left out (bench/fanout_bench has that). The
// engine is the one that ships: the stages are told apart by when it calls its backend and its cipher, the
// two seams that it goes through once per batch. What a stage costs per packet received and what per copy is
// told apart by rooms of one player and of two. Medians over batches of 64. One JSON object per line.

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include <x86intrin.h>

#include "bench/cipher_wrap.h"
#include "bench/shard_rig.h"
#include "net/io/kernel.h"

namespace {

using namespace sluice;

constexpr size_t kPayload = 80;  // 20 ms of Opus at 32 kb/s
constexpr size_t kBatches = 12'000;

enum Stage : size_t { resolve, unprotect, forward, protect, whole_turn, kStages };

/// Cycles by stage, of the batch in hand.
class Clock {
 public:
  void start() {
    spent_ = {};
    mark_ = __rdtsc();
    keys_at_ = 0;
  }
  /// Keys are asked for: a stage of the cipher's begins.
  void keys() {
    if (keys_at_ == 0) keys_at_ = __rdtsc();
  }
  /// A stage of the cipher's has ended; what lay before it belongs to `before`.
  void cipher(Stage which, Stage before) {
    if (keys_at_ != 0) to(before, keys_at_);
    to(which, __rdtsc());
    keys_at_ = 0;
  }
  void end(Stage which) { to(which, __rdtsc()); }
  const std::array<uint64_t, kStages>& spent() const { return spent_; }

 private:
  void to(Stage s, uint64_t now) {
    spent_[s] += now - mark_;
    mark_ = now;
  }
  std::array<uint64_t, kStages> spent_{};
  uint64_t mark_ = 0, keys_at_ = 0;
};

class Watched final : public bench::CipherWrap {
 public:
  Watched(std::unique_ptr<srtp::Cipher> inner, Clock& clock) : CipherWrap(std::move(inner)), clock_(clock) {}
  void open(std::span<srtp::CipherOp> ops) override {
    inner().open(ops);
    clock_.cipher(unprotect, opened_ ? unprotect : resolve);
    opened_ = true;
  }
  void seal(std::span<srtp::CipherOp> ops) override {
    opened_ = false;
    inner().seal(ops);
    clock_.cipher(protect, forward);
  }
  void prefetch(const std::byte* context, srtp::Profile p) const override {
    clock_.keys();
    inner().prefetch(context, p);
  }

 private:
  Clock& clock_;
  bool opened_ = false;
};

double ns_per_cycle() {
  const Micros from = io::monotonic_now();
  const uint64_t cycles = __rdtsc();
  while (io::monotonic_now() - from < millis(50)) {
  }
  const Micros span = io::monotonic_now() - from;
  return static_cast<double>(span.us) * 1e3 / static_cast<double>(__rdtsc() - cycles);
}

/// Medians of nanoseconds per packet received.
std::array<double, kStages> measure(uint32_t rooms, uint32_t players) {
  Clock clock;
  const uint32_t sessions = rooms * (players + 1);
  bench::RigParts parts;
  parts.cipher = [&](auto inner) { return std::make_unique<Watched>(std::move(inner), clock); };
  bench::ShardRig rig(sessions, rooms, srtp::Kind::automatic, 1, std::move(parts));
  std::vector<bench::Client> publishers;
  for (uint32_t r = 0; r < rooms; ++r) {
    publishers.push_back(rig.connect(engine::Role::publish, r));
    for (uint32_t p = 0; p < players; ++p) rig.connect(engine::Role::play, r);
    rig.publish(r, publishers.back());
  }
  const double scale = ns_per_cycle() / kRxBurst;
  std::array<std::vector<double>, kStages> all;
  size_t next = 0;
  for (size_t i = 0; i < kBatches; ++i) {
    rig.advance(micros(static_cast<int64_t>(20'000 * kRxBurst / rooms)));
    for (size_t k = 0; k < kRxBurst; ++k) rig.say(publishers[next++ % rooms], kPayload);
    clock.start();
    rig.step();
    clock.end(whole_turn);
    if (i < kBatches / 10) continue;
    for (size_t s = 0; s < kStages; ++s) all[s].push_back(static_cast<double>(clock.spent()[s]) * scale);
  }
  std::array<double, kStages> out;
  for (size_t s = 0; s < kStages; ++s) {
    std::ranges::sort(all[s]);
    out[s] = all[s][all[s].size() / 2];
  }
  return out;
}

}  // namespace

int main() {
  for (const uint32_t rooms : {64u, 1'000u, 10'000u}) {
    const auto one = measure(rooms, 1), two = measure(rooms, 2);
    std::printf("{\"rooms\": %u, \"resolve\": %.1f, \"unprotect\": %.1f, \"bookkeeping\": %.1f, "
                "\"rewrite\": %.1f, \"protect\": %.1f, \"rest\": %.1f}\n",
                rooms, one[resolve], one[unprotect], one[forward] - (two[forward] - one[forward]),
                two[forward] - one[forward], one[protect], one[whole_turn]);
  }
}
