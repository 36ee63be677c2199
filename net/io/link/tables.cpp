#include "net/io/link/tables.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <linux/rtnetlink.h>

namespace sluice::io::link {
namespace {

using Kind = KnownRoute::Kind;

/// More routes than that are not even read to their end.
constexpr size_t kMostRead = 1024;

/// 0 if those of the local and the main table are there, and no others but that of the default table; as
/// dump().
int only_usual_rules(bool ipv4) {
  bool local = false, main = false;
  const int error = dump(RTM_GETRULE, ipv4, [&](Bytes body) {
    const auto table = usual_rule(body);
    local |= table == RT_TABLE_LOCAL;
    main |= table == RT_TABLE_MAIN;
    return table.has_value();
  });
  return error != 0 || (local && main) ? error : ECANCELED;
}

bool same_prefix(const RouteInfo& a, const RouteInfo& b) {
  return a.prefix_bits == b.prefix_bits && a.prefix == b.prefix && a.prefix.is_v4() == b.prefix.is_v4();
}

Kind kind_of(const TableRoute& t) {
  constexpr uint8_t kHost = 128;
  const RouteInfo& r = t.route;
  // RFC 1122 §3.2.1.3, RFC 4291 §2.5.3: no source of what leaves the host.
  const bool is_source = r.type == RTN_LOCAL && r.prefix_bits == kHost && !r.prefix.is_loopback();
  if (t.table == RT_TABLE_LOCAL) return is_source ? Kind::own : Kind::ask;
  const bool one_way = t.plain && r.type == RTN_UNICAST && !r.dead && !r.encapsulated && r.gateway;
  return one_way ? Kind::gateway : Kind::ask;
}

/// What no gateway is for, whatever the tables say: multicast, broadcast, link-local and this network.
void add_special(bool ipv4, std::vector<TableRow>& into) {
  const auto ask = [&](const Address& prefix, uint8_t bits) {
    RouteInfo r;
    r.prefix = prefix;
    r.prefix_bits = bits;
    into.push_back({.route = r, .kind = Kind::ask});
  };
  if (ipv4) return ask(Address::v4(0xe000'0000), 96 + 3), ask(Address::v4(uint32_t{0}), 96 + 8);
  Address a;
  a.b = {0xff};
  ask(a, 8);
  a.b = {0xfe, 0x80};
  ask(a, 10);
}

/// The table of local addresses is looked at first, then the longest prefix of the main one. As dump().
int read_family(bool ipv4, std::vector<TableRow>& into) {
  const int rules = only_usual_rules(ipv4);
  if (rules == EAFNOSUPPORT) return 0;  // ipv6.disable=1
  if (rules != 0) return rules;
  std::vector<TableRow> main;
  size_t read = 0;
  bool simple = true;
  add_special(ipv4, into);
  const int error = dump(RTM_GETROUTE, ipv4, [&](Bytes body) {
    const auto t = parse_table_route(body);
    if (!t) return true;
    const TableRow row{.route = t->route, .kind = kind_of(*t)};
    if (t->table == RT_TABLE_LOCAL) into.push_back(row);
    if (t->table == RT_TABLE_MAIN) main.push_back(row);
    simple &= t->table != RT_TABLE_DEFAULT;
    return simple && ++read <= kMostRead;
  });
  // Of several routes to one prefix the kernel takes the one that it prefers, while that works.
  for (TableRow& row : main)
    if (std::ranges::count_if(main, [&](const TableRow& m) { return same_prefix(m.route, row.route); }) > 1)
      row.kind = Kind::ask;
  std::ranges::sort(main, std::ranges::greater{},
                           [](const TableRow& row) { return row.route.prefix_bits; });
  std::ranges::move(main, std::back_inserter(into));
  return simple ? error : ECANCELED;
}

}  // namespace

std::expected<std::vector<TableRow>, Unread> read_tables(size_t most) {
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    std::vector<TableRow> rows;
    int error = read_family(true, rows);
    if (error == 0) error = read_family(false, rows);
    if (error == ECANCELED || rows.size() > most) return std::unexpected(Unread::not_simple);
    if (error == 0) return rows;
    if (error != EINTR) break;
  }
  return std::unexpected(Unread::failed);
}

}  // namespace sluice::io::link
