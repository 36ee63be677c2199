// Allocate (RFC 8656 §7).
#include <algorithm>

#include "net/turn/request.h"

namespace sluice::turn {

using stun::Attr;

namespace {

constexpr uint32_t kUdp = 17;
/// What coturn and its clients use for ADDITIONAL-ADDRESS-FAMILY, which IANA has at 0x8000.
constexpr auto kCoturnAdditionalFamily = static_cast<Attr>(0x8032);

constexpr size_t index_of(Family f) { return static_cast<size_t>(f) - 1; }

}  // namespace

struct Server::AllocateWish {
  Family family = Family::v4;
  bool additional = false;  ///< IPv6 as well
  PortWish port = PortWish::any;
  bool mobile = false;
  std::optional<uint16_t> reservation;
};

// §7.2, the checks in order; 0 or the error code.
uint16_t Server::read_wish(const Request& rq, AllocateWish& wish) const {
  const stun::View& v = rq.view;
  const auto transport = v.u32(Attr::requested_transport);
  if (!transport) return 400;
  if (*transport >> 24 != kUdp) return 442;
  const auto family = v.find(Attr::requested_address_family), even = v.find(Attr::even_port),
             token = v.find(Attr::reservation_token);
  auto more = v.find(Attr::additional_address_family);
  if (!more) more = v.find(kCoturnAdditionalFamily);
  if ((token && (even || family || more)) || (family && more)) return 400;
  if (family) {
    if (family->size() != 4) return 400;
    if ((*family)[0] != 1 && (*family)[0] != 2) return 440;
    wish.family = static_cast<Family>((*family)[0]);
  }
  if (more) {
    if (more->size() != 4 || (*more)[0] != static_cast<uint8_t>(Family::v6)) return 400;
    wish.additional = true;
  }
  if (even) {
    if (even->size() != 1) return 400;
    const bool reserve = ((*even)[0] & 0x80) != 0;
    if (reserve && more) return 400;
    wish.port = reserve ? PortWish::even_and_next : PortWish::even;
  }
  if (token) {
    const auto value = v.u64(Attr::reservation_token);
    if (!value) return 400;
    wish.reservation = reservations_.find(*value, rq.user.user_hash);
    if (!wish.reservation) return 508;
  }
  if (const auto ticket = v.find(Attr::mobility_ticket)) {
    // RFC 8016 §3.1.2.
    if (!config_.mobility) return 405;
    if (!ticket->empty()) return 400;
    wish.mobile = true;
  }
  return 0;
}

uint16_t Server::take_relay(Family family, PortWish wish, uint32_t index, const PortSource& ports) {
  const auto of_family = [&](const Address& a) { return family_of(a) == family; };
  if (std::none_of(config_.relay_addresses.begin(), config_.relay_addresses.end(), of_family)) return 440;
  const auto relay = ports.take(family, wish);
  if (!relay) return 508;
  const auto at = std::find(config_.relay_addresses.begin(), config_.relay_addresses.end(), relay->addr);
  if (at == config_.relay_addresses.end() || !relays_.set(*relay, index)) {
    // The source broke its promise; better no allocation than one that gets another's packets.
    ports.give_back(*relay);
    if (wish == PortWish::even_and_next)
      ports.give_back({relay->addr, static_cast<uint16_t>(relay->port + 1)});
    return 508;
  }
  Allocation& a = *allocations_.find(index);
  a.relay_port[index_of(family)] = relay->port;
  a.relay_address[index_of(family)] = static_cast<uint8_t>(at - config_.relay_addresses.begin());
  return 0;
}

// §7.2: of an IPv4 and an IPv6 address asked for together one is enough, with ADDRESS-ERROR-CODE for the
// other.
uint16_t Server::take_relays(const Request& rq, const AllocateWish& wish, uint32_t index) {
  Allocation& a = *allocations_.find(index);
  if (wish.reservation) {
    const Endpoint relay = reservations_.at(*wish.reservation)->relay;
    const auto at = std::find(config_.relay_addresses.begin(), config_.relay_addresses.end(), relay.addr);
    if (!relays_.set(relay, index)) return 508;
    a.relay_port[index_of(family_of(relay.addr))] = relay.port;
    a.relay_address[index_of(family_of(relay.addr))] =
        static_cast<uint8_t>(at - config_.relay_addresses.begin());
    timers_.cancel(allocations_.capacity() + *wish.reservation);
    reservations_.drop(*wish.reservation);
    --counters_.reservations;
    return 0;
  }
  const uint16_t first = take_relay(wish.family, wish.port, index, rq.ports);
  if (!wish.additional) return first;
  const uint16_t second = take_relay(Family::v6, wish.port, index, rq.ports);
  if (first != 0 && second != 0) return std::max(first, second);
  if (const uint16_t failed = std::max(first, second); failed != 0)
    a.failed_family = static_cast<uint8_t>(failed - 400);
  return 0;
}

// §7.2: the port above an even one is kept for who brings the token.
void Server::reserve_next(const Request& rq, uint32_t index) {
  Allocation& a = *allocations_.find(index);
  Endpoint next = relay_of(a, a.has(Family::v4) ? Family::v4 : Family::v6);
  ++next.port;
  const auto slot = reservations_.add(next, rq.user.user_hash, config_.random.u64());
  if (!slot) return rq.ports.give_back(next);
  a.reservation = *slot;
  a.flags |= Allocation::kReserved;
  timers_.schedule(allocations_.capacity() + *slot, seconds(ends_at(rq.now, kReservationSeconds)));
  ++counters_.reservations;
}

Result Server::allocate(Request& rq) {
  if (rq.allocation != nullptr) {
    // §7.2: the same transaction again is a retransmission whose answer was lost.
    if (rq.allocation->tid == rq.view.transaction_id()) return allocated(rq, rq.index);
    return refuse(rq, 437);
  }
  AllocateWish wish;
  if (const uint16_t code = read_wish(rq, wish); code != 0) return refuse(rq, code);
  if (rq.view.has(Attr::dont_fragment) && !config_.dont_fragment) {
    const std::array<uint16_t, 1> unknown{static_cast<uint16_t>(Attr::dont_fragment)};
    return refuse(rq, 420, unknown);
  }
  if (draining_ || (wish.port == PortWish::even_and_next && reservations_.full())) return refuse(rq, 508);
  if (!count_in(rq.user.user_hash)) return refuse(rq, 486);
  const Handle h = allocations_.take();
  const uint16_t code = h ? take_relays(rq, wish, h.index) : uint16_t{508};
  if (code != 0) {
    if (h) allocations_.drop(h.index);
    if (config_.quota) config_.quota.give_back(rq.user.user_hash);
    return refuse(rq, code);
  }

  Allocation& a = *allocations_.find(h.index);
  a.client = rq.client;
  a.made = rq.now_s();
  a.key = rq.user.key;
  a.name_hash = rq.user.name_hash;
  a.account = accounts_.join(rq.user.user_hash);
  a.tid = rq.view.transaction_id();
  if (wish.mobile) a.flags |= Allocation::kMobile;
  if (wish.port == PortWish::even_and_next) reserve_next(rq, h.index);
  a.ends = ends_at(rq.now, lifetime_for(rq.view));
  timers_.schedule(h.index, seconds(a.ends));
  ++counters_.allocations;
  ++counters_.created;
  counters_.streams += rq.client.is_stream();
  rq.result.event = Event::created;
  return allocated(rq, h.index);
}

Result Server::allocated(Request& rq, uint32_t index) {
  const Allocation& a = *allocations_.find(index);
  auto reply = rq.success();
  for (const Family f : {Family::v4, Family::v6})
    if (a.has(f)) reply.xor_address(Attr::xor_relayed_address, relay_of(a, f));
  reply.u32(Attr::lifetime, a.ends - ends_at(rq.now, 0));
  if (a.is(Allocation::kReserved)) {
    // In a retransmission the port may have found its owner meanwhile, and the slot another one.
    const Reservation* r = reservations_.at(a.reservation);
    const Endpoint relay = relay_of(a, a.has(Family::v4) ? Family::v4 : Family::v6);
    if (r != nullptr && r->relay.addr == relay.addr && r->relay.port == relay.port + 1)
      reply.u64(Attr::reservation_token, r->token);
  }
  reply.xor_address(Attr::xor_mapped_address, rq.client.remote);
  if (a.failed_family != 0) {
    // RFC 8656 §18.11: family, class and number as in ERROR-CODE.
    const uint32_t code = 400U + a.failed_family;
    const uint32_t family = static_cast<uint32_t>(a.has(Family::v4) ? Family::v6 : Family::v4);
    reply.u32(Attr::address_error_code, (family << 24) | ((code / 100) << 8) | (code % 100));
  }
  if (a.is(Allocation::kMobile)) reply.attribute(Attr::mobility_ticket, ticket_of(index));
  return answer(rq, reply, index);
}

}  // namespace sluice::turn
