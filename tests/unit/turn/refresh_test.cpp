#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

Attributes ticket(Bytes t) {
  const std::vector<uint8_t> copy(t.begin(), t.end());
  return [copy](stun::Builder& b) { b.attribute(Attr::mobility_ticket, copy); };
}
std::vector<uint8_t> ticket_in(const Reply& r) {
  const Bytes t = r.view->find(Attr::mobility_ticket).value();
  return {t.begin(), t.end()};
}
Attributes family(uint8_t f) {
  return [f](stun::Builder& b) { b.u32(Attr::requested_address_family, uint32_t{f} << 24); };
}

}  // namespace

TEST_CASE("a refresh moves the end, lifetime 0 is the end") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK(c.refresh(600).code() == 437);
  const Reply made = c.allocate();
  REQUIRE(made.code() == 0);
  rig.now += seconds(500);
  const Reply r = c.refresh(1200);
  REQUIRE(r.code() == 0);
  CHECK(r.view->u32(Attr::lifetime) == 1200U);
  CHECK(c.call(Method::refresh).view->u32(Attr::lifetime) == 600U);
  rig.now += seconds(599);
  CHECK(rig.expire() == 0);
  const Reply gone = c.refresh(0);
  REQUIRE(gone.code() == 0);
  CHECK(gone.result.event == turn::Event::closed);
  CHECK(gone.view->u32(Attr::lifetime) == 0U);
  CHECK(gone.view->integrity_ok(crypto::kPrimitives, c.auth_key().bytes()));
  CHECK(rig.ports->open().empty());
  CHECK(rig.ports->broken_promises() == 0);
  CHECK(rig.server->owner_of({kRelay4, 50000}) == turn::kNoAllocation);
  CHECK(rig.server->next_deadline() == kNever);
  CHECK(c.refresh(600).code() == 437);
  CHECK(c.allocate().code() == 0);
}

TEST_CASE("an allocation ends by itself, and never early") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000"), d(rig, "203.0.113.5:4001");
  rig.now += micros(999'999);
  REQUIRE(c.allocate().code() == 0);
  rig.now += seconds(1);
  REQUIRE(d.allocate().code() == 0);
  rig.now += seconds(598) + micros(900'000);
  CHECK(rig.expire() == 0);
  CHECK(c.permit("203.0.113.9:1").code() == 0);
  rig.now += seconds(1) + micros(100'000);
  CHECK(rig.server->next_deadline() <= rig.now);
  CHECK(rig.expire() == 1);
  CHECK(c.permit("203.0.113.9:1").code() == 437);
  rig.now += seconds(2);
  CHECK(rig.expire() == 1);
  CHECK(rig.ports->open().empty());
  CHECK(rig.server->counters().expired == 2);
  CHECK(rig.server->counters().allocations == 0);
}

TEST_CASE("a client whose allocation is due gets a new one that outlives the old one's timer") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate().code() == 0);
  rig.now += seconds(602);
  const Reply refused = c.refresh(600);
  CHECK(refused.code() == 437);
  CHECK(refused.result.event == turn::Event::closed);
  REQUIRE(c.allocate().code() == 0);
  rig.now += seconds(700);
  REQUIRE(rig.flows.size() == 1);
  const Reply again = c.allocate();
  CHECK(again.code() == 0);
  CHECK(again.result.event == turn::Event::created);
  CHECK(rig.expire() == 0);
  CHECK(rig.flows.size() == 1);
  CHECK(rig.ports->open().size() == 1);
}

TEST_CASE("a dual allocation gives back one family and keeps the other") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  REQUIRE(c.allocate([](auto& b) { b.u32(Attr::additional_address_family, 2U << 24); }).code() == 0);
  CHECK(c.refresh(600, family(2)).code() == 0);
  const Reply half = c.refresh(0, family(2));
  REQUIRE(half.code() == 0);
  CHECK(half.result.event == turn::Event::none);
  CHECK(rig.ports->open().size() == 1);
  CHECK(c.refresh(600, family(2)).code() == 443);
  CHECK(c.refresh(600, family(7)).code() == 443);
  CHECK(c.permit("[2001:db8:9::1]:5").code() == 443);
  CHECK(c.refresh(0, family(1)).result.event == turn::Event::closed);
  CHECK(rig.ports->open().empty());
}

TEST_CASE("an allocation moves with its ticket to a new 5-tuple") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply made = c.allocate(ticket({}));
  REQUIRE(made.code() == 0);
  const auto first = ticket_in(made);
  REQUIRE(c.bind(0x4000, "203.0.113.9:7000").code() == 0);

  Client moved(rig, "192.0.2.77:999");
  const Reply r = moved.refresh(600, ticket(first));
  REQUIRE(r.code() == 0);
  CHECK(r.result.event == turn::Event::moved);
  CHECK(r.result.previous.remote == c.key.remote);
  CHECK(r.result.allocation == made.result.allocation);
  const auto second = ticket_in(r);
  CHECK(second != first);
  Slot slot(as_bytes("hello"));
  CHECK(rig.server->from_peer({kRelay4, 50000}, endpoint("203.0.113.9:7000"), slot.payload(), rig.now)
            .client.remote == moved.key.remote);
  CHECK(c.channel_data(0x4000, as_bytes("x")).drop == Drop::turn_no_allocation);
  CHECK(moved.channel_data(0x4000, as_bytes("x")).drop == Drop::none);
  CHECK(c.refresh(600).code() == 437);

  // The answer was lost: the same again, from the same place, with the ticket before.
  const Reply again = moved.refresh(600, ticket(first));
  CHECK(again.code() == 0);
  CHECK(again.result.event == turn::Event::none);
  CHECK(ticket_in(again) == second);
  Client third(rig, "192.0.2.78:1");
  CHECK(third.refresh(600, ticket(second)).code() == 0);
  Client thief(rig, "192.0.2.79:1");
  CHECK(thief.refresh(600, ticket(first)).code() == 400);
  CHECK(rig.server->counters().moved == 2);
  CHECK(rig.flows.size() == 1);
}

TEST_CASE("tickets are refused that are forged, foreign, of another user or of an allocation that is gone") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply made = c.allocate(ticket({}));
  auto good = ticket_in(made);
  Client d(rig, "192.0.2.77:999"), bob(rig, "192.0.2.77:998", "bob", "builder");
  for (size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= 1;
    CHECK(d.refresh(600, ticket(bad)).code() == 400);
  }
  CHECK(d.refresh(600, ticket(Bytes(good).first(31))).code() == 400);
  CHECK(bob.refresh(600, ticket(good)).code() == 441);
  Client busy(rig, "192.0.2.77:997");
  REQUIRE(busy.allocate().code() == 0);
  CHECK(busy.refresh(600, ticket(good)).code() == 437);
  CHECK(c.refresh(0).code() == 0);
  CHECK(d.refresh(600, ticket(good)).code() == 400);
  CHECK(rig.server->counters().moved == 0);
  // The slot is used again, by somebody else: another generation, another ticket.
  REQUIRE(bob.allocate(ticket({})).code() == 0);
  CHECK(d.refresh(600, ticket(good)).code() == 400);
}

TEST_CASE("mobility is asked for, and can be forbidden") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  CHECK_FALSE(c.allocate().view->has(Attr::mobility_ticket));
  Client d(rig, "203.0.113.5:4001");
  CHECK(d.allocate(ticket(as_bytes("x"))).code() == 400);
  Rig fixed([](turn::Config& k) { k.mobility = false; });
  Client e(fixed, "203.0.113.5:4000");
  CHECK(e.allocate(ticket({})).code() == 405);
  REQUIRE(e.allocate().code() == 0);
  CHECK(e.refresh(600, ticket(std::array<uint8_t, 32>{})).code() == 405);
}

TEST_CASE("a move with lifetime 0 ends the allocation and names the flow it had") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000"), d(rig, "192.0.2.77:999");
  const auto t = ticket_in(c.allocate(ticket({})));
  const Reply r = d.refresh(0, ticket(t));
  REQUIRE(r.code() == 0);
  CHECK(r.result.event == turn::Event::closed);
  CHECK(r.result.previous.remote == c.key.remote);
  CHECK(rig.flows.empty());
}

TEST_CASE("a ticket names its shard and hides the rest") {
  const std::array<uint8_t, 32> key{9};
  const turn::TicketFields fields{.shard = 5, .allocation = {1, 1}, .count = 0};
  const turn::Ticket t = turn::make_ticket(crypto::kPrimitives, key, fields);
  const auto open = turn::open_ticket(crypto::kPrimitives, key, t).value();
  CHECK(open.shard == 5);
  CHECK(open.allocation == Handle{1, 1});
  CHECK(load_be<uint32_t>(&t[4]) != 1);
  std::vector<uint8_t> m(256);
  stun::Builder b(m, stun::Class::request, Method::refresh, {});
  b.attribute(Attr::mobility_ticket, t);
  CHECK(turn::Server::shard_of(stun::View::parse(b.message()).value()) == 5);
}

TEST_CASE("closing, from outside, gives everything back") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000"), d(rig, "203.0.113.5:4001");
  const uint32_t index = c.allocate().result.allocation;
  CHECK(rig.server->close(index, rig.ports->source()));
  CHECK_FALSE(rig.server->close(index, rig.ports->source()));
  CHECK_FALSE(rig.server->close(12345, rig.ports->source()));
  REQUIRE(d.allocate([](auto& b) { b.attribute(Attr::even_port, std::array<uint8_t, 1>{0x80}); }).code() ==
          0);
  rig.server->close_all(rig.ports->source());
  CHECK(rig.ports->open().empty());
  CHECK(rig.ports->broken_promises() == 0);
  CHECK(rig.server->next_deadline() == kNever);
  CHECK(rig.server->counters().allocations == 0);
  CHECK(rig.server->counters().reservations == 0);
}
