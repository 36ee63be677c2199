#include "engine/signal/registry.h"

#include <utility>

namespace sluice::engine {

Registry::Registry(uint32_t capacity)
    : slots_(capacity),
      table_memory_(new uint32_t[HandleTable::bytes_for(capacity) / sizeof(uint32_t)]),
      table_({reinterpret_cast<std::byte*>(table_memory_.get()), HandleTable::bytes_for(capacity)}, capacity,
             kGenerationMask) {}

Registry::~Registry() {
  for_each([](SessionRecord& r) { cleanse(r.spec); });
}

SessionRecord* Registry::create(Micros now) {
  const Handle h = table_.take();
  if (!h) return nullptr;
  Slot& s = slots_[h.index];
  s.record = SessionRecord{};
  s.record.spec.key = {h.index, h.gen};
  s.record.spec.offered_at = now;
  s.older = newest_;
  s.newer = kNone;
  (newest_ == kNone ? oldest_ : slots_[newest_].newer) = h.index;
  newest_ = h.index;
  return &s.record;
}

SessionRecord* Registry::find(SessionKey key) {
  return const_cast<SessionRecord*>(std::as_const(*this).find(key));
}

const SessionRecord* Registry::find(SessionKey key) const {
  return table_.live({key.index, key.gen}) ? &slots_[key.index].record : nullptr;
}

void Registry::erase(SessionKey key) {
  if (!table_.drop({key.index, key.gen})) return;
  Slot& s = slots_[key.index];
  (s.older == kNone ? oldest_ : slots_[s.older].newer) = s.newer;
  (s.newer == kNone ? newest_ : slots_[s.newer].older) = s.older;
  cleanse(s.record.spec);
}

}  // namespace sluice::engine
