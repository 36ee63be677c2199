// What the relay tier, the trunk and TURN are made of, checked and parsed. Plain data of the control side.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/endpoint.h"
#include "net/base/units.h"
#include "net/crypto/aes_block.h"
#include "net/ice/ufrag.h"
#include "net/io/backend.h"

namespace sluice::engine::relay {

/// A media server's name, as a ufrag carries it. Text: "NODE" or "REGION.NODE".
struct ServerId {
  uint8_t region = 0;  ///< 0..63
  uint16_t node = 0;   ///< 0..16383

  constexpr auto operator<=>(const ServerId&) const = default;
  static constexpr uint8_t kMaxRegion = 63;
  static constexpr uint16_t kMaxNode = 16383;
};
/// As both sides of a trunk call each other.
constexpr uint32_t name_on_trunk(ServerId id) { return uint32_t{id.region} << 14 | id.node; }
constexpr ServerId id_on_trunk(uint32_t name) {
  return {static_cast<uint8_t>(name >> 14), static_cast<uint16_t>(name & ServerId::kMaxNode)};
}

struct ServerConfig {
  ServerId id;
  Endpoint address;    ///< its UDP port for clients' packets, or its trunk port
  bool trunk = false;  ///< a Sluice media tier that takes trunk datagrams
};

/// One generation of the two keys; whoever holds only the route key (a relay) can open ufrags and derive no
/// password.
struct FleetKey {
  uint8_t id = 0;  ///< 0..15, in the clear in every ufrag
  std::array<uint8_t, crypto::AesBlock::kKeyBytes> route{};
  std::optional<ice::IceKey> ice;
};

inline constexpr size_t kTrunkKeyBytes = 32;
/// Where one shard's trunk sockets are bound; port 0: it has none of the kind.
struct TrunkSockets {
  Endpoint server;  ///< of a group that all shards share, where relays send to
  Endpoint relay;   ///< its own, where servers answer to
};
struct TrunkConfig {
  std::optional<Endpoint> listen;  ///< a media tier's socket for relays, or a relay's own; port 0: any
  std::optional<std::array<uint8_t, kTrunkKeyBytes>> key;
  std::vector<TrunkSockets> sockets;  ///< by shard; empty: no trunk
  /// A media tier's media goes to clients themselves, with the relay's address as its source.
  bool direct = false;
  bool on() const { return key.has_value() && !sockets.empty(); }
};

/// How local ports of relayed legs are had; see io::RelayAbility.
enum class PortMode : uint8_t { automatic, sockets, steered };

/// How packets leave: by sockets, or as frames with prebuilt headers where the route allows it.
enum class Transmit : uint8_t { automatic, sockets, frames };

/// How packets arrive: by sockets, or as frames before the kernel's UDP.
enum class Receive : uint8_t { sockets, frames };

struct RelayConfig {
  bool on = false;
  std::vector<ServerConfig> servers;
  std::vector<Address> addresses;  ///< of relayed legs; empty: the host's first of each family
  io::PortRange ports{49152, 65535};
  PortMode port_mode = PortMode::automatic;
  Transmit transmit = Transmit::automatic;
  Receive receive = Receive::sockets;
  uint32_t max_flows = 65536;   ///< per process, by trunk twice as many; 1..16777216
  uint32_t max_routes = 65536;  ///< for ufrags that Sluice did not mint, 0..1048576
  uint32_t max_servers = 1024;  ///< named ones and targets of routes together, 1..65535
  Micros idle = seconds(60);    ///< a flow ends when its client has been silent for so long
};

/// An address prefix; IPv4 ones are given in 0..32 bits.
struct Cidr {
  Address address;
  uint8_t bits = 0;
};

/// RFC 8656 §2.1.
/// Where clients come by UDP and TCP if nobody says otherwise.
inline constexpr uint16_t kListenPort = 3478;
inline constexpr uint16_t kTurnTlsPort = 5349;

struct TurnUser {
  std::string name;
  std::string password;
};
struct TurnConfig {
  bool on = false;
  std::string realm = "sluice";
  std::vector<TurnUser> users;
  std::vector<std::string> secrets;  ///< for time-limited credentials, newest first, at most two
  std::vector<Cidr> allow_peers;     ///< exceptions from the peers denied by default
  std::vector<Address> host;         ///< every address of this host, denied as peers
  std::vector<Endpoint> here;        ///< where this process listens, which clients may reach as peers
  uint32_t max_allocations = 16384;  ///< per process
  uint32_t user_quota = 0;           ///< allocations per user; 0: no limit
  uint64_t allocation_bps = 0;       ///< bits per second and direction; 0: no limit
  std::vector<Endpoint> tls_listen;  ///< TCP ports for TURN over TLS
  bool tls_asked = false;            ///< by name: to be had, or not to start
  std::string tls_cert, tls_key;     ///< PEM files
};

/// What the control plane asks to be installed: a first packet with this server ufrag goes to `server`.
struct RouteRequest {
  std::string ufrag;    ///< 1..256 of ICE's characters
  bool prefix = false;  ///< matches what begins with it; the longest match wins, an exact one always
  Endpoint server;
  uint32_t ttl_s = 3600;  ///< 1..604800
};

/// Figures of one server, summed over shards.
struct ServerReport {
  ServerConfig config;
  bool named = true;  ///< false: known only as a target of routes
  uint64_t flows = 0, unconfirmed = 0;
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;  ///< up: client to server
  uint64_t routes = 0;
  // Of trunks:
  bool up = true;         ///< every shard hears it; what takes no trunk is never known to be down
  bool draining = false;  ///< it takes no new sessions
  uint32_t claims = 0;    ///< the name (name_on_trunk) that it gives itself, if that is not its own; else 0
  uint32_t rtt_us = 0;    ///< the longest of all shards'; 0: not measured
  uint64_t lost_up = 0, lost_down = 0;  ///< datagrams that never arrived
};

struct RelayTotals {
  uint64_t flows = 0, unconfirmed = 0, flows_created = 0, flows_expired = 0;
  uint64_t by_trunk = 0;  ///< of the flows
  uint64_t up_packets = 0, up_bytes = 0, down_packets = 0, down_bytes = 0;
  uint64_t routes = 0;
  uint32_t ports_open = 0;

  RelayTotals& operator+=(const RelayTotals& o) {
    flows += o.flows, by_trunk += o.by_trunk, unconfirmed += o.unconfirmed;
    flows_created += o.flows_created, flows_expired += o.flows_expired;
    up_packets += o.up_packets, up_bytes += o.up_bytes;
    down_packets += o.down_packets, down_bytes += o.down_bytes;
    routes += o.routes, ports_open += o.ports_open;
    return *this;
  }
};

}  // namespace sluice::engine::relay
