// What the handlers of one request share. Private to net/turn.
#pragma once

#include "net/turn/server.h"

namespace sluice::turn {

struct Server::Request {
  const ClientKey& client;
  const stun::View& view;
  const PortSource& ports;
  MutBytes out;
  Micros now;
  uint32_t index = kNoAllocation;    ///< of the 5-tuple's allocation
  Allocation* allocation = nullptr;  ///< of the 5-tuple
  Allocation* holder = nullptr;      ///< whose MOBILITY-TICKET it brings
  Login user{};
  bool proven = false;  ///< authenticated
  Result result{};      ///< what happened so far

  uint32_t now_s() const { return seconds_of(now); }
  stun::Method method() const { return static_cast<stun::Method>(view.method()); }
  stun::Builder success() const { return reply(stun::Class::success); }
  stun::Builder error() const { return reply(stun::Class::error); }

 private:
  stun::Builder reply(stun::Class cls) const { return {out, cls, method(), view.transaction_id()}; }
};

}  // namespace sluice::turn
