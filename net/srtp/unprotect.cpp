#include <cassert>

#include "net/base/bytes.h"
#include "net/base/prefetch.h"
#include "net/srtp/packet_iv.h"
#include "net/srtp/srtp.h"

namespace sluice::srtp {
namespace {

constexpr uint32_t kEncryptedBit = 0x80000000;
constexpr size_t kRtpFixedHeader = 12;
constexpr size_t kRtcpClearHeader = 8;

/// RFC 3550 §5.1, §5.3.1: fixed header, CSRCs, extension. 0 if `len` bytes do not hold it.
size_t rtp_header_len(const uint8_t* p, size_t len) {
  if (len < kRtpFixedHeader || p[0] >> 6 != 2) return 0;
  size_t n = kRtpFixedHeader + 4 * size_t{p[0] & 0x0fu};
  if ((p[0] & 0x10) != 0) {
    if (len < n + 4) return 0;
    n += 4 + 4 * size_t{load_be<uint16_t>(p + n + 2)};
  }
  return n <= len ? n : 0;
}

Drop refusal(Freshness f) {
  switch (f) {
    case Freshness::fresh:
      return Drop::none;
    case Freshness::seen:
      return Drop::srtp_replay;
    case Freshness::too_old:
      return Drop::srtp_old;
  }
  return Drop::srtp_old;
}

}  // namespace

/// Plans packets against the committed state of their streams, deciphers a burst at once, then commits in
/// order. Invariant: no two packets of one Inbound are in the burst if committing the first could change how
/// the second is read, so that a batch gives what single calls would.
class Receiver {
 public:
  explicit Receiver(Cipher& cipher) : cipher_(cipher) {}

  void take(RxJob& job) {
    Plan plan = read(job);
    if (conflicts(job, plan)) {
      flush();
      plan = read(job);
    }
    job.result = plan.refused;
    job.index = plan.index;
    job.out_len = 0;
    if (plan.refused != Drop::none) return;
    prepare(job, plan, ops_[n_]);
    planned_[n_++] = {&job, plan};
    if (!plan.settled) ++unsettled_;
    if (n_ == kBurst) flush();
  }

  void flush() {
    if (n_ == 0) return;
    cipher_.open({ops_.data(), n_});
    for (size_t i = 0; i < n_; ++i) commit(planned_[i], ops_[i]);
    n_ = unsettled_ = 0;
  }

  static void prefetch_state(const RxJob& job) {
    const auto* const line = reinterpret_cast<const std::byte*>(job.in);
    sluice::prefetch(line);
    if (job.rtcp) sluice::prefetch(line + 384), sluice::prefetch(line + 448);
  }
  void prefetch_keys(const RxJob& job) const {
    if (job.in->is_open()) cipher_.prefetch(job.in->a_.context, job.in->profile());
  }

 private:
  struct Plan {
    Drop refused = Drop::none;
    bool settled = true;  ///< no other settled packet of the burst can change how it is read: its stream
                          ///< exists and its index is fresh and within 2^14 of the newest
    uint16_t header_len = 0;
    uint32_t ssrc = 0;
    uint32_t word = 0;
    uint64_t index = 0;
  };
  struct Planned {
    RxJob* job;
    Plan plan;
  };

  /// `n` if there is none.
  template <class Stream>
  static size_t find(const std::array<Stream, kMaxStreams>& streams, size_t n, uint32_t ssrc) {
    size_t i = 0;
    while (i < n && streams[i].ssrc != ssrc) ++i;
    return i;
  }

  /// The streams of one protocol, as commit_to() wants them.
  struct RtpStreams {
    std::array<RxStream, kMaxStreams>& stream;
    std::array<ReplayArchive, kMaxStreams>& old;
    Freshness check(size_t i, uint64_t index) const { return stream[i].window.check(index, old[i]); }
    void mark(size_t i, uint64_t index) const { stream[i].window.mark(index, old[i]); }
  };
  struct ControlStreams {
    std::array<RxControlStream, kMaxStreams>& stream;
    Freshness check(size_t i, uint64_t index) const { return stream[i].check(index); }
    void mark(size_t i, uint64_t index) const { stream[i].mark(index); }
  };

  static Plan read(RxJob& job) {
    assert(job.in != nullptr);
    if (!job.in->is_open()) return {.refused = Drop::srtp_no_keys};
    return job.rtcp ? read_rtcp(job) : read_rtp(job);
  }

  static Plan read_rtp(RxJob& job) {
    Inbound& in = *job.in;
    const size_t header = rtp_header_len(job.data, job.len);
    if (header == 0 || header + tag_bytes(in.profile()) > job.len) return {.refused = Drop::rtp_malformed};
    Plan plan{.header_len = static_cast<uint16_t>(header), .ssrc = load_be<uint32_t>(job.data + 8)};
    const auto seq = load_be<uint16_t>(job.data + 2);
    const size_t at = find(in.rtp_, in.a_.n_rtp, plan.ssrc);
    if (at == in.a_.n_rtp) {
      if (in.a_.n_rtp == kMaxStreams) plan.refused = Drop::srtp_too_many_streams;
      plan.settled = false;
      plan.index = seq;  // RFC 3711 §3.3.1: ROC starts at zero
      return plan;
    }
    const ReplayWindow& window = in.rtp_[at].window;
    const int64_t nearest = nearest_index(window.newest, seq);
    if (nearest >= static_cast<int64_t>(kIndexEnd)) {
      plan.refused = Drop::srtp_key_exhausted;
      return plan;
    }
    // Before the first index there is nothing, so what looks older can only be far ahead.
    plan.index = nearest < 0 ? seq : static_cast<uint64_t>(nearest);
    plan.word = static_cast<uint32_t>(plan.index >> 16);
    const auto distance = static_cast<int64_t>(plan.index - window.newest);
    plan.refused = refusal(window.check(plan.index, in.rtp_old_[at]));
    plan.settled = plan.refused == Drop::none && distance > -(1 << 14) && distance < (1 << 14);
    return plan;
  }

  static Plan read_rtcp(RxJob& job) {
    Inbound& in = *job.in;
    const Profile p = in.profile();
    if (job.len < kRtcpClearHeader + overhead_bytes(p, true) || job.data[0] >> 6 != 2)
      return {.refused = Drop::rtcp_malformed};
    // RFC 3711 §3.4: word before tag; RFC 7714 §9.1: word last.
    const size_t word_at = job.len - kSrtcpWordBytes - (is_aead(p) ? 0 : tag_bytes(p));
    Plan plan{.header_len = kRtcpClearHeader,
              .ssrc = load_be<uint32_t>(job.data + 4),
              .word = load_be<uint32_t>(job.data + word_at)};
    plan.index = plan.word & ~kEncryptedBit;
    const size_t at = find(in.rtcp_, in.n_rtcp_, plan.ssrc);
    if (at == in.n_rtcp_) {
      if (in.n_rtcp_ == kMaxStreams) plan.refused = Drop::srtp_too_many_streams;
      plan.settled = false;
      return plan;
    }
    plan.refused = refusal(in.rtcp_[at].check(plan.index));
    plan.settled = plan.refused == Drop::none;
    return plan;
  }

  bool conflicts(const RxJob& job, const Plan& plan) const {
    if (plan.settled && unsettled_ == 0) return false;
    for (size_t i = 0; i < n_; ++i)
      if (planned_[i].job->in == job.in && !(plan.settled && planned_[i].plan.settled)) return true;
    return false;
  }

  static void prepare(const RxJob& job, const Plan& plan, CipherOp& op) {
    const Inbound& in = *job.in;
    const Profile p = in.profile();
    op.context = in.a_.context;
    op.packet = job.data;
    op.payload = nullptr;
    op.header_len = plan.header_len;
    op.payload_len = static_cast<uint16_t>(job.len - plan.header_len - overhead_bytes(p, job.rtcp));
    op.profile = p;
    op.rtcp = job.rtcp;
    op.encrypted = !job.rtcp || (plan.word & kEncryptedBit) != 0;
    op.ok = false;
    op.word = plan.word;
    op.ssrc = plan.ssrc;
    op.iv = packet_iv(p, job.rtcp ? in.rtcp_salt_ : in.a_.rtp_salt, plan.ssrc, plan.index);
  }

  // Freshness comes before authenticity, as it does for a packet alone: two copies may have met in one burst.
  static void commit(const Planned& planned, const CipherOp& op) {
    RxJob& job = *planned.job;
    Inbound& in = *job.in;
    job.result = job.rtcp ? commit_to(ControlStreams{in.rtcp_}, in.n_rtcp_, planned.plan, op.ok)
                          : commit_to(RtpStreams{in.rtp_, in.rtp_old_}, in.a_.n_rtp, planned.plan, op.ok);
    if (job.result != Drop::none) return;
    ++in.a_.packets;
    job.out_len = static_cast<uint16_t>(op.header_len + op.payload_len);
  }

  template <class Streams>
  static Drop commit_to(const Streams& streams, uint8_t& n, const Plan& plan, bool authentic) {
    const size_t at = find(streams.stream, n, plan.ssrc);
    if (at < n) {
      const Drop stale = refusal(streams.check(at, plan.index));
      if (stale != Drop::none) return stale;
    } else if (n == kMaxStreams) {
      return Drop::srtp_too_many_streams;
    }
    if (!authentic) return Drop::srtp_auth;
    if (at == n) streams.stream[n++].ssrc = plan.ssrc;
    streams.mark(at, plan.index);
    return Drop::none;
  }

  Cipher& cipher_;
  size_t n_ = 0;
  size_t unsettled_ = 0;
  std::array<CipherOp, kBurst> ops_;
  std::array<Planned, kBurst> planned_;
};

void unprotect(Cipher& cipher, std::span<RxJob> jobs) {
  Receiver receiver(cipher);
  for (const RxJob& job : jobs) Receiver::prefetch_state(job);
  const size_t ahead = std::min(jobs.size(), kAhead);
  for (size_t i = 0; i < ahead; ++i) receiver.prefetch_keys(jobs[i]);
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (i + kAhead < jobs.size()) receiver.prefetch_keys(jobs[i + kAhead]);
    receiver.take(jobs[i]);
  }
  receiver.flush();
}

}  // namespace sluice::srtp
