// Both directions of SRTP as the DTLS client has them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/dtls/keys.h"
#include "net/srtp/srtp.h"

namespace sluice::test {

class SrtpLink {
 public:
  /// `cipher` must outlive this.
  explicit SrtpLink(srtp::Cipher& cipher) : cipher_(cipher) {}
  ~SrtpLink();
  SrtpLink(const SrtpLink&) = delete;
  SrtpLink& operator=(const SrtpLink&) = delete;

  bool open(const dtls::SrtpKeys& keys);
  bool is_open() const { return out_.is_open(); }

  /// A whole RTP or RTCP packet, protected.
  std::vector<uint8_t> protect(std::vector<uint8_t> plain, size_t header_len, bool rtcp);
  /// The plain packet, or why there is none.
  Drop unprotect(std::vector<uint8_t>& packet, bool rtcp);

 private:
  srtp::Cipher& cipher_;
  srtp::Inbound in_;
  srtp::Outbound out_;
  alignas(srtp::kContextAlign) std::array<std::byte, srtp::kMaxContextBytes> in_context_;
  alignas(srtp::kContextAlign) std::array<std::byte, srtp::kMaxContextBytes> out_context_;
};

}  // namespace sluice::test
