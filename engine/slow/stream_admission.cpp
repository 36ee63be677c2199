#include "engine/slow/stream_admission.h"

#include <algorithm>
#include <iterator>

namespace sluice::slow {
namespace {

Address prefix_of(const Address& a) {
  if (a.is_v4()) return a;
  Address out = a;
  std::fill(out.b.begin() + 8, out.b.end(), uint8_t{0});
  return out;
}

}  // namespace

StreamAdmission::Verdict StreamAdmission::open(const Address& a, Micros now) {
  Line& line = lines_[prefix_of(a)];
  if (line.open >= limits_.per_address) return Verdict::too_many;
  if (!line.rate.take(rate(), 1, TokenBucket::ms(now))) return Verdict::too_fast;
  ++line.open;
  return Verdict::admitted;
}

void StreamAdmission::close(const Address& a) {
  const auto line = lines_.find(prefix_of(a));
  if (line != lines_.end() && line->second.open > 0) --line->second.open;
}

void StreamAdmission::tidy(Micros now) {
  for (auto at = lines_.begin(); at != lines_.end();) {
    Line& line = at->second;
    if (limits_.per_second > 0) line.rate.refill(rate(), TokenBucket::ms(now));
    at = line.open == 0 && line.rate.spent == 0 ? lines_.erase(at) : std::next(at);
  }
}

}  // namespace sluice::slow
