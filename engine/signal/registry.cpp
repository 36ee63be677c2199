#include "engine/signal/registry.h"

#include <utility>

namespace sluice::engine {

Registry::Registry(uint32_t capacity) : slots_(capacity) {
  free_.reserve(capacity);
  for (uint32_t i = capacity; i > 0; --i) free_.push_back(i - 1);
}

SessionRecord* Registry::create(Micros now) {
  if (free_.empty()) return nullptr;
  const uint32_t index = free_.back();
  free_.pop_back();
  Slot& s = slots_[index];
  s.gen = (s.gen + 1) & kGenerationMask;
  if (s.gen == 0) s.gen = 1;
  s.record = SessionRecord{};
  s.record.spec.key = {index, s.gen};
  s.record.spec.offered_at = now;
  s.live = true;
  s.older = newest_;
  s.newer = kNone;
  (newest_ == kNone ? oldest_ : slots_[newest_].newer) = index;
  newest_ = index;
  ++live_;
  return &s.record;
}

SessionRecord* Registry::find(SessionKey key) {
  return const_cast<SessionRecord*>(std::as_const(*this).find(key));
}

const SessionRecord* Registry::find(SessionKey key) const {
  if (key.index >= slots_.size()) return nullptr;
  const Slot& s = slots_[key.index];
  return s.live && s.gen == key.gen ? &s.record : nullptr;
}

void Registry::erase(SessionKey key) {
  if (find(key) == nullptr) return;
  Slot& s = slots_[key.index];
  (s.older == kNone ? oldest_ : slots_[s.older].newer) = s.newer;
  (s.newer == kNone ? newest_ : slots_[s.newer].older) = s.older;
  s.live = false;
  --live_;
  free_.push_back(key.index);
}

}  // namespace sluice::engine
