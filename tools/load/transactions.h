// STUN requests and their answers (RFC 8489 §6.2.1, §6.3): which session an answer belongs to, and when to
// ask again.
#pragma once

#include <optional>

#include "net/stun/message.h"
#include "tools/load/schedule.h"

namespace sluice::load {

inline constexpr Nanos kFirstTimeout = kSecond / 2;
inline constexpr int kMaxTries = 6;  ///< given up after 23.5 s

/// The request that a session waits for.
struct Transaction {
  uint32_t serial = 0;  ///< of the session's requests
  uint8_t tries = 0;    ///< 0: none is under way

  void begin() {
    ++serial;
    tries = 0;
  }
  bool pending() const { return tries > 0; }
  bool exhausted() const { return tries >= kMaxTries; }
  /// Counts a transmission; how long to wait for its answer.
  Nanos transmit() { return kFirstTimeout << std::min<int>(tries++, 4); }
  void end() { tries = 0; }

  stun::TransactionId id(uint32_t run, uint32_t session) const {
    stun::TransactionId out{};
    store_be<uint32_t>(out.data(), run);
    store_be<uint32_t>(out.data() + 4, session);
    store_be<uint32_t>(out.data() + 8, serial);
    return out;
  }
};

struct TransactionName {
  uint32_t session = 0, serial = 0;
};
/// Nothing if the id is of another run.
inline std::optional<TransactionName> name_of(const stun::TransactionId& id, uint32_t run) {
  if (load_be<uint32_t>(id.data()) != run) return std::nullopt;
  return TransactionName{load_be<uint32_t>(id.data() + 4), load_be<uint32_t>(id.data() + 8)};
}

}  // namespace sluice::load
