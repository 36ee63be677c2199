// What an address gets that has proven nothing.
#include <doctest/doctest.h>

#include "tests/unit/turn/rig.h"

using namespace sluice;
using namespace sluice::test;

namespace {

struct Ratio {
  size_t in = 0, out = 0;
  double value() const { return static_cast<double>(out) / static_cast<double>(in); }
};

// Every request that a stranger can think of: each method, with each set of attributes, claimed credentials
// of every degree of completeness, with and without FINGERPRINT.
template <class F>
void each_request(Client& c, F&& f) {
  const std::array<std::pair<Attr, size_t>, 12> optional{{{Attr::requested_transport, 4},
                                                          {Attr::lifetime, 4},
                                                          {Attr::even_port, 1},
                                                          {Attr::dont_fragment, 0},
                                                          {Attr::requested_address_family, 4},
                                                          {Attr::xor_peer_address, 8},
                                                          {Attr::channel_number, 4},
                                                          {static_cast<Attr>(0x0003), 4},
                                                          {static_cast<Attr>(0x7001), 0},
                                                          {Attr::username, 5},
                                                          {Attr::realm, 11},
                                                          {Attr::nonce, 24}}};
  for (uint16_t method = 0; method < 16; ++method)
    for (uint32_t set = 0; set < 1U << optional.size(); ++set)
      for (const bool integrity : {false, true})
        for (const bool fingerprint : {false, true}) {
          std::array<uint8_t, 512> memory;
          stun::Builder b(memory, stun::Class::request, static_cast<Method>(method), c.next_tid());
          const std::array<uint8_t, 24> zeros{};
          for (size_t i = 0; i < optional.size(); ++i)
            if ((set >> i & 1) != 0) b.attribute(optional[i].first, Bytes(zeros).first(optional[i].second));
          if (integrity) b.integrity(stun::Integrity::sha1, crypto::kPrimitives, as_bytes("guess"));
          if (fingerprint) b.fingerprint();
          f(b.message());
        }
}

Ratio worst(Rig& rig, std::string_view from) {
  Client c(rig, from);
  Ratio worst{1, 0};
  each_request(c, [&](Bytes m) {
    const Reply r = c.send(m);
    const Ratio ratio{m.size(), r.bytes.size()};
    if (ratio.value() > worst.value()) worst = ratio;
  });
  return worst;
}

void without_admission(turn::Config& k) { k.limits.admission_lines = 0; }

}  // namespace

TEST_CASE("no request of a stranger is answered with more than three times its bytes") {
  Rig rig(without_admission);
  const Ratio v4 = worst(rig, "203.0.113.5:4000"), v6 = worst(rig, "[2001:db8:9::9]:4000");
  MESSAGE("worst ratio over IPv4 " << v4.out << "/" << v4.in << ", over IPv6 " << v6.out << "/" << v6.in);
  CHECK(v4.value() <= 3.0);
  CHECK(v6.value() <= 3.0);
  CHECK(rig.server->counters().allocations == 0);
}

TEST_CASE("that holds for the longest realm too") {
  Rig rig([](turn::Config& k) {
    without_admission(k);
    k.realm = "a.realm.of.24.characters";
  });
  CHECK(worst(rig, "203.0.113.5:4000").value() <= 3.0);
  // The shortest request that a client sends gets a challenge, if one without algorithms.
  Client c(rig, "203.0.113.5:4000");
  const Reply shortest = c.send(c.plain(Method::allocate, Client::udp));
  REQUIRE(shortest.code() == 401);
  CHECK_FALSE(shortest.view->has(Attr::password_algorithms));
  CHECK(as_text(shortest.view->find(Attr::nonce).value()).substr(0, 13) == "obMatJos2AAAA");
  const Reply longer =
      c.send(c.plain(Method::allocate, [](auto& b) { Client::udp(b), b.u32(Attr::lifetime, 600); }));
  CHECK(longer.view->has(Attr::password_algorithms));
  c.learn(shortest);
  CHECK(c.allocate().code() == 0);
}

TEST_CASE("what browsers send first is answered with these bytes") {
  Rig rig([](turn::Config& k) { k.realm = "sluice"; });
  Client c(rig, "203.0.113.5:4000");
  const auto bare = c.plain(Method::allocate, Client::udp);
  CHECK(bare.size() == 28);
  CHECK(c.send(bare).bytes.size() == 76);
  const auto long_enough = c.plain(Method::allocate, [](auto& b) {
    Client::udp(b);
    b.attribute(Attr::software, std::array<uint8_t, 68>{});
  });
  const Reply r = c.send(long_enough);
  CHECK(r.bytes.size() <= long_enough.size());
  CHECK(r.view->error_code()->reason == "Unauthenticated");
}

TEST_CASE("a stranger's neighbourhood is limited, a known client and a stream are not") {
  Rig rig([](turn::Config& k) { k.admission = {.bytes_per_second = 1000, .burst_bytes = 2000}; });
  Client known(rig, "203.0.113.5:4000");
  REQUIRE(known.allocate().code() == 0);
  Client flood(rig, "203.0.113.77:1");
  size_t answered = 0;
  for (int i = 0; i < 1000; ++i)
    answered += flood.send(flood.plain(Method::allocate, Client::udp)).result.reply != 0;
  CHECK(answered < 30);
  CHECK(flood.send(flood.plain(Method::binding)).result.drop == Drop::rate_limited);
  CHECK(known.refresh(600).code() == 0);
  CHECK(known.permit("203.0.113.9:1").code() == 0);
  Client far(rig, "198.51.100.9:1");
  CHECK(far.send(far.plain(Method::binding)).code() == 0);
  flood.key.ifindex = turn::kStreamClient | 1;
  CHECK(flood.send(flood.plain(Method::allocate, Client::udp)).code() == 401);
}

TEST_CASE("a binding request is answered with the address it came from") {
  Rig rig;
  for (const char* from : {"203.0.113.5:4000", "[2001:db8:9::9]:4000"}) {
    Client c(rig, from);
    const Reply r = c.send(c.plain(Method::binding));
    REQUIRE(r.code() == 0);
    CHECK(r.view->xor_address() == c.key.remote);
    CHECK_FALSE(r.view->has_fingerprint());
    std::array<uint8_t, 64> memory;
    stun::Builder b(memory, stun::Class::request, Method::binding, {});
    b.fingerprint();
    const Reply f = c.send(b.message());
    CHECK(f.view->fingerprint_ok());
    memory[26] ^= 1;
    CHECK(c.send(b.message()).result.drop == Drop::stun_bad_fingerprint);
  }
  CHECK(rig.server->counters().bindings == 4);
}

TEST_CASE("CHANGE-REQUEST, which needs a second address, is refused by name") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply r = c.send(c.plain(Method::binding, [](auto& b) { b.u32(static_cast<Attr>(0x0003), 6); }));
  REQUIRE(r.code() == 420);
  std::array<uint16_t, 2> unknown;
  REQUIRE(r.view->unknown_attributes(unknown) == 1);
  CHECK(unknown[0] == 0x0003);
}

TEST_CASE("other methods and classes are no requests to this server") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  for (const uint16_t method : std::array<uint16_t, 7>{0x002, 0x005, 0x006, 0x007, 0x00A, 0x00B, 0xFFF})
    CHECK(c.send(c.plain(static_cast<Method>(method))).code() == 400);
  for (const auto cls : {stun::Class::indication, stun::Class::success, stun::Class::error})
    CHECK(c.send(c.plain(Method::allocate, {}, cls)).result.drop == Drop::stun_unexpected_response);
}

TEST_CASE("a client that has proven itself reads why") {
  Rig rig;
  Client c(rig, "203.0.113.5:4000");
  const Reply r = c.refresh(600);
  CHECK(r.view->error_code()->reason == "Allocation Mismatch");
  CHECK(r.view->integrity_ok(crypto::kPrimitives, c.auth_key().bytes()));
}

TEST_CASE("an allocation costs at most a kibibyte") {
  turn::Limits l;
  for (const uint32_t n : {1000U, 16384U, 100'000U}) {
    l.allocations = n;
    l.peer_nodes = n / 2;
    l.admission_lines = 0;
    l.port_lo = 1024;
    l.port_hi = 1023;  // the map of ports is by range, not by allocation
    const auto each = turn::Server::bytes_for(l) / n;
    MESSAGE(n << " allocations: " << each << " bytes each");
    CHECK(each <= 512);
  }
}
