// The trunk's datagrams: what a relay and a Sluice media tier (server) send each other. Pure.
//
// A datagram is a header, then a body, then a tag: AES-128-GMAC over header and body. Nothing is encrypted,
// since clients' packets already are. All integers are big-endian.
//
//   0  type 8         8 hello, 9 welcome, 10 data to the server, 11 data to the relay. RFC 7983 and RFC 9443
//                     leave 4 to 15 to nobody
//   1  version 4 = 1 | key id 4
//   2  sender's shard 8
//   3  zero 8
//   4  sender's id 32
//   8  epoch 64       in a hello the one that the sender drew, else the one that the receiver drew
//  16  sequence 64    of (sender, its shard, receiver, both epochs); with the salt it is the nonce
//  24  body
//
// The body of hello and welcome is a Status. The body of data is frames, one per client packet:
//
//   0  1 | client is IPv6 1 | local follows 1 | local is IPv6 1 | flow follows 1 | first 1 | STUN 1 | direct
//   1 1  zero 6 | ECN 2 2  length of the payload 16 4  [local: port 16, address 32 or 128] client: port 16,
//   address 32 or 128, [flow 32], payload
//
// A frame without a local endpoint has the same one as the frame before it in its datagram: no state outlives
// a datagram, so there is nothing to lose or to announce. A zero byte where a frame would begin says that the
// rest is padding. An IPv4 frame costs 10 bytes, 14 with a flow id; a datagram 40, and 6 for its first local
// endpoint. (Leaving out the client's address of known flows would save 6 bytes of 182, and not one datagram
// of 64 packets of 172 bytes: 7 fit into 1 400 bytes either way.)
#pragma once

#include <cstdint>
#include <expected>

#include "net/base/bytes.h"
#include "net/base/drop.h"
#include "net/base/endpoint.h"
#include "net/crypto/primitives.h"

namespace sluice::trunk {

inline constexpr uint8_t kVersion = 1;
inline constexpr size_t kHeaderBytes = 24;
inline constexpr size_t kTagBytes = crypto::kGmacTagBytes;
inline constexpr size_t kStatusBytes = 40;
/// Hello and welcome: equal, so that a replayed hello amplifies nothing.
inline constexpr size_t kControlBytes = kHeaderBytes + kStatusBytes + kTagBytes;
inline constexpr size_t kMaxPeerShards = 64;

/// Of one datagram with what else the packets of a batch share.
inline constexpr uint16_t kDefaultMaxDatagram = 1400;
/// No side may ask for less: RFC 8200 §5's least MTU less the headers.
inline constexpr uint16_t kMinMaxDatagram = 1232;
/// Of a datagram that carries one packet that fits nowhere else: 1 500 less the longest IP and UDP headers.
inline constexpr uint16_t kDefaultMaxSingle = 1452;

enum class Type : uint8_t { hello = 8, welcome = 9, to_server = 10, to_relay = 11 };

struct Header {
  Type type = Type::hello;
  uint8_t key_id = 0;  ///< 0..15
  uint8_t shard = 0;   ///< of the sender, 0..kMaxPeerShards-1
  uint32_t sender = 0;
  uint64_t epoch = 0;
  uint64_t sequence = 0;

  bool operator==(const Header&) const = default;
};

/// Whether a UDP payload may be the trunk's, by its first byte.
constexpr bool is_trunk(Bytes b) { return !b.empty() && b[0] >= 8 && b[0] <= 11; }

/// Writes kHeaderBytes.
void write_header(uint8_t* out, const Header& h);
/// `datagram` with its tag. Drop::trunk_malformed: too short, another version, or a field out of range.
std::expected<Header, Drop> parse_header(Bytes datagram);

/// What each side tells the other at every hello and welcome.
struct Status {
  bool draining = false;  ///< takes no new sessions, or sends none
  bool direct = false;    ///< relay: its frames may permit direct answers; server: it can give them
  uint8_t shards = 1;     ///< 1..kMaxPeerShards
  uint16_t max_datagram = kDefaultMaxSingle;  ///< the longest that it accepts
  uint64_t server_epoch = 0;  ///< hello: as far as the relay knows it, else 0; welcome: the server's
  uint64_t echo = 0;          ///< welcome: sequence of the hello that it answers; hello: 0
  uint64_t received = 0;      ///< datagrams of this association that arrived, hellos not counted
  uint64_t lost = 0;          ///< of those, missing so far

  bool operator==(const Status&) const = default;
};

/// Writes kStatusBytes.
void write_status(uint8_t* out, const Status& s);
/// Drop::trunk_malformed: not kStatusBytes, or a field out of range. Unknown flags are ignored.
std::expected<Status, Drop> parse_status(Bytes body);

/// A client's packet on its way through the trunk.
struct Frame {
  Endpoint client{};
  Endpoint
      local{};  ///< the relay's public endpoint: where the client sent it, or where the answer comes from
  uint32_t flow = 0;   ///< as the relay likes to call the flow; 0: not carried
  uint8_t ecn = 0;     ///< RFC 3168 codepoint, 0..3
  bool first = false;  ///< the relay has just made the flow
  bool stun = false;   ///< hint: the payload is STUN
  bool direct =
      false;        ///< the relay permits that this client be answered with `local` as source, not by trunk
  Bytes payload{};  ///< at most 65535 bytes
};

/// The most that a frame adds to its payload: both endpoints IPv6, and a flow id.
inline constexpr size_t kMaxFrameOverhead = 4 + 18 + 18 + 4;
/// A packet of at most this length fits into a datagram of `max` bytes, whatever its addresses.
constexpr size_t always_fits(size_t max) { return max - kHeaderBytes - kTagBytes - kMaxFrameOverhead; }

}  // namespace sluice::trunk
