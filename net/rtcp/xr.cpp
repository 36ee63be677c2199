#include "net/rtcp/xr.h"

namespace sluice::rtcp {
namespace {

constexpr uint8_t kReceiverReferenceTime = 4;
constexpr uint8_t kDlrr = 5;
constexpr size_t kDlrrEntryBytes = 12;

}  // namespace

std::optional<Xr> parse_xr(const View& packet) {
  if (packet.type != Type::xr) return {};
  Reader r(packet.body);
  Xr out;
  out.sender = {r.u32()};
  while (r.ok() && r.left() > 0) {
    const uint8_t type = r.u8();
    r.skip(1);
    const size_t bytes = size_t{r.u16()} * 4;
    const Bytes block = r.take(bytes);
    if (!r.ok()) break;
    if (type == kReceiverReferenceTime && bytes == 8 && !out.reference_time)
      out.reference_time = NtpTime{load_be<uint64_t>(block.data())};
    // RFC 3611 §4.5: a block is 3 words per receiver.
    if (type == kDlrr && bytes % kDlrrEntryBytes == 0 && out.dlrr_.empty()) out.dlrr_ = block;
  }
  if (!r.ok()) return {};
  return out;
}

size_t write_xr_rrtr(MutBytes dst, Ssrc sender, NtpTime now) {
  Writer w(dst);
  write_packet_header(w, Type::xr, 0, 16);
  w.u32(sender.v);
  w.u8(kReceiverReferenceTime);
  w.u8(0);
  w.u16(2);
  w.u64(now.v);
  return w.ok() ? w.size() : 0;
}

size_t write_xr_dlrr(MutBytes dst, Ssrc sender, std::span<const DlrrEntry> entries) {
  if (entries.empty() || entries.size() > 0x1fff) return 0;
  Writer w(dst);
  write_packet_header(w, Type::xr, 0, 8 + entries.size() * kDlrrEntryBytes);
  w.u32(sender.v);
  w.u8(kDlrr);
  w.u8(0);
  w.u16(static_cast<uint16_t>(entries.size() * 3));
  for (const DlrrEntry& e : entries) {
    w.u32(e.receiver.v);
    w.u32(e.lrr);
    w.u32(e.dlrr);
  }
  return w.ok() ? w.size() : 0;
}

}  // namespace sluice::rtcp
