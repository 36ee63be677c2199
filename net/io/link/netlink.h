// rtnetlink by hand: requests, and what the kernel answers or announces, as values. Control threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/endpoint.h"
#include "net/io/backend.h"
#include "net/io/link/path.h"
#include "net/io/socket.h"

namespace sluice::io::link {

/// RTM_NEWROUTE or RTM_DELROUTE, or what a look-up gave.
struct RouteInfo {
  Address prefix;           ///< of an announcement
  uint8_t prefix_bits = 0;  ///< of `prefix` as an IPv6 address: 96 more for IPv4
  uint8_t type = 0;         ///< RTN_UNICAST, RTN_LOCAL, ...
  uint32_t ifindex = 0;
  bool dead = false;                    ///< the kernel would not use it now
  bool encapsulated = false;            ///< MPLS, SRv6 and the like
  std::optional<Address> gateway = {};  ///< of either family (RFC 5549)
  uint32_t mtu = 0;                     ///< 0: the interface's
  uint8_t hop_limit = 0;                ///< 0: the host's
};

struct LinkInfo {
  uint32_t ifindex = 0;
  std::string name = {};
  std::string kind = {};  ///< "veth", "ipvlan", ...; empty for a card
  uint16_t type = 0;      ///< ARPHRD_ETHER, ...
  uint32_t flags = 0;     ///< IFF_UP, ...
  uint32_t mtu = 0;
  std::optional<MacAddress> mac = {};

  bool operator==(const LinkInfo&) const = default;
};

struct NeighbourInfo {
  uint32_t ifindex = 0;
  Address address = {};
  uint16_t state = 0;  ///< NUD_REACHABLE, ...
  std::optional<MacAddress> mac = {};

  /// The states in which the kernel itself would send to the MAC address.
  bool usable() const;
};

/// A route of a table, as a dump of all tells it.
struct TableRoute {
  RouteInfo route;
  uint32_t table = 0;  ///< RT_TABLE_MAIN, ...
  bool plain = false;  ///< one way for whoever asks: no choice of several, no source, no type of service
};

// The bodies of messages, without the netlink header. Empty: cut short, or of another family.
std::optional<RouteInfo> parse_route(Bytes body);
std::optional<LinkInfo> parse_link(Bytes body);
std::optional<NeighbourInfo> parse_neighbour(Bytes body);
/// RTM_DELADDR's address.
std::optional<Address> parse_address_message(Bytes body);
/// Empty also for a copy that the kernel keeps for one destination.
std::optional<TableRoute> parse_table_route(Bytes body);
/// The table of a rule that is one of those that every host begins with: local, main, default.
std::optional<uint32_t> usual_rule(Bytes body);

/// f(Bytes body) for everything of one kind (RTM_GETROUTE, RTM_GETRULE) and family, asked for by a socket of
/// its own. 0, or an errno; ECANCELED: f said false; EINTR: it changed meanwhile, so ask again.
int dump(uint16_t type, bool ipv4, const std::function<bool(Bytes)>& f);
/// The same for one datagram of the answer. Empty: there is more to come.
std::optional<int> read_dump(Bytes datagram, const std::function<bool(Bytes)>& f);

/// Asks one thing at a time and waits for the answer, a second at most. The error is an errno.
class Asker {
 public:
  static std::expected<Asker, IoError> open();

  /// `source` unspecified: whatever the kernel would take.
  std::expected<RouteInfo, int> route(const Address& source, const Address& destination);
  std::expected<LinkInfo, int> link(uint32_t ifindex);
  /// ENOENT: not resolved, nor being so.
  std::expected<NeighbourInfo, int> neighbour(uint32_t ifindex, const Address& address);

 private:
  explicit Asker(Fd fd) : fd_(std::move(fd)), buffer_(32'768) {}
  std::expected<Bytes, int> ask(std::span<std::byte> request, uint16_t answer_type);
  std::expected<Bytes, int> answer(uint32_t sequence, uint16_t type);

  Fd fd_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

/// What the kernel announces.
class Announcements {
 public:
  enum class Read : uint8_t { nothing, some, lost };

  /// Neighbours, links, addresses, routes, rules and nexthops of both families.
  static std::expected<Announcements, IoError> open();
  int fd() const { return fd_.get(); }

  /// Calls f(uint16_t type, Bytes body) for what is waiting, without waiting. `lost`: the kernel had more to
  /// say than the socket could hold, so nothing that was known may be relied on.
  template <class F>
  Read read(F&& f);

 private:
  explicit Announcements(Fd fd) : fd_(std::move(fd)), buffer_(65'536) {}
  /// The next datagram's messages; an errno.
  std::expected<Bytes, int> receive();

  Fd fd_;
  std::vector<uint8_t> buffer_;
};

/// struct nlmsghdr of <linux/netlink.h>.
struct MessageHeader {
  uint32_t len;
  uint16_t type;
  uint16_t flags;
  uint32_t sequence;
  uint32_t port;
};

/// f(const MessageHeader&, Bytes body) for each message of a datagram.
template <class F>
void for_each_message(Bytes datagram, F&& f) {
  MessageHeader h;
  while (datagram.size() >= sizeof h) {
    std::memcpy(&h, datagram.data(), sizeof h);
    if (h.len < sizeof h || h.len > datagram.size()) return;
    f(h, datagram.subspan(sizeof h, h.len - sizeof h));
    datagram = datagram.subspan(std::min<size_t>((h.len + size_t{3}) & ~size_t{3}, datagram.size()));
  }
}

template <class F>
Announcements::Read Announcements::read(F&& f) {
  bool any = false;
  bool lost = false;
  for (;;) {
    const auto datagram = receive();
    if (datagram) {
      any = true;
      for_each_message(*datagram, [&](const MessageHeader& h, Bytes body) { f(h.type, body); });
    } else if (datagram.error() == ENOBUFS) {
      lost = true;
    } else if (datagram.error() != EINTR) {
      return lost ? Read::lost : any ? Read::some : Read::nothing;
    }
  }
}

}  // namespace sluice::io::link
