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

}  // namespace

/// Gives packets their index in order and enciphers a burst at once.
class Sender {
 public:
  explicit Sender(Cipher& cipher) : cipher_(cipher) {}

  void take(TxJob& job) {
    assert(job.out != nullptr);
    CipherOp& op = ops_[n_];
    job.out_len = 0;
    job.result = job.out->is_open() ? prepare(job, op) : Drop::srtp_no_keys;
    if (job.result != Drop::none) return;
    ++job.out->a_.packets;
    jobs_[n_++] = &job;
    if (n_ == kBurst) flush();
  }

  void flush() {
    if (n_ == 0) return;
    cipher_.seal({ops_.data(), n_});
    for (size_t i = 0; i < n_; ++i) {
      const CipherOp& op = ops_[i];
      if (op.ok)
        jobs_[i]->out_len =
            static_cast<uint16_t>(op.header_len + op.payload_len + overhead_bytes(op.profile, op.rtcp));
      else
        jobs_[i]->result = Drop::srtp_auth;
    }
    n_ = 0;
  }

  static void prefetch_state(const TxJob& job) {
    const auto* const line = reinterpret_cast<const std::byte*>(job.out);
    sluice::prefetch(line);
    if (job.rtcp) sluice::prefetch(line + 64);
  }
  void prefetch_keys(const TxJob& job) const {
    if (job.out->is_open()) cipher_.prefetch(job.out->a_.context, job.out->profile());
  }

 private:
  static Drop prepare(const TxJob& job, CipherOp& op) {
    Outbound& out = *job.out;
    const Profile p = out.profile();
    const bool fits = job.header_len + size_t{job.payload_len} + overhead_bytes(p, job.rtcp) <= UINT16_MAX;
    if (!fits || (job.rtcp ? job.header_len != kRtcpClearHeader : job.header_len < kRtpFixedHeader))
      return job.rtcp ? Drop::rtcp_malformed : Drop::rtp_malformed;
    // RFC 3711 §9.2: 2^48 SRTP packets or 2^31 SRTCP packets, whichever comes first.
    if (out.a_.packets >= kIndexEnd || out.rtcp_next_ >= kControlIndexEnd) return Drop::srtp_key_exhausted;
    op.ssrc = load_be<uint32_t>(job.dst + (job.rtcp ? 4 : 8));
    uint64_t index = 0;
    if (job.rtcp) {
      index = out.rtcp_next_++;
      op.word = kEncryptedBit | static_cast<uint32_t>(index);
    } else {
      const Drop refused = next_index(out, op.ssrc, load_be<uint16_t>(job.dst + 2), index);
      if (refused != Drop::none) return refused;
      op.word = static_cast<uint32_t>(index >> 16);
    }
    op.context = out.a_.context;
    op.packet = job.dst;
    op.payload = job.payload;
    op.header_len = job.header_len;
    op.payload_len = job.payload_len;
    op.profile = p;
    op.rtcp = job.rtcp;
    op.encrypted = true;
    op.ok = false;
    op.iv = packet_iv(p, job.rtcp ? out.rtcp_salt_ : out.a_.rtp_salt, op.ssrc, index);
    return Drop::none;
  }

  static Drop next_index(Outbound& out, uint32_t ssrc, uint16_t seq, uint64_t& index) {
    for (size_t i = 0; i < out.a_.n_rtp; ++i) {
      TxStream& s = out.rtp_[i];
      if (s.ssrc != ssrc) continue;
      const int64_t nearest = nearest_index(s.newest, seq);
      if (nearest < 0) return Drop::srtp_old;
      if (nearest >= static_cast<int64_t>(kIndexEnd)) return Drop::srtp_key_exhausted;
      index = static_cast<uint64_t>(nearest);
      s.newest = std::max(s.newest, index);
      return Drop::none;
    }
    if (out.a_.n_rtp == kMaxStreams) return Drop::srtp_too_many_streams;
    out.rtp_[out.a_.n_rtp++] = {seq, ssrc};
    index = seq;
    return Drop::none;
  }

  Cipher& cipher_;
  size_t n_ = 0;
  std::array<CipherOp, kBurst> ops_;
  std::array<TxJob*, kBurst> jobs_;
};

void protect(Cipher& cipher, std::span<TxJob> jobs) {
  Sender sender(cipher);
  for (const TxJob& job : jobs) Sender::prefetch_state(job);
  const size_t ahead = std::min(jobs.size(), kAhead);
  for (size_t i = 0; i < ahead; ++i) sender.prefetch_keys(jobs[i]);
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (i + kAhead < jobs.size()) sender.prefetch_keys(jobs[i + kAhead]);
    sender.take(jobs[i]);
  }
  sender.flush();
}

}  // namespace sluice::srtp
