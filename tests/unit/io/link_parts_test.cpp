// The parts of accelerated transmit that need no network.
#include <random>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "net/io/link/hops.h"
#include "net/io/link/netlink.h"
#include "net/io/link/path_cache.h"
#include "net/io/link/ways.h"
#include "tests/unit/io/rig.h"

namespace sluice::io::link {
namespace {

Address nth(uint32_t i) { return Address::v4(0x0a00'0000u + i); }

TEST_CASE("a neighbour's word holds its MAC address, its marks and its tag") {
  const HopState s{.mac = {1, 2, 3, 0xfe, 0xff, 6}, .usable = true, .validate = true, .tag = kHopTagMask};
  const HopState t = unpack(pack(s));
  CHECK(t.mac == s.mac);
  CHECK(t.usable);
  CHECK(t.validate);
  CHECK(t.tag == s.tag);
  CHECK_FALSE(unpack(pack(s) & ~kHopValidate).validate);
  CHECK(unpack(pack(s) & ~kHopValidate).usable);
  CHECK_FALSE(unpack(0).usable);
}

TEST_CASE("a path in use keeps its place; one idle for two epochs gives it up") {
  PathCache cache(PathCache::kWays, 1);  // one place
  const Address me = nth(0);
  const uint32_t set = cache.set_of(me, nth(1));
  PathEntry* a = cache.place(me, nth(1), set, 10);
  PathEntry* b = cache.place(me, nth(2), set, 10);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a != b);
  CHECK_FALSE(cache.place(me, nth(3), set, 10));
  CHECK_FALSE(cache.place(me, nth(3), set, 11));
  a->used = 11;
  CHECK(cache.place(me, nth(3), set, 12) == b);
  CHECK(cache.find(me, nth(1)) == a);
  CHECK_FALSE(cache.find(me, nth(2)));
  CHECK(cache.find(me, nth(3)) == b);
  CHECK(b->state == PathEntry::State::fresh);
  // A path is a pair: the same destination from elsewhere is another one.
  CHECK_FALSE(cache.find(nth(9), nth(1)));
}

TEST_CASE("a cache filled to a quarter has room for nearly every path") {
  PathCache cache(4096, 0x1234'5678'9abc'def0);
  uint32_t placed = 0;
  for (uint32_t i = 0; i < 1024; ++i)
    placed += cache.place(nth(0), nth(i), cache.set_of(nth(0), nth(i)), 1) != nullptr;
  CHECK(placed > 960);
}

std::vector<uint8_t> neighbour_message(Bytes address, Bytes mac) {
  ndmsg m{};
  m.ndm_family = address.size() == 4 ? AF_INET : AF_INET6;
  m.ndm_ifindex = 5;
  m.ndm_state = NUD_STALE;
  std::vector<uint8_t> b(sizeof m);
  std::memcpy(b.data(), &m, sizeof m);
  const auto add = [&](uint16_t type, Bytes v) {
    const rtattr a{.rta_len = static_cast<uint16_t>(RTA_LENGTH(v.size())), .rta_type = type};
    const size_t at = b.size();
    b.resize(at + RTA_SPACE(v.size()));
    std::memcpy(&b[at], &a, sizeof a);
    std::copy_n(v.data(), v.size(), &b[at + sizeof a]);
  };
  add(NDA_DST, address);
  add(NDA_LLADDR, mac);
  return b;
}

using Kind = KnownRoute::Kind;

KnownRoute route(std::string_view prefix, uint8_t bits, Kind kind, uint16_t hop = 0) {
  KnownRoute r{.prefix = *parse_address(prefix), .bits = bits, .kind = kind, .hop = {}};
  r.hop.hop = hop;
  return r;
}

TEST_CASE("the first route that covers an address decides, and only from an address of this host") {
  Ways w;
  for (const KnownRoute& r :
       {route("192.0.2.1", 128, Kind::own), route("2001:db8::1", 128, Kind::own),
        route("198.51.100.0", 96 + 28, Kind::ask), route("198.51.100.0", 96 + 23, Kind::gateway, 2),
        route("0.0.0.0", 96, Kind::gateway, 1), route("::", 0, Kind::gateway, 3)})
    w.routes[w.n++] = r;
  const auto hop = [&](std::string_view from, std::string_view to) {
    const auto found = w.find(*parse_address(from), *parse_address(to));
    return found ? static_cast<int>(found->hop) : -1;
  };
  CHECK(hop("192.0.2.1", "203.0.113.1") == 1);
  CHECK(hop("192.0.2.1", "198.51.101.255") == 2);
  CHECK(hop("192.0.2.1", "198.51.102.0") == 1);
  CHECK(hop("192.0.2.1", "198.51.100.16") == 2);
  CHECK(hop("192.0.2.1", "198.51.100.15") == -1);
  CHECK(hop("192.0.2.1", "192.0.2.1") == -1);
  CHECK(hop("192.0.2.2", "203.0.113.1") == -1);
  CHECK(hop("2001:db8::1", "2001:db8:1::1") == 3);
  CHECK(hop("2001:db8::1", "203.0.113.1") == -1);
  CHECK(hop("192.0.2.1", "2001:db8:1::1") == -1);
  // No default route leads to the unspecified address.
  CHECK(hop("192.0.2.1", "0.0.0.0") == -1);
  CHECK(hop("2001:db8::1", "::") == -1);
}

TEST_CASE("what was taken from ways holds until a route in front of them decides otherwise") {
  const KnownRoute multicast = route("ff00::", 8, Kind::ask), link_local = route("fe80::", 10, Kind::ask);
  const KnownRoute mine = route("192.0.2.1", 128, Kind::own);
  const KnownRoute narrow = route("100.64.0.0", 96 + 16, Kind::gateway, 1);
  const KnownRoute rest = route("0.0.0.0", 96, Kind::gateway, 2), rest6 = route("::", 0, Kind::gateway, 3);
  const std::vector<KnownRoute> before{multicast, link_local, mine, narrow, rest, rest6};
  const auto with = [&](size_t at, const KnownRoute& r) {
    auto now = before;
    now.insert(now.begin() + static_cast<ptrdiff_t>(at), r);
    return may_mislead(before, now);
  };
  const auto without = [&](size_t at) {
    auto now = before;
    now.erase(now.begin() + static_cast<ptrdiff_t>(at));
    return may_mislead(before, now);
  };
  CHECK_FALSE(may_mislead(before, before));
  CHECK_FALSE(may_mislead({}, before));
  for (const size_t used : {2u, 3u, 4u, 5u}) CHECK(without(used));
  for (const size_t asked : {0u, 1u}) CHECK_FALSE(without(asked));
  CHECK(with(3, route("100.64.7.0", 96 + 24, Kind::gateway, 4)));
  CHECK(with(3, route("198.51.100.0", 96 + 24, Kind::ask)));
  // Local addresses are looked at before any way, however narrow: here all of a way's are this host's now.
  CHECK(with(2, route("100.64.0.0", 96 + 10, Kind::ask)));
  CHECK(with(2, route("192.0.2.2", 128, Kind::own)));
  // In the main table the longer prefix goes first.
  auto now = before;
  now.erase(now.begin() + 4);
  CHECK_FALSE(may_mislead(now, before));
  // What every interface brings is asked for anyhow.
  CHECK_FALSE(with(3, route("fe80::", 64, Kind::ask)));
  CHECK_FALSE(with(2, route("fe80::5", 128, Kind::own)));
  CHECK_FALSE(with(2, route("ff00::", 8, Kind::ask)));
  CHECK(with(3, route("2001:db8::", 64, Kind::ask)));
}

TEST_CASE("a neighbour's announcement is read whole, and cut short at any byte does no harm") {
  const MacAddress mac{2, 0, 0, 0, 0, 9};
  const auto b = neighbour_message(Bytes(nth(7).b).subspan(12), mac);
  const auto n = parse_neighbour(b);
  REQUIRE(n);
  CHECK(n->address == nth(7));
  CHECK(n->ifindex == 5);
  CHECK(n->mac == mac);
  CHECK(n->usable());
  for (size_t len = 0; len < b.size(); ++len) {
    const std::vector<uint8_t> cut(b.begin(), b.begin() + static_cast<ptrdiff_t>(len));
    const auto less = parse_neighbour(cut);
    if (less) CHECK_FALSE((less->usable() && less->mac != mac));
  }
  auto failed = *n;
  failed.state = NUD_FAILED;
  CHECK_FALSE(failed.usable());
  failed = *n;
  failed.mac.reset();
  CHECK_FALSE(failed.usable());
}

TEST_CASE("a dump is whole only where the kernel says so") {
  const auto message = [](uint16_t type, uint16_t flags, int body) {
    const MessageHeader h{
        .len = sizeof h + sizeof body, .type = type, .flags = flags, .sequence = 0, .port = 0};
    std::vector<uint8_t> b(h.len);
    std::memcpy(b.data(), &h, sizeof h);
    std::memcpy(&b[sizeof h], &body, sizeof body);
    return b;
  };
  const auto row = message(RTM_NEWROUTE, NLM_F_MULTI, 5);
  int rows = 0;
  const auto read = [&](std::vector<uint8_t> last, bool go_on = true) {
    last.insert(last.begin(), row.begin(), row.end());
    rows = 0;
    return read_dump(last, [&](Bytes) { return ++rows, go_on; });
  };
  CHECK_FALSE(read(row));
  CHECK(rows == 2);
  CHECK(read(message(NLMSG_DONE, NLM_F_MULTI, 0)) == 0);
  CHECK(rows == 1);
  CHECK(read(message(NLMSG_DONE, NLM_F_MULTI, -ENOMEM)) == ENOMEM);
  CHECK(read(message(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, 0)) == EINTR);
  CHECK(read(message(RTM_NEWROUTE, NLM_F_MULTI | NLM_F_DUMP_INTR, 5)) == EINTR);
  CHECK(read(message(NLMSG_ERROR, 0, -EPERM)) == EPERM);
  CHECK(read(message(NLMSG_DONE, NLM_F_MULTI, 0), false) == ECANCELED);
}

TEST_CASE("no bytes make a parser of announcements read past their end") {
  std::mt19937 random(3549);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> b(random() % 96);
    for (uint8_t& x : b) x = static_cast<uint8_t>(random() % 3 ? random() % 20 : random());
    for_each_message(b, [](const MessageHeader&, Bytes body) { CHECK(body.size() <= 96 - 16); });
    parse_route(b);
    parse_link(b);
    parse_neighbour(b);
    parse_address_message(b);
  }
}

}  // namespace
}  // namespace sluice::io::link
