// How many streams an address may have, and how fast it may open them. Streams worker only.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "net/base/endpoint.h"
#include "net/base/token_bucket.h"
#include "net/base/units.h"

namespace sluice::slow {

struct StreamAdmissionLimits {
  uint32_t per_address = 1024;  ///< streams at once; whole offices stand behind one address
  uint32_t per_second = 100;    ///< new ones, in the long run
  uint32_t burst = 400;
};

/// IPv6 counts by /64, which is what one subscriber has.
class StreamAdmission {
 public:
  enum class Verdict : uint8_t { admitted, too_many, too_fast };

  explicit StreamAdmission(const StreamAdmissionLimits& limits) : limits_(limits) {}

  /// One more stream, if admitted.
  Verdict open(const Address& a, Micros now);
  /// One that was admitted has ended.
  void close(const Address& a);
  /// Forgets addresses of which nothing needs to be known; now and then.
  void tidy(Micros now);
  size_t size() const { return lines_.size(); }

 private:
  struct Line {
    uint32_t open = 0;
    TokenBucket rate;
  };
  struct Hash {
    size_t operator()(const Address& a) const {
      return std::hash<std::string_view>{}({reinterpret_cast<const char*>(a.b.data()), a.b.size()});
    }
  };
  TokenRate rate() const { return {limits_.per_second, limits_.burst}; }

  StreamAdmissionLimits limits_;
  std::unordered_map<Address, Line, Hash> lines_;
};

}  // namespace sluice::slow
