// How long each packet of a voice stream is.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::load {

/// Either every packet `size` bytes long, or Opus with discontinuous transmission: talk spurts and pauses of
/// exponential length (ITU-T P.59: 1.0 s and 1.6 s in the mean), 60 to 140 bytes while talking, in pauses one
/// short packet every 400 ms (RFC 6716 §2.1.9). The pattern is the same for every run.
class Traffic {
 public:
  static constexpr uint16_t kComfort = 40;  ///< bytes of a packet in a pause

  explicit Traffic(uint16_t size) { pattern_.fill(size); }
  /// `interval_ns`: between two packets of one stream.
  static Traffic dtx(int64_t interval_ns);

  /// UDP payload bytes of the `slot`th packet of a stream; 0: none is sent then.
  uint16_t bytes(uint32_t stream, uint32_t slot) const {
    const uint32_t offset = stream * 2654435761U;  // Knuth's multiplicative hash
    return pattern_[((offset >> 16) + slot) % kSlots];
  }
  /// Share of slots with a packet, 0..1.
  double activity() const;

 private:
  static constexpr uint32_t kSlots = 8192;
  Traffic() = default;
  std::array<uint16_t, kSlots> pattern_{};
};

}  // namespace sluice::load
