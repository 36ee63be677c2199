#include "net/rtcp/reports.h"

namespace sluice::rtcp {
namespace {

void write_blocks(Writer& w, std::span<const ReportBlock> blocks) {
  for (const ReportBlock& b : blocks) {
    w.u32(b.source.v);
    w.u8(b.fraction_lost);
    w.u24(static_cast<uint32_t>(b.cumulative_lost) & 0xffffff);
    w.u32(b.highest_seq);
    w.u32(b.jitter);
    w.u32(b.lsr);
    w.u32(b.dlsr);
  }
}

size_t finish(const Writer& w) { return w.ok() ? w.size() : 0; }

}  // namespace

ReportBlock ReportBlocks::operator[](size_t i) const {
  const uint8_t* p = bytes_.data() + i * kReportBlockBytes;
  ReportBlock b;
  b.source = {load_be<uint32_t>(p)};
  b.fraction_lost = p[4];
  // 24 bits signed.
  b.cumulative_lost = static_cast<int32_t>(load_be24(p + 5) << 8) >> 8;
  b.highest_seq = load_be<uint32_t>(p + 8);
  b.jitter = load_be<uint32_t>(p + 12);
  b.lsr = load_be<uint32_t>(p + 16);
  b.dlsr = load_be<uint32_t>(p + 20);
  return b;
}

std::optional<SenderReport> parse_sender_report(const View& packet) {
  if (packet.type != Type::sender_report) return {};
  Reader r(packet.body);
  SenderReport out;
  out.sender = {r.u32()};
  out.info.ntp = {r.u64()};
  out.info.rtp = {r.u32()};
  out.info.packets = r.u32();
  out.info.octets = r.u32();
  out.blocks = ReportBlocks(r.take(packet.count * kReportBlockBytes));
  if (!r.ok()) return {};
  return out;
}

std::optional<ReceiverReport> parse_receiver_report(const View& packet) {
  if (packet.type != Type::receiver_report) return {};
  Reader r(packet.body);
  ReceiverReport out;
  out.sender = {r.u32()};
  out.blocks = ReportBlocks(r.take(packet.count * kReportBlockBytes));
  if (!r.ok()) return {};
  return out;
}

size_t write_sender_report(MutBytes dst, Ssrc sender, const SenderInfo& info,
                           std::span<const ReportBlock> blocks) {
  if (blocks.size() > kMaxReportBlocks) return 0;
  Writer w(dst);
  write_packet_header(w, Type::sender_report, static_cast<uint8_t>(blocks.size()),
                      24 + blocks.size() * kReportBlockBytes);
  w.u32(sender.v);
  w.u64(info.ntp.v);
  w.u32(info.rtp.v);
  w.u32(info.packets);
  w.u32(info.octets);
  write_blocks(w, blocks);
  return finish(w);
}

size_t write_receiver_report(MutBytes dst, Ssrc sender, std::span<const ReportBlock> blocks) {
  if (blocks.size() > kMaxReportBlocks) return 0;
  Writer w(dst);
  write_packet_header(w, Type::receiver_report, static_cast<uint8_t>(blocks.size()),
                      4 + blocks.size() * kReportBlockBytes);
  w.u32(sender.v);
  write_blocks(w, blocks);
  return finish(w);
}

}  // namespace sluice::rtcp
