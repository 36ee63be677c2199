// SDES, RFC 3550 §6.5: of its items only CNAME is of use here. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/rtcp/compound.h"

namespace sluice::rtcp {

inline constexpr uint8_t kSdesCname = 1;

struct SdesItem {
  Ssrc source;
  uint8_t type = 0;  ///< 1 CNAME, ... RFC 3550 §12.2
  std::string_view text;
};

/// Every item of every chunk, in order.
class SdesReader {
 public:
  explicit SdesReader(const View& packet);
  /// False at the end or at the first error; then `out` is untouched.
  bool next(SdesItem& out);
  bool ok() const { return ok_; }

 private:
  bool begin_chunk();

  Bytes body_;
  size_t at_ = 0;
  uint8_t chunks_left_ = 0;
  bool in_chunk_ = false;
  bool ok_;
  Ssrc source_;
};

/// The CNAME of `source`; empty if it is not there.
std::string_view find_cname(const View& packet, Ssrc source);

/// One chunk with one CNAME of 1..255 bytes. Bytes written, or 0 if `dst` or `cname` does not fit.
size_t write_sdes_cname(MutBytes dst, Ssrc source, std::string_view cname);

}  // namespace sluice::rtcp
