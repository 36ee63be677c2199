// SRTP and SRTCP (RFC 3711, RFC 7714) over batches: packet index, rollover, replay windows and key life.
// Nothing here allocates; a session's directions are values inside the session's slab.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/drop.h"
#include "net/srtp/cipher.h"
#include "net/srtp/index.h"
#include "net/srtp/keys.h"
#include "net/srtp/profile.h"

namespace sluice::srtp {

/// SSRCs that one direction of a session may have, RTP and RTCP counted apart. A stream is never evicted:
/// forgetting its replay window would admit every packet of it once more.
inline constexpr size_t kMaxStreams = 4;

/// What both directions begin with, in half a cache line.
struct Association {
  std::byte* context = nullptr;  ///< null while closed
  uint64_t packets = 0;
  std::array<uint8_t, 14> rtp_salt{};
  uint8_t profile_id = 0;
  uint8_t n_rtp = 0;

  Profile profile() const { return static_cast<Profile>(profile_id); }
};
static_assert(sizeof(Association) == 32);

/// What a session receives with. One shard's thread. An RTP packet in order of the first stream touches one
/// line, and one of 64 a second.
class alignas(64) Inbound {
 public:
  Inbound() = default;

  /// `context`: kContextAlign-aligned, cipher.context_bytes(key.profile) bytes, this direction's own until
  /// close(); it must not move. False if the cipher's library refuses. Precondition: closed.
  bool open(Cipher& cipher, std::span<std::byte> context, const MasterKey& key);
  /// Cleanses the context and forgets every stream. Harmless when closed.
  void close(Cipher& cipher);

  bool is_open() const { return a_.context != nullptr; }
  Profile profile() const { return a_.profile(); }
  /// Packets authenticated since open(), RTP and RTCP.
  uint64_t packets() const { return a_.packets; }
  size_t rtp_streams() const { return a_.n_rtp; }

  /// Takes up a stream where another receiver left it: 48-bit index of the newest packet; it and all before
  /// it count as seen. False if the table is full, the SSRC is known or the direction is closed.
  bool restore(uint32_t ssrc, uint64_t newest_index);

 private:
  friend class Receiver;

  Association a_;
  std::array<RxStream, kMaxStreams> rtp_{};
  std::array<ReplayArchive, kMaxStreams> rtp_old_{};
  std::array<uint8_t, 14> rtcp_salt_{};
  uint8_t n_rtcp_ = 0;
  std::array<RxControlStream, kMaxStreams> rtcp_{};
};
static_assert(sizeof(Inbound) == 512);

/// What a session sends with. One shard's thread.
class alignas(64) Outbound {
 public:
  Outbound() = default;

  /// As Inbound::open.
  bool open(Cipher& cipher, std::span<std::byte> context, const MasterKey& key);
  void close(Cipher& cipher);

  bool is_open() const { return a_.context != nullptr; }
  Profile profile() const { return a_.profile(); }
  /// Packets that the key has protected, RTP and RTCP, those of restored streams included.
  uint64_t packets() const { return a_.packets; }

  /// As Inbound::restore.
  bool restore(uint32_t ssrc, uint64_t newest_index);
  /// Index that the next SRTCP packet will carry, at most 2^31 (then the key is exhausted). One counter
  /// serves all SSRCs of the direction.
  void restore_control(uint32_t next_index) { rtcp_next_ = next_index; }

 private:
  friend class Sender;

  Association a_;
  std::array<TxStream, kMaxStreams> rtp_{};
  std::array<uint8_t, 14> rtcp_salt_{};
  uint32_t rtcp_next_ = 0;
};
static_assert(sizeof(Outbound) == 128);

/// A received packet. `data` is decrypted in place.
struct RxJob {
  Inbound* in = nullptr;  ///< never null
  uint8_t* data = nullptr;
  uint16_t len = 0;  ///< any; what is too short is malformed
  bool rtcp = false;
  Drop result = Drop::none;  ///< out: none, rtp_malformed, rtcp_malformed, srtp_no_keys (closed), srtp_auth,
                             ///< srtp_replay, srtp_old, srtp_too_many_streams or srtp_key_exhausted; if not
                             ///< none, the bytes of `data` behind the header are undefined
  uint16_t out_len = 0;      ///< out: bytes of the plain packet at `data`; 0 if dropped
  uint64_t index = 0;        ///< out: ROC << 16 | sequence number, or the 31-bit SRTCP index
};

/// Whole batches, any mixture of sessions, profiles and protocols, in order of arrival: the result is that of
/// one call per job in order, duplicates inside the batch included. A replay is refused before any decryption
/// is paid for; only an authentic packet moves a window or makes a stream.
void unprotect(Cipher& cipher, std::span<RxJob> jobs);

/// A packet to protect. At `dst` stands the header (RTP with CSRCs and extension; of RTCP the first 8 bytes),
/// and behind it `payload_len` + overhead_bytes() bytes are writable.
struct TxJob {
  Outbound* out = nullptr;  ///< never null
  uint8_t* dst = nullptr;
  uint16_t header_len = 0;           ///< RTP: at least 12. RTCP: 8
  const uint8_t* payload = nullptr;  ///< equal to dst + header_len, or disjoint from what is written
  uint16_t payload_len = 0;
  bool rtcp = false;
  uint16_t out_len = 0;      ///< out: bytes to send; 0 if refused
  Drop result = Drop::none;  ///< out: none; rtp_malformed or rtcp_malformed (header_len); srtp_old (older
                             ///< than the first packet of the stream, hence without an index);
                             ///< srtp_too_many_streams; srtp_key_exhausted
};

/// Whole batches, in order. A sequence number sent before gets the same index again and, with the same
/// payload and header, becomes the same bytes; sending another payload under it would repeat the key stream,
/// so a caller that retransmits must send what it sent.
void protect(Cipher& cipher, std::span<TxJob> jobs);

}  // namespace sluice::srtp
