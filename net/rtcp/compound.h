// RTCP packets inside a datagram (RFC 3550 §6.1, RFC 5506). Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/units.h"

namespace sluice::rtcp {

inline constexpr size_t kHeaderBytes = 4;

enum class Type : uint8_t {
  sender_report = 200,
  receiver_report = 201,
  sdes = 202,
  bye = 203,
  app = 204,
  rtpfb = 205,  ///< RFC 4585 §6.2
  psfb = 206,   ///< RFC 4585 §6.3
  xr = 207,     ///< RFC 3611
};

/// FMT of RTPFB.
inline constexpr uint8_t kFmtNack = 1, kFmtTransportCc = 15;
/// FMT of PSFB.
inline constexpr uint8_t kFmtPli = 1, kFmtFir = 4, kFmtApplication = 15;

/// One RTCP packet of a compound one. Points into the datagram.
struct View {
  Type type{};        ///< may be a value that the enum does not name
  uint8_t count = 0;  ///< RC, SC or FMT: 0..31
  Bytes body;         ///< behind the 4-byte header, without padding; a multiple of 4 bytes unless padded
};

/// Iterates over a datagram. What was returned before an error stays good; ok() tells at the end whether all
/// of it was well-formed.
class CompoundReader {
 public:
  explicit CompoundReader(Bytes datagram) : left_(datagram), ok_(!datagram.empty()) {}
  /// False at the end, or at the first packet that is not version 2, longer than what is left or padded with
  /// more than it has; then `out` is untouched. RFC 3550 §6.4.1 lets only the last packet be padded, by a
  /// multiple of 4, but libwebrtc pads transport feedback by 1 to 3 bytes wherever it stands, so neither is
  /// asked for.
  bool next(View& out);
  bool ok() const { return ok_; }

 private:
  Bytes left_;
  bool ok_;
};

/// The whole datagram is a sequence of well-formed packets of any types (RFC 5506 §3.4.2 lifts the rule that
/// an SR or RR comes first); contents of the packets are not looked at.
bool well_formed(Bytes datagram);

/// The SSRC of the sender of the first packet, which SRTCP and demultiplexing need (RFC 3711 §3.4); 0 if too
/// short.
Ssrc first_sender(Bytes datagram);

/// Writes a header whose length covers `body` more bytes (a multiple of 4).
void write_packet_header(Writer& w, Type type, uint8_t count, size_t body);

}  // namespace sluice::rtcp
