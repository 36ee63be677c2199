#include "net/rtcp/feedback.h"

#include <bit>

namespace sluice::rtcp {
namespace {

// RFC 4585 §6.1: sender and media SSRC precede every FCI.
constexpr size_t kFixed = 8;
constexpr uint32_t kRembId = 0x52454d42;  // "REMB"
constexpr int kRembMantissaBits = 18;

size_t finish(const Writer& w) { return w.ok() ? w.size() : 0; }

bool is(const View& packet, Type type, uint8_t fmt) {
  return packet.type == type && packet.count == fmt && packet.body.size() >= kFixed;
}

Ssrc ssrc_at(Bytes b, size_t at) { return {load_be<uint32_t>(b.data() + at)}; }

void begin(Writer& w, Type type, uint8_t fmt, Ssrc sender, Ssrc media, size_t fci) {
  write_packet_header(w, type, fmt, kFixed + fci);
  w.u32(sender.v);
  w.u32(media.v);
}

/// How many numbers from `at` on go into one PID/BLP pair, and the mask.
size_t fill_mask(std::span<const SeqNo> missing, size_t at, uint16_t& mask) {
  size_t n = 1;
  mask = 0;
  for (; at + n < missing.size(); ++n) {
    const int after = missing[at + n].minus(missing[at]);
    if (after < 0 || after > 16) break;
    if (after > 0) mask = static_cast<uint16_t>(mask | (1u << (after - 1)));
  }
  return n;
}

}  // namespace

std::optional<Nack> parse_nack(const View& packet) {
  // RFC 4585 §6.2.1: at least one pair.
  if (!is(packet, Type::rtpfb, kFmtNack) || packet.body.size() < kFixed + 4) return {};
  Nack out;
  out.sender = ssrc_at(packet.body, 0);
  out.media = ssrc_at(packet.body, 4);
  out.fci_ = packet.body.subspan(kFixed);
  return out;
}

size_t write_nack(MutBytes dst, Ssrc sender, Ssrc media, std::span<const SeqNo> missing) {
  if (missing.empty()) return 0;
  uint16_t mask = 0;
  size_t pairs = 0;
  for (size_t at = 0; at < missing.size(); ++pairs) at += fill_mask(missing, at, mask);
  if (pairs > UINT16_MAX - kFixed / 4) return 0;
  Writer w(dst);
  begin(w, Type::rtpfb, kFmtNack, sender, media, pairs * 4);
  for (size_t at = 0; at < missing.size();) {
    const SeqNo first = missing[at];
    at += fill_mask(missing, at, mask);
    w.u16(first.v);
    w.u16(mask);
  }
  return finish(w);
}

std::optional<Pli> parse_pli(const View& packet) {
  if (!is(packet, Type::psfb, kFmtPli)) return {};
  return Pli{ssrc_at(packet.body, 0), ssrc_at(packet.body, 4)};
}

size_t write_pli(MutBytes dst, const Pli& pli) {
  Writer w(dst);
  begin(w, Type::psfb, kFmtPli, pli.sender, pli.media, 0);
  return finish(w);
}

std::optional<Fir> parse_fir(const View& packet) {
  if (!is(packet, Type::psfb, kFmtFir)) return {};
  const Bytes fci = packet.body.subspan(kFixed);
  if (fci.empty() || fci.size() % 8 != 0) return {};
  Fir out;
  out.sender = ssrc_at(packet.body, 0);
  out.fci_ = fci;
  return out;
}

size_t write_fir(MutBytes dst, Ssrc sender, std::span<const FirEntry> entries) {
  if (entries.empty() || entries.size() > 0x1fff) return 0;
  Writer w(dst);
  // RFC 5104 §4.3.1.2: the media SSRC of the fixed part is unused and 0.
  begin(w, Type::psfb, kFmtFir, sender, {}, entries.size() * 8);
  for (const FirEntry& e : entries) {
    w.u32(e.media.v);
    w.u8(e.seq);
    w.u24(0);
  }
  return finish(w);
}

std::optional<Remb> parse_remb(const View& packet) {
  if (!is(packet, Type::psfb, kFmtApplication)) return {};
  Reader r(packet.body.subspan(kFixed));
  if (r.u32() != kRembId) return {};
  const uint8_t n = r.u8();
  const uint32_t rate = r.u24();
  Remb out;
  out.sender = ssrc_at(packet.body, 0);
  const uint32_t exponent = rate >> kRembMantissaBits;
  const uint64_t mantissa = rate & ((1u << kRembMantissaBits) - 1);
  // Exponents up to 63 exist; what 64 bits cannot hold is no bitrate.
  if (mantissa != 0 && exponent > static_cast<uint32_t>(std::countl_zero(mantissa))) return {};
  out.bits_per_second = mantissa << exponent;
  out.sources_ = r.take(size_t{n} * 4);
  if (!r.ok()) return {};
  return out;
}

size_t write_remb(MutBytes dst, Ssrc sender, uint64_t bits_per_second, std::span<const Ssrc> sources) {
  if (sources.size() > 255) return 0;
  const int excess = 64 - std::countl_zero(bits_per_second) - kRembMantissaBits;
  const auto exponent = static_cast<uint32_t>(excess > 0 ? excess : 0);
  Writer w(dst);
  begin(w, Type::psfb, kFmtApplication, sender, {}, 8 + sources.size() * 4);
  w.u32(kRembId);
  w.u8(static_cast<uint8_t>(sources.size()));
  w.u24((exponent << kRembMantissaBits) | static_cast<uint32_t>(bits_per_second >> exponent));
  for (Ssrc s : sources) w.u32(s.v);
  return finish(w);
}

}  // namespace sluice::rtcp
