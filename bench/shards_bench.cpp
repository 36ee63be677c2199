// Whether a shard's packets cost the same when it has company: the CPU time of a forwarded voice packet on
// one shard and on two, at the same load in all. Both are stepped in turns by one thread, so that only what
// shards cost each other in memory and in rings is measured. Medians of rounds; exit 1 if a packet was lost.

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "bench/shard_rig.h"

namespace {

using namespace sluice;

constexpr size_t kPayload = 80;  // 20 ms of Opus at 32 kb/s
constexpr int kRounds = 600;

double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/// `rooms` publishers with `players` each. `shards`: 1 or 2; with `apart` a room's players are on the other
/// shard than its publisher.
class Variant {
 public:
  Variant(const char* name, uint32_t rooms, uint32_t players, uint32_t shards, bool apart)
      : name_(name),
        rooms_(rooms),
        players_(players),
        shards_(shards),
        rig_(rooms * (players + 1), rooms, srtp::Kind::automatic, shards) {
    for (uint32_t r = 0; r < rooms; ++r) {
      const uint32_t home = r % shards, away = apart ? (home + 1) % shards : home;
      publishers_[home].push_back(rig_.connect(engine::Role::publish, r, home));
      for (uint32_t p = 0; p < players; ++p) rig_.connect(engine::Role::play, r, away);
      rig_.publish(r, publishers_[home].back(), uint64_t{1} << away);
    }
    before_ = sent();
  }

  /// Two full bursts, on two shards one each, and what they cost until everything is sent.
  void round() {
    rig_.advance(micros(static_cast<int64_t>(20'000 * 2 * kRxBurst / rooms_)));
    double spent = 0;
    const uint64_t before = sent();
    for (uint32_t turn = 0; turn < 2; ++turn) {
      const uint32_t home = turn % shards_;
      std::vector<bench::Client>& here = publishers_[home];
      for (size_t i = 0; i < kRxBurst; ++i) in_ += rig_.say(here[next_[home]++ % here.size()], kPayload);
      const double start = cpu_ns();
      rig_.shard(home).run_once();
      if (shards_ > 1) rig_.shard(1 - home).run_once();  // what was lent to it
      spent += cpu_ns() - start;
    }
    samples_.push_back(spent / static_cast<double>(std::max<uint64_t>(sent() - before, 1)));
  }

  /// Nanoseconds per packet sent, of each round.
  const std::vector<double>& samples() const { return samples_; }
  bool complete() const { return sent() - before_ >= in_ * players_; }
  const char* name() const { return name_; }

 private:
  uint64_t sent() const {
    uint64_t n = 0;
    for (uint32_t s = 0; s < shards_; ++s) n += rig_.io(s).tx_packets;
    return n;
  }

  const char* name_;
  uint32_t rooms_, players_, shards_;
  bench::ShardRig rig_;
  std::array<std::vector<bench::Client>, 2> publishers_;  ///< by home
  std::vector<double> samples_;
  std::array<size_t, 2> next_{};
  uint64_t in_ = 0, before_ = 0;
};

double median(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

/// Round by round, since whatever else the machine does changes from one to the next.
double ratio(const Variant& v, const Variant& base) {
  std::vector<double> ratios;
  for (size_t i = 0; i < v.samples().size(); ++i) ratios.push_back(v.samples()[i] / base.samples()[i]);
  return median(ratios);
}

bool compare(uint32_t rooms, uint32_t players) {
  Variant one("one shard", rooms, players, 1, false);
  Variant two("two shards, rooms local", rooms, players, 2, false);
  Variant apart("two shards, players on the other", rooms, players, 2, true);
  for (int i = 0; i < kRounds; ++i)
    for (Variant* v : {&one, &two, &apart}) v->round();
  std::printf("%u rooms of %u players\n", rooms, players);
  bool complete = true;
  for (const Variant* v : {&one, &two, &apart}) {
    complete = complete && v->complete();
    std::printf("  %-34s %7.1f ns per packet out  %.2fx%s\n", v->name(), median(v->samples()), ratio(*v, one),
                v->complete() ? "" : "  PACKETS LOST");
  }
  return complete;
}

}  // namespace

int main() {
  const bool voice = compare(1000, 1);
  const bool crowd = compare(64, 20);
  return voice && crowd ? 0 : 1;
}
