#include "net/trunk/peer.h"

namespace sluice::trunk {

Micros HelloLog::sent_at(uint64_t sequence) const {
  const Entry& e = at_[sequence % kKept];
  return e.sequence == sequence ? e.at : kNever;
}

void HelloLog::answered(uint64_t sequence) {
  Entry& e = at_[sequence % kKept];
  if (e.sequence == sequence) e = {};
}

}  // namespace sluice::trunk
