// The frames of a datagram that has been opened. Pure.
#pragma once

#include "net/trunk/wire.h"

namespace sluice::trunk {

/// Goes once through a body; payloads are views into it.
///
///     for (Reader r(body); r.next(frame);) ...
class Reader {
 public:
  explicit Reader(Bytes body) : at_(body.data()), end_(body.data() + body.size()) {}

  /// False at the end, at padding, or at what is no frame. `f.local` is carried from frame to frame, so hand
  /// in the same Frame each time.
  bool next(Frame& f);
  /// After next() returned false: whether that was the end rather than something malformed. Frames before it
  /// are good in either case, as the tag was.
  bool ok() const { return ok_; }

 private:
  bool read(Frame& f);

  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
  bool has_local_ = false;
};

}  // namespace sluice::trunk
