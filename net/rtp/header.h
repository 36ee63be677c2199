// The RTP header (RFC 3550 §5.1): a bounded view of a received one, and the writing of a fresh one. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/units.h"
#include "net/rtp/extensions.h"

namespace sluice::rtp {

inline constexpr size_t kFixedHeader = 12;

/// One header extension element; `data` points into the packet.
struct Element {
  uint8_t id = 0;
  Bytes data;
};

/// Walks the elements of an extension in the one-byte (RFC 8285 §4.2) or two-byte form (§4.3). Padding is
/// passed over; an element that overruns, id 15 of the one-byte form and id 0 with a length end the walk.
class ElementReader {
 public:
  ElementReader() = default;
  /// `profile`: the 16 bits before the extension's length; of neither form: no elements.
  ElementReader(uint16_t profile, Bytes elements);
  /// False at the end; then `out` is untouched.
  bool next(Element& out);

 private:
  enum class Form : uint8_t { none, one_byte, two_byte };
  Bytes left_;
  Form form_ = Form::none;
};

/// A parsed header. Points into the packet; copies are cheap. All but the padding is in the clear under SRTP,
/// so this works before decryption; payload() only after it.
struct Header {
  uint8_t payload_type = 0;
  bool marker = false;
  bool has_padding = false;
  SeqNo seq;
  RtpTime timestamp;
  Ssrc ssrc;
  uint16_t header_len = 0;   ///< with CSRCs and extension: where the payload begins
  uint16_t ext_profile = 0;  ///< 0xbede, 0x100x, or of somebody else; meaningless if `extension` is empty
  Bytes csrc;                ///< 4 bytes each, 0..15 of them
  Bytes extension;           ///< elements, without the profile and length words

  size_t csrc_count() const { return csrc.size() / 4; }
  Ssrc csrc_at(size_t i) const { return {load_be<uint32_t>(csrc.data() + 4 * i)}; }
  ElementReader elements() const { return {ext_profile, extension}; }
  /// The first element with this id; nothing for id 0.
  std::optional<Bytes> find(uint8_t id) const;
};

/// Nothing if it is shorter than it says or not version 2. Packets above 65535 bytes are refused.
std::optional<Header> parse_header(Bytes packet);

/// What lies behind the header, without padding (RFC 3550 §5.1: the last byte counts itself). Nothing if the
/// padding is 0 or longer than what is there. May be empty: browsers send packets of padding only.
std::optional<Bytes> payload(const Header& header, Bytes packet);

/// The extensions that Sluice acts on, read in one pass.
struct KnownExtensions {
  std::string_view mid;  ///< empty: absent
  std::string_view rid;
  std::string_view repaired_rid;
  std::optional<AudioLevel> audio_level;
  std::optional<uint32_t> abs_send_time;
  std::optional<uint16_t> transport_seq;
};
KnownExtensions read_extensions(const Header& header, const ExtMap& map);

/// The fixed part of a header to be written.
struct Fields {
  bool marker = false;
  uint8_t payload_type = 0;  ///< 0..127
  SeqNo seq;
  RtpTime timestamp;
  Ssrc ssrc;
};

/// The elements of a header that is about to be written, in the one-byte form: ids 1..14, 1..16 bytes each.
/// What does not fit that form, or the list, is left out, since mixing forms must be negotiated (RFC 8285
/// §4.1.2). Holds copies of nothing but bytes it was given by value: `data` must outlive it.
class ElementList {
 public:
  static constexpr size_t kMax = 8;

  /// False, and nothing is added, for an id of 0 (not negotiated), above 14, or data of other than 1..16
  /// bytes.
  bool add(uint8_t id, Bytes data);
  bool add_mid(uint8_t id, std::string_view mid) { return add(id, as_bytes(mid)); }
  bool add_audio_level(uint8_t id, AudioLevel level);
  bool add_abs_send_time(uint8_t id, uint32_t fixed_6_18);
  bool add_transport_seq(uint8_t id, uint16_t seq);
  /// Copies an element of a received header, renamed from the source's id to the subscriber's; false if
  /// either side has not negotiated it or it is not there.
  bool copy(ExtKind kind, const Header& source, const ExtMap& from, const ExtMap& to);

  void clear() { n_ = 0, bytes_ = 0; }
  size_t count() const { return n_; }
  /// Bytes of the whole extension in the header, with its own header and padding; 0 when empty.
  size_t wire_size() const { return n_ == 0 ? 0 : 4 + (bytes_ + 3) / 4 * 4; }

 private:
  friend size_t write_header(MutBytes, const Fields&, const ElementList&);
  struct Item {
    uint8_t id;
    uint8_t len;
    const uint8_t* data;  ///< null: `own`
    std::array<uint8_t, 3> own;
  };
  bool add_own(uint8_t id, uint32_t value, uint8_t len);

  std::array<Item, kMax> items_;
  size_t n_ = 0;
  size_t bytes_ = 0;
};

/// How long the header will be: so that, with headroom, it can be written to end where the payload begins.
inline size_t header_size(const ElementList& elements) { return kFixedHeader + elements.wire_size(); }

/// Writes version 2, no CSRC, no padding; returns the header's length, or 0 if `dst` is shorter than that.
/// `dst` must not overlap data that `elements` points at: to rewrite in place, copy such elements out first.
size_t write_header(MutBytes dst, const Fields& fields, const ElementList& elements);

}  // namespace sluice::rtp
