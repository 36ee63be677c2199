// DTLS record headers (RFC 6347 §4.1), read without any key: what the shard can still tell once the keys are
// exported and the SSL object is gone. Pure: no allocation, clock, system call or exception.
#pragma once

#include <cstdint>
#include <optional>

#include "net/base/bytes.h"

namespace sluice::dtls {

inline constexpr size_t kRecordHeader = 13;
/// RFC 6347 §4.1: a ciphertext may be 2^14 + 2048 bytes; no datagram that is served here comes close.
inline constexpr uint16_t kMaxFragment = (1 << 14) + 2048;

enum class ContentType : uint8_t {
  change_cipher_spec = 20,
  alert = 21,
  handshake = 22,
  application_data = 23
};

struct Record {
  ContentType type{};
  uint16_t version = 0;   ///< 0xfeff (DTLS 1.0, also on a first ClientHello) or 0xfefd (1.2)
  uint16_t epoch = 0;     ///< 0: in the clear; 1: under the handshake's keys
  uint64_t sequence = 0;  ///< 48 bits
  Bytes fragment;         ///< points into the datagram; encrypted from epoch 1 on
};

/// Yields the records of one datagram in order. Stops for good at the end or at the first malformed record
/// (unknown content type, major version other than 254, a length that leaves the datagram).
class RecordReader {
 public:
  explicit RecordReader(Bytes datagram) : in_(datagram) {}

  std::optional<Record> next() {
    if (malformed_ || in_.left() == 0) return std::nullopt;
    const uint8_t type = in_.u8();
    Record r;
    r.version = in_.u16();
    r.epoch = in_.u16();
    r.sequence = uint64_t{in_.u16()} << 32;
    r.sequence |= in_.u32();
    const uint16_t length = in_.u16();
    r.fragment = in_.take(length);
    malformed_ = !in_.ok() || type < 20 || type > 23 || (r.version >> 8) != 0xfe || length > kMaxFragment;
    if (malformed_) return std::nullopt;
    r.type = static_cast<ContentType>(type);
    return r;
  }
  bool malformed() const { return malformed_; }

 private:
  Reader in_;
  bool malformed_ = false;
};

/// At least one record, and nothing but whole records.
inline bool well_formed(Bytes datagram) {
  RecordReader r(datagram);
  while (r.next()) {
  }
  return !datagram.empty() && !r.malformed();
}

/// Whether any record up to the first malformed one has this type and epoch.
inline bool has_record(Bytes datagram, ContentType type, uint16_t epoch) {
  RecordReader r(datagram);
  while (const auto record = r.next())
    if (record->type == type && record->epoch == epoch) return true;
  return false;
}

/// An alert under the handshake's keys, most likely close_notify. It can no longer be read nor its origin be
/// proven, so it may only shorten patience, never end a session. Alerts in the clear (epoch 0) do not count.
inline bool is_alert(Bytes datagram) { return has_record(datagram, ContentType::alert, 1); }

/// A handshake record in the clear: ClientHello up to CertificateVerify.
inline bool is_handshake(Bytes datagram) { return has_record(datagram, ContentType::handshake, 0); }

/// RFC 6347 §4.2.4: a client that missed our last flight sends its own again, which ends in Finished, the one
/// handshake record of epoch 1. Asking for it alone answers each of the client's flights once, whatever
/// datagrams it came in. The answer is the stored last flight.
inline bool looks_like_client_retransmission(Bytes datagram) {
  return has_record(datagram, ContentType::handshake, 1);
}

}  // namespace sluice::dtls
