#include "net/ice/admission.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace sluice::ice {
namespace {

// One hash input per budget: family and the bits of the prefix.
std::array<uint8_t, 8> prefix_of(const Address& a) {
  std::array<uint8_t, 8> p{};
  const bool v4 = a.is_v4();
  p[0] = v4 ? 4 : 6;
  std::memcpy(&p[1], a.b.data() + (v4 ? 12 : 0), v4 ? 3 : 7);
  return p;
}

}  // namespace

Admission::Admission(std::span<Line> memory, HashSeed seed, const AdmissionConfig& config)
    : lines_(memory), seed_(seed), rate_{config.bytes_per_second, config.burst_bytes} {
  assert(std::has_single_bit(memory.size()) && config.burst_bytes <= (1U << 30));
}

void Admission::refund(const Address& remote, uint32_t bytes, Micros now) {
  if (lines_.empty()) return;
  const uint64_t hash = siphash(seed_, prefix_of(remote));
  const uint32_t tag = std::max(static_cast<uint32_t>(hash >> 32), 1U);
  for (Line::Bucket& b : lines_[hash & (lines_.size() - 1)].own) {
    if (b.tag != tag) continue;
    b.budget.refill(rate_, TokenBucket::ms(now));
    b.budget.spent -= std::min(bytes, b.budget.spent);
  }
}

bool Admission::admit(const Address& remote, uint32_t bytes, Micros now) {
  if (lines_.empty()) return true;
  const uint64_t hash = siphash(seed_, prefix_of(remote));
  Line& line = lines_[hash & (lines_.size() - 1)];
  const uint32_t tag = std::max(static_cast<uint32_t>(hash >> 32), 1U);
  const uint32_t now_ms = TokenBucket::ms(now);

  Line::Bucket* bucket = nullptr;
  for (Line::Bucket& b : line.own)
    if (b.tag == tag) bucket = &b;
  for (auto b = line.own.begin(); bucket == nullptr && b != line.own.end(); ++b) {
    b->budget.refill(rate_, now_ms);
    if (b->budget.spent != 0) continue;
    *b = {.tag = tag, .budget = {.spent = 0, .seen_ms = now_ms}};
    bucket = &*b;
  }
  if (bucket == nullptr) bucket = &line.shared;
  return bucket->budget.take(rate_, bytes, now_ms);
}

}  // namespace sluice::ice
