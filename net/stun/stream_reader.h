// Datagrams in a byte stream, both ways that STUN knows: behind a length each (RFC 4571, which ICE-TCP uses:
// RFC 6544 §3), or STUN messages and ChannelData as they are (TURN over TCP: RFC 8656 §2.1 and §12.5). Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/packet.h"

namespace sluice::stun {

enum class StreamFraming : uint8_t { unknown, rfc4571, turn };

/// Takes a stream apart as its bytes come, in pieces of any size. Which framing it is follows from where the
/// magic cookie stands: either begins with a STUN message.
class StreamReader {
 public:
  /// Longer ones are skipped.
  static constexpr size_t kMaxMessage = kMaxDatagram;

  enum class Got : uint8_t {
    message,    ///< `message` holds until next() is called again or the bytes go that were handed in
    more,       ///< all of `in` is used up
    oversize,   ///< a message of more than kMaxMessage bytes begins here, which will be passed over
    malformed,  ///< no such stream, or its framing is lost: to be closed
  };
  struct Step {
    Got got = Got::more;
    Bytes message;  ///< without length, without padding
  };

  /// Takes the next message off the front of `in`; to be called until it says `more` or `malformed`.
  Step next(Bytes& in);

  StreamFraming framing() const { return framing_; }

 private:
  struct Frame {
    size_t head = 0;     ///< bytes before the message
    size_t message = 0;  ///< bytes of the message
    size_t total = 0;    ///< with padding
  };
  size_t head_needed() const;
  bool recognise(const uint8_t* head);
  bool measure(const uint8_t* head, Frame& out) const;
  bool gather(Bytes& in, size_t until);
  Step finish(const uint8_t* at, const Frame& f) const;

  StreamFraming framing_ = StreamFraming::unknown;
  uint16_t held_ = 0;  ///< bytes in `hold_`: the beginning of a frame that is not all here
  uint32_t skip_ = 0;  ///< bytes still to be passed over
  std::array<uint8_t, kMaxMessage + 8> hold_;
};

/// What goes around a message that is sent: `prefix_n` bytes of `prefix` before it, `padding` zeros behind.
struct StreamFrame {
  std::array<uint8_t, 2> prefix{};
  uint8_t prefix_n = 0;
  uint8_t padding = 0;
};
/// `message`: at most 65535 bytes.
StreamFrame stream_frame(StreamFraming framing, Bytes message);

}  // namespace sluice::stun
