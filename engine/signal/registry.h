// The control thread's record of each session, from the answered offer to the end of its last report.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/shard/messages.h"
#include "engine/spec.h"
#include "net/base/slab.h"
#include "net/sdp/negotiate.h"

namespace sluice::engine {

enum class CallState : uint8_t { fresh, checking, connected, closed };

struct SessionRecord {
  SessionSpec spec;
  sdp::Negotiation negotiation;  ///< an ICE restart answers with its mids again
  std::string name;              ///< of room or agent
  CallState state = CallState::fresh;
  CloseReason reason = CloseReason::none;
  bool closing = false;  ///< its shard was told; `closed` is on its way
  std::optional<ShardId> shard;
  uint32_t ice_generation = 0;  ///< spec.ice_generation is its low byte
  uint64_t sdp_session_id = 0;
  uint32_t sdp_version = 1;
  Micros first_check_at, connected_at;
};

/// Fixed capacity; a list of what lives, by age, over a HandleTable. Generations have 26 bits as in the
/// ufrag.
class Registry {
 public:
  static constexpr uint32_t kGenerationMask = (1u << 26) - 1;

  explicit Registry(uint32_t capacity);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// nullptr when full.
  SessionRecord* create(Micros now);
  /// nullptr if it is not live (any more).
  SessionRecord* find(SessionKey key);
  const SessionRecord* find(SessionKey key) const;
  void erase(SessionKey key);

  uint32_t live() const { return table_.size(); }
  uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }

  /// Oldest first.
  template <class F>
  void for_each(F&& f) const {
    for (uint32_t i = oldest_; i != kNone; i = slots_[i].newer) f(slots_[i].record);
  }
  template <class F>
  void for_each(F&& f) {
    for (uint32_t i = oldest_; i != kNone;) {
      const uint32_t newer = slots_[i].newer;  // f may erase
      f(slots_[i].record);
      i = newer;
    }
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    SessionRecord record;
    uint32_t older = kNone, newer = kNone;
  };

  std::vector<Slot> slots_;
  std::unique_ptr<uint32_t[]> table_memory_;
  HandleTable table_;
  uint32_t oldest_ = kNone, newest_ = kNone;
};

}  // namespace sluice::engine
