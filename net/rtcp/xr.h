// Extended reports, RFC 3611: receiver reference time (§4.4) and DLRR (§4.5), by which a pure receiver
// measures the round-trip time ("rcvr-rtt" in SDP). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

/// As LSR and DLSR, but for a receiver's reference time.
struct DlrrEntry {
  Ssrc receiver;
  uint32_t lrr = 0;
  uint32_t dlrr = 0;
};

/// An XR packet whose blocks of the two types are complete; other types are passed over.
class Xr {
 public:
  Ssrc sender;
  std::optional<NtpTime> reference_time;  ///< RRTR
  size_t dlrr_count() const { return dlrr_.size() / 12; }
  DlrrEntry dlrr(size_t i) const {
    const uint8_t* p = dlrr_.data() + 12 * i;
    return {{load_be<uint32_t>(p)}, load_be<uint32_t>(p + 4), load_be<uint32_t>(p + 8)};
  }

 private:
  friend std::optional<Xr> parse_xr(const View&);
  Bytes dlrr_;
};
/// Nothing if a block overruns the packet. Of several blocks of one type the first counts.
std::optional<Xr> parse_xr(const View& packet);

// Bytes written, or 0 if `dst` is too short.
size_t write_xr_rrtr(MutBytes dst, Ssrc sender, NtpTime now);
size_t write_xr_dlrr(MutBytes dst, Ssrc sender, std::span<const DlrrEntry> entries);

}  // namespace sluice::rtcp
