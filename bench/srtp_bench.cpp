// An SRTP hop: unprotect and protect again 160 bytes of payload, over so many sessions that no key is in a
// cache. Every backend and profile in one run, as a ratio of libsrtp.
#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include "net/srtp/srtp.h"

namespace {

using namespace sluice;
using namespace sluice::srtp;

constexpr size_t kPayload = 160;
constexpr size_t kHeader = 12;
constexpr size_t kBatch = 64;
constexpr size_t kSlot = 256;

struct alignas(kContextAlign) Slot {
  std::array<uint8_t, kSlot> bytes;
};

/// CPU time, since a slow batch outlives a time slice.
double thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

std::unique_ptr<Cipher> cipher_of(Kind kind) { return std::move(*Cipher::make(kind)); }

/// Directions of one kind for many sessions, their contexts side by side as in a slab.
template <class Way>
class Slab {
 public:
  Slab(Cipher& cipher, size_t n, Profile p) : cipher_(cipher), each_(cipher.context_bytes(p)) {
    constexpr size_t kHuge = size_t{2} << 20;
    const size_t bytes = (n * each_ + kHuge - 1) / kHuge * kHuge;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kHuge, bytes)));
    madvise(memory_.get(), bytes, MADV_HUGEPAGE);
    ways_.resize(n);
    const std::span<std::byte> all(memory_.get(), bytes);
    for (size_t i = 0; i < n; ++i) {
      MasterKey key;
      key.profile = p;
      store_be<uint64_t>(key.key.data(), i + 1);
      if (!ways_[i].open(cipher, all.subspan(i * each_, each_), key)) std::abort();
    }
  }
  ~Slab() {
    for (Way& w : ways_) w.close(cipher_);
  }
  Way& operator[](size_t i) { return ways_[i]; }

 private:
  Cipher& cipher_;
  size_t each_;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_{nullptr, &std::free};
  std::vector<Way> ways_;
};

/// n sessions of which each has one packet waiting, in an order that no prefetcher guesses.
class Load {
 public:
  Load(Kind kind, Profile p, size_t n)
      : cipher_(cipher_of(kind)),
        peer_(cipher_of(Kind::openssl)),
        in_(*cipher_, n, p),
        out_(*cipher_, n, p),
        peers_(*peer_, n, p),
        order_(n) {
    for (size_t i = 0; i < n; ++i) order_[i] = i;
    std::ranges::shuffle(order_, std::mt19937(1));
  }

  /// One packet of every session, in batches that arrive just before they are worked on. Appends nanoseconds
  /// per hop of each batch: the median of many is not moved by whoever else uses the machine.
  void round(uint16_t seq, std::vector<double>& ns) {
    for (size_t at = 0; at + kBatch <= order_.size(); at += kBatch) {
      arrive(at, seq);
      const double start = thread_ns();
      unprotect(*cipher_, rx_);
      protect(*cipher_, tx_);
      ns.push_back((thread_ns() - start) / kBatch);
      for (size_t i = 0; i < kBatch; ++i)
        if (rx_[i].result != Drop::none || tx_[i].result != Drop::none) std::abort();
    }
  }

 private:
  void arrive(size_t at, uint16_t seq) {
    for (size_t i = 0; i < kBatch; ++i) {
      const size_t session = order_[at + i];
      uint8_t* const data = packets_[i].bytes.data();
      std::fill_n(data, kHeader, uint8_t{0});
      data[0] = 0x80;
      store_be<uint16_t>(data + 2, seq);
      store_be<uint32_t>(data + 8, static_cast<uint32_t>(session));
      TxJob sent{.out = &peers_[session],
                 .dst = data,
                 .header_len = kHeader,
                 .payload = data + kHeader,
                 .payload_len = kPayload};
      protect(*peer_, {&sent, 1});
      rx_[i] = {.in = &in_[session], .data = data, .len = sent.out_len};
      sent.out = &out_[session];
      tx_[i] = sent;
    }
  }

  std::unique_ptr<Cipher> cipher_;
  std::unique_ptr<Cipher> peer_;
  Slab<Inbound> in_;
  Slab<Outbound> out_;
  Slab<Outbound> peers_;
  std::vector<size_t> order_;
  std::array<Slot, kBatch> packets_;
  std::array<RxJob, kBatch> rx_;
  std::array<TxJob, kBatch> tx_;
};

std::map<Profile, double>& libsrtp_ns() {
  static std::map<Profile, double> median;
  return median;
}

void hop(benchmark::State& state, Kind kind, Profile profile, size_t sessions) {
  Load load(kind, profile, sessions);
  uint16_t seq = 1;
  std::vector<double> ns;
  load.round(seq++, ns);
  ns.clear();
  for (auto _ : state) {
    const size_t before = ns.size();
    load.round(seq++, ns);
    double sum = 0;
    for (size_t i = before; i < ns.size(); ++i) sum += ns[i];
    state.SetIterationTime(sum * kBatch * 1e-9);
  }
  std::ranges::sort(ns);
  const double median = ns[ns.size() / 2];
  if (kind == Kind::libsrtp) libsrtp_ns()[profile] = median;
  state.counters["median_ns_per_hop"] = median;
  state.counters["p10_ns"] = ns[ns.size() / 10];
  state.counters["times_libsrtp"] = libsrtp_ns()[profile] / median;
}

void add(Kind kind, Profile p, size_t sessions) {
  const std::string title =
      "hop/" + std::string(name(kind)) + "/" + std::string(name(p)) + "/" + std::to_string(sessions);
  benchmark::RegisterBenchmark(title.c_str(), hop, kind, p, sessions)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(kind == Kind::libsrtp ? 2 : static_cast<int64_t>(400000 / sessions));
}

}  // namespace

int main(int argc, char** argv) {
  // libsrtp's contexts take 17 to 29 KiB each: fewer of them are as cold.
  for (const Profile p : kProfiles) add(Kind::libsrtp, p, 1000);
  for (const Kind kind : {Kind::openssl, Kind::ipsec_mb})
    for (const Profile p : kProfiles)
      for (const size_t sessions : {kBatch, size_t{20000}}) add(kind, p, sessions);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
