#include "tools/load/traffic.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace sluice::load {
namespace {

constexpr double kTalkSeconds = 1.004, kPauseSeconds = 1.587;
constexpr double kComfortSeconds = 0.4;

}  // namespace

Traffic Traffic::dtx(int64_t interval_ns) {
  Traffic t;
  std::mt19937 random(20090317);
  const double per_second = 1e9 / static_cast<double>(interval_ns);
  const auto comfort_every = static_cast<uint32_t>(std::max(1.0, kComfortSeconds * per_second));
  bool talks = true;
  for (uint32_t at = 0; at < kSlots; talks = !talks) {
    std::exponential_distribution<double> seconds(1 / (talks ? kTalkSeconds : kPauseSeconds));
    const auto slots = static_cast<uint32_t>(std::max(1.0, seconds(random) * per_second));
    for (uint32_t i = 0; i < slots && at < kSlots; ++i, ++at) {
      if (talks)
        t.pattern_[at] = static_cast<uint16_t>(60 + random() % 81);
      else
        t.pattern_[at] = i % comfort_every == 0 ? kComfort : uint16_t{0};
    }
  }
  return t;
}

double Traffic::activity() const {
  return static_cast<double>(std::ranges::count_if(pattern_, [](uint16_t n) { return n > 0; })) / kSlots;
}

}  // namespace sluice::load
