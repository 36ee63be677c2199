#include "tests/sim/link.h"

#include <algorithm>

namespace sluice::sim {

bool Link::loses() {
  if (rng_.chance(in_burst_ ? options_.burst_leave : options_.burst_enter)) in_burst_ = !in_burst_;
  return in_burst_ || rng_.chance(options_.loss);
}

Micros Link::arrival(Micros now, size_t bytes) {
  free_at_ = std::max(free_at_, now);
  if (options_.bits_per_second > 0) {
    constexpr size_t kIpUdp = 28;
    free_at_ += Micros{static_cast<int64_t>((bytes + kIpUdp) * 8'000'000 / options_.bits_per_second)};
  }
  Micros at = free_at_ + options_.delay + rng_.between({}, options_.jitter);
  if (rng_.chance(options_.reorder)) return at + rng_.between(millis(1), options_.reorder_by);
  at = std::max(at, last_arrival_);
  last_arrival_ = at;
  return at;
}

void Link::flip(std::vector<uint8_t>& bytes) {
  const size_t at = rng_.below(bytes.size());
  bytes[at] ^= static_cast<uint8_t>(1u << rng_.below(8));
}

std::vector<uint8_t> Link::copy(Bytes datagram) {
  std::vector<uint8_t> out(datagram.begin(), datagram.end());
  if (out.empty() || !rng_.chance(options_.corrupt)) return out;
  ++counters_.corrupted;
  for (auto flips = rng_.between(1, 3); flips > 0; --flips) flip(out);
  return out;
}

void Link::send(Micros now, Bytes datagram, const Deliver& deliver) {
  ++counters_.sent;
  if (loses()) {
    ++counters_.lost;
    return;
  }
  if (options_.bits_per_second > 0) {
    const Micros backlog = free_at_ - now;
    if (backlog.us > 0 &&
        static_cast<uint64_t>(backlog.us) * options_.bits_per_second / 8'000'000 > options_.queue_bytes) {
      ++counters_.queue_full;
      return;
    }
  }
  // One draw per statement: the order of those within one is the compiler's.
  const Micros at = arrival(now, datagram.size());
  deliver(at, copy(datagram));
  if (!rng_.chance(options_.duplicate)) return;
  ++counters_.duplicated;
  const Micros again = arrival(now, datagram.size());
  const Micros later = rng_.between({}, millis(20));
  deliver(again + later, copy(datagram));
}

void Link::heal() {
  options_.loss = options_.burst_enter = options_.reorder = options_.duplicate = options_.corrupt = 0;
  in_burst_ = false;
}

}  // namespace sluice::sim
