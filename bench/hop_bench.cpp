// The SRTP hop (unprotect, rewrite, protect) beside the bare cipher: the same calls of the cipher on the same
// bytes with the same keys, as cold, and nothing else. Rounds over all sessions in turns, in an order that no
// prefetcher guesses; medians over batches, of wall time, so that whoever else uses the machine does not
// count. One JSON object per line.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <vector>

#include <sys/mman.h>

#include "bench/cipher_wrap.h"
#include "net/base/prefetch.h"
#include "net/rtp/header.h"
#include "net/rtp/splice.h"
#include "net/srtp/srtp.h"

namespace {

using namespace sluice;
using srtp::CipherOp;

constexpr size_t kBatch = 64, kPayload = 80;  // 20 ms of Opus at 32 kb/s
constexpr uint8_t kLevelId = 1, kMidId = 4;
constexpr auto kProfile = srtp::Profile::aead_aes_128_gcm;

double now_ns() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double median(std::vector<double> v) {
  std::ranges::nth_element(v, v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2));
  return v[v.size() / 2];
}

/// Keeps what the cipher would have been asked, and touches no key.
class Recorder final : public bench::CipherWrap {
 public:
  using CipherWrap::CipherWrap;
  std::vector<CipherOp> opened, sealed;

  void open(std::span<CipherOp> ops) override { keep(ops, opened); }
  void seal(std::span<CipherOp> ops) override { keep(ops, sealed); }
  void prefetch(const std::byte*, srtp::Profile) const override {}

 private:
  static void keep(std::span<CipherOp> ops, std::vector<CipherOp>& into) {
    for (CipherOp& op : ops) {
      op.ok = true;
      into.push_back(op);
    }
  }
};

/// In large pages, as the engine's are (engine/shard/arena.h).
template <class T>
class Array {
 public:
  explicit Array(size_t n) : n_(n), bytes_((n * sizeof(T) + kPage - 1) / kPage * kPage) {
    void* p = ::mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base_ = p;
    void* at = p;
    size_t room = bytes_ + kPage;
    if (std::align(kPage, bytes_, at, room) == nullptr) std::abort();
    ::madvise(at, bytes_, MADV_HUGEPAGE);
    at_ = static_cast<T*>(at);
    for (size_t i = 0; i < n; ++i) new (at_ + i) T;
  }
  ~Array() { ::munmap(base_, bytes_ + kPage); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  T& operator[](size_t i) { return at_[i]; }

 private:
  static constexpr size_t kPage = size_t{2} << 20;
  size_t n_, bytes_;
  void* base_;
  T* at_;
};

struct alignas(64) Context {
  std::array<std::byte, srtp::kMaxContextBytes> b;
};

/// One leg in, one leg out.
struct alignas(64) Rewrite {
  rtp::Splice splice{48'000, 960, SeqNo{7}, RtpTime{9}};
  rtp::Source source;
  Ssrc out;
};

class Hop {
 public:
  explicit Hop(size_t sessions)
      : n_(sessions),
        in_(n_),
        out_(n_),
        talkers_(n_),
        keys_in_(n_),
        keys_out_(n_),
        talkers_keys_(n_),
        rewrite_(n_) {
    for (size_t i = 0; i < n_; ++i) {
      srtp::MasterKey key;
      key.key[0] = static_cast<uint8_t>(i), key.key[1] = static_cast<uint8_t>(i >> 8);
      const size_t bytes = cipher_->context_bytes(kProfile);
      in_[i].open(*cipher_, std::span(keys_in_[i].b).first(bytes), key);
      out_[i].open(*cipher_, std::span(keys_out_[i].b).first(bytes), key);
      talkers_[i].open(*cipher_, std::span(talkers_keys_[i].b).first(bytes), key);
      rewrite_[i].source = {i + 1, Ssrc{static_cast<uint32_t>(i + 1)}};
      rewrite_[i].out = Ssrc{static_cast<uint32_t>(~i)};
      rewrite_[i].splice.switch_to(rewrite_[i].source);
      order_.push_back(i);
    }
    std::ranges::shuffle(order_, std::mt19937(1));
  }

  void run(size_t rounds) {
    for (size_t r = 0; r < rounds; ++r) {
      const bool bare = r % 2 == 1;
      for (size_t at = 0; at < std::max(n_, kBatch); at += kBatch) {
        arrive(at);
        const double ns = bare ? bare_batch() : whole_batch();
        if (r > 1) (bare ? bare_ns : hop_ns).push_back(ns / kBatch);
      }
      if (bare && r > 1) ratios.push_back(take_median(hop_ns, hop_from_) / take_median(bare_ns, bare_from_));
    }
  }

  std::vector<double> hop_ns, bare_ns, ratios;

 private:
  double take_median(const std::vector<double>& v, size_t& from) {
    std::vector<double> part(v.begin() + static_cast<std::ptrdiff_t>(from), v.end());
    from = v.size();
    return median(std::move(part));
  }

  /// Packets of the next sessions, as their clients send them.
  void arrive(size_t at) {
    for (size_t i = 0; i < kBatch; ++i) {
      const size_t s = who_[i] = order_[(at + i) % n_];
      rtp::ElementList elements;
      elements.add_audio_level(kLevelId, {true, 30});
      const uint32_t k = ++packets_[s];
      const rtp::Fields fields{.payload_type = 111,
                               .seq = SeqNo{static_cast<uint16_t>(k)},
                               .timestamp = RtpTime{960 * k},
                               .ssrc = rewrite_[s].source.ssrc};
      uint8_t* const data = received_[i].data();
      const size_t header = rtp::write_header(received_[i], fields, elements);
      srtp::TxJob job{.out = &talkers_[s],
                      .dst = data,
                      .header_len = static_cast<uint16_t>(header),
                      .payload = data + header,
                      .payload_len = kPayload};
      srtp::protect(*cipher_, {&job, 1});
      rx_[i] = {.in = &in_[s], .data = data, .len = job.out_len};
    }
  }

  void rewrite() {
    for (size_t i = 0; i < kBatch; ++i) {
      const Bytes packet(rx_[i].data, rx_[i].out_len);
      const auto header = rtp::parse_header(packet);
      if (!header) std::abort();
      const auto payload = rtp::payload(*header, packet);
      Rewrite& w = rewrite_[who_[i]];
      const auto out = w.splice.map(w.source, rx_[i].index, header->timestamp, micros(0));
      if (!payload || !out) std::abort();
      rtp::ElementList elements;
      elements.add_mid(kMidId, "0");
      if (const auto level = header->find(kLevelId)) elements.add(kLevelId, *level);
      const rtp::Fields fields{.marker = header->marker,
                               .payload_type = 96,
                               .seq = out->seq,
                               .timestamp = out->timestamp,
                               .ssrc = w.out};
      tx_[i] = {.out = &out_[who_[i]],
                .dst = sent_to_[i].data(),
                .header_len = static_cast<uint16_t>(rtp::write_header(sent_to_[i], fields, elements)),
                .payload = payload->data(),
                .payload_len = static_cast<uint16_t>(payload->size())};
    }
  }

  void pass(srtp::Cipher& cipher) {
    for (size_t i = 0; i < kBatch; ++i) {
      const auto* line = reinterpret_cast<const std::byte*>(&rewrite_[who_[i]]);
      prefetch(line), prefetch(line + 64);
      prefetch(&out_[who_[i]]);
    }
    srtp::unprotect(cipher, rx_);
    rewrite();
    srtp::protect(cipher, tx_);
  }

  double whole_batch() {
    const double start = now_ns();
    pass(*cipher_);
    const double ns = now_ns() - start;
    for (size_t i = 0; i < kBatch; ++i)
      if (rx_[i].result != Drop::none || tx_[i].result != Drop::none) std::abort();
    return ns;
  }

  double bare_batch() {
    recorder_.opened.clear(), recorder_.sealed.clear();
    pass(recorder_);
    const double start = now_ns();
    each_burst(recorder_.opened, [&](std::span<CipherOp> ops) { cipher_->open(ops); });
    each_burst(recorder_.sealed, [&](std::span<CipherOp> ops) { cipher_->seal(ops); });
    const double ns = now_ns() - start;
    for (const CipherOp& op : recorder_.opened)
      if (!op.ok) std::abort();
    return ns;
  }

  template <class F>
  void each_burst(std::vector<CipherOp>& ops, F&& f) {
    for (size_t i = 0; i < srtp::kAhead; ++i) cipher_->prefetch(ops[i].context, kProfile);
    for (size_t at = 0; at < kBatch; at += srtp::kBurst) {
      for (size_t i = at + srtp::kAhead; i < std::min(at + srtp::kAhead + srtp::kBurst, kBatch); ++i)
        cipher_->prefetch(ops[i].context, kProfile);
      f(std::span(ops).subspan(at, srtp::kBurst));
    }
  }

  size_t n_;
  std::unique_ptr<srtp::Cipher> cipher_ = std::move(srtp::Cipher::make(srtp::Kind::automatic).value());
  Recorder recorder_{std::move(srtp::Cipher::make(srtp::Kind::automatic).value())};
  Array<srtp::Inbound> in_;
  Array<srtp::Outbound> out_, talkers_;
  Array<Context> keys_in_, keys_out_, talkers_keys_;
  Array<Rewrite> rewrite_;
  std::vector<size_t> order_;
  std::vector<uint32_t> packets_ = std::vector<uint32_t>(n_);  ///< of each session
  std::array<size_t, kBatch> who_{};
  std::array<std::array<uint8_t, 320>, kBatch> received_, sent_to_;
  std::array<srtp::RxJob, kBatch> rx_;
  std::array<srtp::TxJob, kBatch> tx_;
  size_t hop_from_ = 0, bare_from_ = 0;
};

}  // namespace

int main() {
  for (const size_t sessions : {size_t{1}, size_t{1'000}, size_t{20'000}}) {
    Hop hop(sessions);
    hop.run(sessions == 1 ? 6000 : sessions == 1'000 ? 400 : 42);
    std::printf("{\"sessions\": %zu, \"hop_ns\": %.1f, \"bare_ns\": %.1f, \"ratio\": %.3f}\n", sessions,
                median(hop.hop_ns), median(hop.bare_ns), median(hop.ratios));
  }
}
