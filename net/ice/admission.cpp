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
    : lines_(memory), seed_(seed), config_(config) {
  assert(std::has_single_bit(memory.size()) && config.burst_bytes <= (1U << 30));
}

bool Admission::admit(const Address& remote, uint32_t bytes, Micros now) {
  if (lines_.empty()) return true;
  const uint64_t hash = siphash(seed_, prefix_of(remote));
  Line& line = lines_[hash & (lines_.size() - 1)];
  const uint32_t tag = std::max(static_cast<uint32_t>(hash >> 32), 1U);
  const auto now_ms = static_cast<uint32_t>(now.millis());

  Line::Bucket* bucket = nullptr;
  for (Line::Bucket& b : line.own)
    if (b.tag == tag) bucket = &b;
  for (auto b = line.own.begin(); bucket == nullptr && b != line.own.end(); ++b) {
    refill(*b, now_ms);
    if (b->spent != 0) continue;
    *b = {.tag = tag, .spent = 0, .seen_ms = now_ms};
    bucket = &*b;
  }
  if (bucket == nullptr) bucket = &line.shared;
  refill(*bucket, now_ms);
  if (bytes > config_.burst_bytes - bucket->spent) return false;
  bucket->spent += bytes;
  return true;
}

void Admission::refill(Line::Bucket& b, uint32_t now_ms) const {
  const uint32_t elapsed_ms = now_ms - b.seen_ms;
  const uint64_t credit = uint64_t{elapsed_ms} * config_.bytes_per_second / 1000;
  if (credit >= b.spent) {
    b.spent = 0;
    b.seen_ms = now_ms;
    return;
  }
  b.spent -= static_cast<uint32_t>(credit);
  // Only the time that bought whole bytes is used up, or frequent calls would starve a slow bucket.
  b.seen_ms += static_cast<uint32_t>(credit * 1000 / config_.bytes_per_second);
}

}  // namespace sluice::ice
