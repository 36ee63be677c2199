// What a shard and the handshake worker tell each other: fixed-size messages in two rings per shard.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "net/base/bytes.h"
#include "net/base/packet.h"
#include "net/dtls/error.h"
#include "net/dtls/fingerprint.h"
#include "net/dtls/keys.h"

namespace sluice {
template <class T>
class SpscRing;
}

namespace sluice::slow {

/// Shard to worker. `session` is any number that the shard does not reuse before the worker has said `closed`
/// or `failed`, or `connected` without keep; the worker keeps shards apart, so two shards may use the same.
struct ToHandshake {
  enum class Type : uint8_t {
    start,     ///< expect datagrams of a session whose offer names `fingerprint`
    datagram,  ///< one received DTLS datagram, bytes()
    close      ///< send close_notify if the keys still live here, forget the session, answer `closed`
  };

  Type type = Type::start;
  bool keep =
      false;  ///< start: keep the SSL object after `connected` (data channels); false: free it at once
  uint16_t len = 0;
  uint64_t session = 0;
  dtls::Fingerprint fingerprint{};
  uint8_t data[kMaxDatagram];

  Bytes bytes() const { return {data, len}; }

  void set_start(uint64_t id, const dtls::Fingerprint& expected, bool keep_ssl = false) {
    type = Type::start, session = id, fingerprint = expected, keep = keep_ssl, len = 0;
  }
  /// False, and nothing set, if the datagram is longer than kMaxDatagram.
  bool set_datagram(uint64_t id, Bytes datagram) {
    if (datagram.size() > sizeof data) return false;
    type = Type::datagram, session = id, len = static_cast<uint16_t>(datagram.size());
    if (len != 0) std::memcpy(data, datagram.data(), len);
    return true;
  }
  void set_close(uint64_t id) { type = Type::close, session = id, len = 0; }
};
static_assert(std::is_trivially_copyable_v<ToHandshake> && sizeof(ToHandshake) <= 2048);

/// Worker to shard. A handshake ends in exactly one of `connected`, `failed` and (asked for by close)
/// `closed`.
struct FromHandshake {
  enum class Type : uint8_t {
    datagram,   ///< send bytes() to the client
    connected,  ///< `keys`, last_flight() and close_notify(); the last flight was already sent as a
                ///< `datagram`
    failed,  ///< `failure`; an alert, if any, came before it as a `datagram`. The worker forgot the session.
    closed   ///< the client said close_notify (keep only), or the answer to ToHandshake::close
  };
  /// Bytes that a session must have room for to keep last_flight() and close_notify(). With AEAD suites it is
  /// ChangeCipherSpec 14 + Finished 61 (ChaCha20-Poly1305: 53), and 39.
  static constexpr size_t kMaxLastFlight = 192;
  static constexpr size_t kMaxCloseNotify = 64;

  Type type = Type::datagram;
  dtls::Failure failure = dtls::Failure::none;
  uint16_t len = 0;        ///< datagram: of bytes(); connected: of last_flight()
  uint16_t close_len = 0;  ///< connected: of close_notify(); 0 with keep
  uint64_t session = 0;
  dtls::SrtpKeys keys{};
  uint8_t data[kMaxDatagram];

  Bytes bytes() const { return {data, len}; }
  /// One datagram, at most kMaxLastFlight bytes: sent again for each datagram for which
  /// dtls::looks_like_client_retransmission() holds, until the client's first valid SRTP packet.
  Bytes last_flight() const { return {data, len}; }
  /// One datagram, at most kMaxCloseNotify bytes: sent to the client when the session is hung up.
  Bytes close_notify() const { return {data + len, close_len}; }
};
static_assert(std::is_trivially_copyable_v<FromHandshake> && sizeof(FromHandshake) <= 2048);

using ToHandshakeRing = SpscRing<ToHandshake>;
using FromHandshakeRing = SpscRing<FromHandshake>;

/// Handles up to `max` messages in place, oldest first, and cleanses the key material in each slot before the
/// slot goes back to the worker. f(const FromHandshake&). `ring`: a FromHandshakeRing, of which the caller is
/// the consumer. Allocates nothing.
template <class Ring, class F>
size_t take_from_handshake(Ring& ring, size_t max, F&& f) {
  return ring.for_each(max, [&](FromHandshake& m) {
    f(static_cast<const FromHandshake&>(m));
    if (m.type == FromHandshake::Type::connected) dtls::cleanse(m.keys);
  });
}

}  // namespace sluice::slow
