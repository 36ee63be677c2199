// Refresh (RFC 8656 §8), from another 5-tuple too (RFC 8016 §3.2).
#include <algorithm>

#include "net/turn/request.h"

namespace sluice::turn {

using stun::Attr;

uint32_t Server::lifetime_for(const stun::View& view) const {
  const uint32_t wanted = view.u32(Attr::lifetime).value_or(config_.default_lifetime_s);
  return std::max(config_.default_lifetime_s, std::min(wanted, config_.max_lifetime_s));
}

Ticket Server::ticket_of(uint32_t index) const {
  return make_ticket(config_.crypto, config_.secrets.ticket,
                     {.shard = config_.shard,
                      .allocation = allocations_.handle(index),
                      .count = allocations_.find(index)->ticket});
}

// 0, or the error code. Afterwards the 5-tuple has an allocation.
uint16_t Server::follow_ticket(Request& rq) {
  const auto ticket = rq.view.find(Attr::mobility_ticket);
  if (!ticket || ticket->empty()) return rq.allocation == nullptr ? 437 : 0;
  if (!config_.mobility) return 405;
  if (rq.holder == nullptr) return 400;
  if (rq.holder->name_hash != rq.user.name_hash) return 441;
  if (rq.allocation == rq.holder) return 0;
  if (rq.allocation != nullptr) return 437;

  rq.allocation = rq.holder;
  rq.index = open_ticket(config_.crypto, config_.secrets.ticket, *ticket)->allocation.index;
  rq.result.event = Event::moved;
  rq.result.allocation = rq.index;
  rq.result.previous = rq.allocation->client;
  counters_.streams += rq.client.is_stream();
  counters_.streams -= rq.allocation->client.is_stream();
  rq.allocation->client = rq.client;
  ++rq.allocation->ticket;
  ++counters_.moved;
  return 0;
}

Result Server::refresh(Request& rq) {
  const auto family = rq.view.find(Attr::requested_address_family);
  if (family && family->size() != 4) return refuse(rq, 400);
  Allocation* target = rq.allocation != nullptr ? rq.allocation : rq.holder;
  // §8.2: the family must be one that the allocation has.
  if (family && target != nullptr) {
    const uint8_t f = (*family)[0];
    if (f != 1 && f != 2) return refuse(rq, 443);
    if (!target->has(static_cast<Family>(f))) return refuse(rq, 443);
  }
  if (const uint16_t code = follow_ticket(rq); code != 0) return refuse(rq, code);

  Allocation& a = *rq.allocation;
  uint32_t lifetime = 0;
  if (rq.view.u32(Attr::lifetime) == 0U) {
    const bool both = a.has(Family::v4) && a.has(Family::v6);
    if (!family || !both) return deleted(rq);
    drop_relay(a, static_cast<Family>((*family)[0]), rq.ports);
  } else {
    lifetime = lifetime_for(rq.view);
    a.ends = ends_at(rq.now, lifetime);
    timers_.schedule(rq.index, seconds(a.ends));
  }
  peers_.compact(a, rq.now_s());
  flush(a);
  ++counters_.refreshed;
  auto reply = rq.success();
  reply.u32(Attr::lifetime, lifetime);
  if (a.is(Allocation::kMobile) && rq.view.has(Attr::mobility_ticket))
    reply.attribute(Attr::mobility_ticket, ticket_of(rq.index));
  return answer(rq, reply, rq.index);
}

Result Server::deleted(Request& rq) {
  // After a move within the same request the flow to erase is still the one before it.
  if (rq.result.event != Event::moved) rq.result.previous = rq.client;
  rq.result.event = Event::closed;
  retire(rq.index, rq.ports);
  ++counters_.deleted;
  auto reply = rq.success();
  reply.u32(Attr::lifetime, 0);
  return answer(rq, reply, rq.index);
}

}  // namespace sluice::turn
