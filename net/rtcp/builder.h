// Builds a compound RTCP packet in caller memory. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/rtcp/bye.h"
#include "net/rtcp/feedback.h"
#include "net/rtcp/reports.h"
#include "net/rtcp/sdes.h"
#include "net/rtcp/twcc_recorder.h"
#include "net/rtcp/xr.h"

namespace sluice::rtcp {

/// Every call appends one packet, or returns false and leaves what is there as it was; so when one does not
/// fit, send, clear() and add it again. RFC 3550 §6.1: begin with an SR or RR, then SDES with the CNAME; RFC
/// 5506 lets feedback go alone where the peer negotiated rtcp-rsize.
class Builder {
 public:
  explicit Builder(MutBytes dst) : dst_(dst) {}

  bool sender_report(Ssrc sender, const SenderInfo& info, std::span<const ReportBlock> blocks) {
    return grow(write_sender_report(room(), sender, info, blocks));
  }
  bool receiver_report(Ssrc sender, std::span<const ReportBlock> blocks) {
    return grow(write_receiver_report(room(), sender, blocks));
  }
  bool sdes_cname(Ssrc source, std::string_view cname) {
    return grow(write_sdes_cname(room(), source, cname));
  }
  bool bye(std::span<const Ssrc> sources, std::string_view reason = {}) {
    return grow(write_bye(room(), sources, reason));
  }
  bool nack(Ssrc sender, Ssrc media, std::span<const SeqNo> missing) {
    return grow(write_nack(room(), sender, media, missing));
  }
  bool pli(Ssrc sender, Ssrc media) { return grow(write_pli(room(), {sender, media})); }
  bool fir(Ssrc sender, std::span<const FirEntry> entries) {
    return grow(write_fir(room(), sender, entries));
  }
  bool remb(Ssrc sender, uint64_t bits_per_second, std::span<const Ssrc> sources) {
    return grow(write_remb(room(), sender, bits_per_second, sources));
  }
  bool xr_rrtr(Ssrc sender, NtpTime now) { return grow(write_xr_rrtr(room(), sender, now)); }
  bool xr_dlrr(Ssrc sender, std::span<const DlrrEntry> entries) {
    return grow(write_xr_dlrr(room(), sender, entries));
  }
  /// One message of the recorder's, if one is due.
  bool twcc(TwccRecorder& recorder, Ssrc sender, Micros now) {
    return grow(recorder.take_feedback(room(), sender, now));
  }

  Bytes written() const { return Bytes(dst_.data(), at_); }
  size_t size() const { return at_; }
  bool empty() const { return at_ == 0; }
  void clear() { at_ = 0; }

 private:
  MutBytes room() const { return dst_.subspan(at_); }
  bool grow(size_t n) { return at_ += n, n != 0; }

  MutBytes dst_;
  size_t at_ = 0;
};

}  // namespace sluice::rtcp
