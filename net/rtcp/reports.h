// SR and RR, RFC 3550 §6.4. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/rtcp/compound.h"
#include "net/rtp/report_block.h"
#include "net/rtp/sender_stats.h"

namespace sluice::rtcp {

using rtp::ReportBlock;
using rtp::SenderInfo;

inline constexpr size_t kReportBlockBytes = 24;
inline constexpr size_t kMaxReportBlocks = 31;

/// 0..31 blocks, decoded one at a time.
class ReportBlocks {
 public:
  ReportBlocks() = default;
  explicit ReportBlocks(Bytes blocks) : bytes_(blocks) {}
  size_t size() const { return bytes_.size() / kReportBlockBytes; }
  ReportBlock operator[](size_t i) const;

 private:
  Bytes bytes_;
};

struct SenderReport {
  Ssrc sender;
  SenderInfo info;
  ReportBlocks blocks;
};
struct ReceiverReport {
  Ssrc sender;
  ReportBlocks blocks;
};

/// Nothing if the packet is of another type or shorter than its count says. Profile-specific extensions
/// behind the blocks are passed over.
std::optional<SenderReport> parse_sender_report(const View& packet);
std::optional<ReceiverReport> parse_receiver_report(const View& packet);

// Writers return the bytes written, or 0 if `dst` is too short or there are more than 31 blocks.
size_t write_sender_report(MutBytes dst, Ssrc sender, const SenderInfo& info,
                           std::span<const ReportBlock> blocks);
size_t write_receiver_report(MutBytes dst, Ssrc sender, std::span<const ReportBlock> blocks);

}  // namespace sluice::rtcp
