#include "net/stun/stream_reader.h"

#include <algorithm>

#include "net/stun/message.h"

namespace sluice::stun {
namespace {

constexpr size_t kLengthBytes = 2;    // RFC 4571 §2
constexpr size_t kChannelHeader = 4;  // RFC 8656 §12.4
constexpr size_t kStunHead = 8;       // type, length, magic cookie
constexpr size_t kRecogniseBytes = kLengthBytes + kStunHead;

/// The first eight bytes of a STUN message.
bool looks_like_stun(const uint8_t* p) {
  return p[0] < 4 && load_be<uint16_t>(p + 2) % 4 == 0 && load_be<uint32_t>(p + 4) == kMagicCookie;
}

constexpr size_t padded(size_t n) { return (n + 3) & ~size_t{3}; }

}  // namespace

size_t StreamReader::head_needed() const {
  switch (framing_) {
    case StreamFraming::unknown:
      return kRecogniseBytes;
    case StreamFraming::rfc4571:
      return kLengthBytes;
    case StreamFraming::turn:
      break;
  }
  // A ChannelData message without data is no longer than this.
  return kChannelHeader;
}

bool StreamReader::recognise(const uint8_t* head) {
  if (looks_like_stun(head)) {
    framing_ = StreamFraming::turn;
    return true;
  }
  if (load_be<uint16_t>(head) < kHeaderBytes || !looks_like_stun(head + kLengthBytes)) return false;
  framing_ = StreamFraming::rfc4571;
  return true;
}

bool StreamReader::measure(const uint8_t* head, Frame& out) const {
  if (framing_ == StreamFraming::rfc4571) {
    out.head = kLengthBytes;
    out.message = load_be<uint16_t>(head);
    out.total = out.head + out.message;
    return true;
  }
  const size_t length = load_be<uint16_t>(head + 2);
  // RFC 8656 §12.5: over TCP and TLS ChannelData is padded to four bytes, which its length does not count.
  if (head[0] < 4)
    out.message = kHeaderBytes + length;
  else
    out.message = kChannelHeader + length;
  out.head = 0;
  out.total = padded(out.message);
  return head[0] < 4 ? length % 4 == 0 : head[0] >= 0x40 && head[0] <= 0x7f;
}

/// Holds bytes of `in` until there are `until`; false if it ran out before.
bool StreamReader::gather(Bytes& in, size_t until) {
  if (held_ >= until) return true;
  const size_t n = std::min(until - held_, in.size());
  std::copy_n(in.begin(), n, hold_.begin() + held_);
  held_ = static_cast<uint16_t>(held_ + n);
  in = in.subspan(n);
  return held_ == until;
}

StreamReader::Step StreamReader::finish(const uint8_t* at, const Frame& f) const {
  const Bytes message(at + f.head, f.message);
  // RFC 8489 §6: nothing else can follow in step with it.
  if (framing_ == StreamFraming::turn && message[0] < 4 && !looks_like_stun(message.data()))
    return {Got::malformed, {}};
  return {Got::message, message};
}

StreamReader::Step StreamReader::next(Bytes& in) {
  for (;;) {
    const size_t skipped = std::min<size_t>(skip_, in.size());
    skip_ -= static_cast<uint32_t>(skipped);
    in = in.subspan(skipped);
    const size_t needed = head_needed();
    const bool whole = held_ == 0 && in.size() >= needed;
    if (!whole && !gather(in, needed)) return {};
    const uint8_t* head = whole ? in.data() : hold_.data();
    if (framing_ == StreamFraming::unknown && !recognise(head)) return {Got::malformed, {}};
    Frame f;
    if (!measure(head, f)) return {Got::malformed, {}};
    if (f.message > kMaxMessage) {
      skip_ = static_cast<uint32_t>(f.total - held_);
      held_ = 0;
      return {Got::oversize, {}};
    }
    if (whole && in.size() >= f.total) {
      in = in.subspan(f.total);
      // RFC 4571 §2 allows empty ones.
      if (f.message == 0) continue;
      return finish(head, f);
    }
    if (!gather(in, f.total)) return {};
    held_ = 0;
    if (f.message != 0) return finish(hold_.data(), f);
  }
}

StreamFrame stream_frame(StreamFraming framing, Bytes message) {
  StreamFrame f;
  if (framing == StreamFraming::rfc4571) {
    store_be<uint16_t>(f.prefix.data(), static_cast<uint16_t>(message.size()));
    f.prefix_n = kLengthBytes;
  } else {
    f.padding = static_cast<uint8_t>(padded(message.size()) - message.size());
  }
  return f;
}

}  // namespace sluice::stun
