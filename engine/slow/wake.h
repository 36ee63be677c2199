// How one thread tells another that its ring is no longer empty.
#pragma once

namespace sluice::slow {

/// Must not block; called often.
struct Wake {
  void (*fn)(void* user) = nullptr;
  void* user = nullptr;
  void operator()() const {
    if (fn != nullptr) fn(user);
  }
};

}  // namespace sluice::slow
