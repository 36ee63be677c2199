// Everything that `sluice load` can be told. Filled by the command line, checked by check().
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "net/base/endpoint.h"
#include "tools/load/schedule.h"

namespace sluice::load {

enum class Mode : uint8_t { udp, relay, turn, whip, flood };
enum class Io : uint8_t { automatic, sockets, frames };

/// What the forwarder under test does with a packet of a client.
enum class UdpPath : uint8_t {
  sink,   ///< sends it to --serve, and what comes from there to the client
  pairs,  ///< sends it to the neighbouring port of the same address (port ^ 1)
  echo,   ///< sends it back
};

struct RelayOptions {
  std::string ufrags;              ///< file of "ufrag password" lines
  std::string route_key, ice_key;  ///< "@FILE" each, to mint
  std::string server;              ///< ServerId in the ufrags: NODE or REGION.NODE
  std::string trunk_key;  ///< "@FILE": the far sides take the trunk; each has an ID, --server is the first
  uint8_t key_id = 0;
  Nanos consent = 4 * kSecond;  ///< between two checks
};

struct TurnOptions {
  std::string user;    ///< "NAME:PASSWORD" or "@FILE" with it
  std::string secret;  ///< "@FILE": time-limited credentials are made from it
  bool allocate_only = false;
  bool indications = false;  ///< Send and Data instead of a channel
  uint32_t lifetime = 600;   ///< seconds, asked for
};

struct WhipOptions {
  std::string url = "http://127.0.0.1:8080";
  bool tls = false;  ///< of the URL, and so are host and port
  std::string host = "127.0.0.1", port = "8080";
  std::string room = "load";
  std::string agent;     ///< talk to this agent instead of rooms
  uint32_t players = 1;  ///< per publisher
  std::string token;     ///< "@FILE"
  bool insecure = false;
};

struct VethOptions {
  bool make = false;                   ///< a namespace and a pair for this run
  std::string via;                     ///< or those that `sluice load veth --name` holds
  std::vector<unsigned> server_cores;  ///< where the server's receive work is done
};

struct Options {
  Mode mode = Mode::udp;
  Endpoint target;
  UdpPath path = UdpPath::sink;
  RelayOptions relay;
  TurnOptions turn;
  WhipOptions whip;

  uint32_t sessions = 100;
  double rate = 50;          ///< packets per second, session and direction
  double seconds = 10;       ///< measured
  double warmup = 1;         ///< sent before, not measured
  double ramp = 0;           ///< seconds over which sessions begin; 0: as --setup-rate says
  double setup_rate = 500;   ///< sessions begun per second
  uint32_t setup_clump = 1;  ///< of them, begun at once
  uint16_t size = 172;       ///< bytes of UDP payload, a channel's or SRTP's own bytes not counted
  bool dtx = false;
  bool up = true, down = true;

  bool search = false;
  uint32_t max_sessions = 20'000;
  double max_loss = 0.1;  ///< percent
  double trial_seconds = 4;

  Io io = Io::automatic;
  uint32_t plan = 0;            ///< frames: which /20 of clients the first thread takes
  std::vector<unsigned> cores;  ///< one thread each; empty: one thread, not pinned
  VethOptions veth;
  Endpoint serve;        ///< first far side of our own; the others have the ports behind it
  uint32_t servers = 1;  ///< far sides of our own
  bool spin = false;
  double max_lag_ms = 2;
  Nanos quantum = 100'000;  ///< packets that are due within it leave together

  std::string json;
  bool quiet = false;
  std::vector<std::string> command;  ///< as typed, so it may hold secrets: reports mask them

  Nanos interval() const { return static_cast<Nanos>(1e9 / rate); }
  uint32_t workers() const { return cores.empty() ? 1 : static_cast<uint32_t>(cores.size()); }
  bool sends_media() const { return !(mode == Mode::turn && turn.allocate_only); }
  /// Whether the mode has far sides of our own (--serve).
  bool serves() const {
    return (mode == Mode::udp && path == UdpPath::sink) || mode == Mode::relay || mode == Mode::turn;
  }
};

/// Nothing, or "--flag: what is wrong; what to do".
std::expected<void, std::string> check(const Options& options);

/// "0,2-3" to numbers.
std::expected<std::vector<unsigned>, std::string> parse_cores(const std::string& text);

std::string_view name(Mode m);

}  // namespace sluice::load
