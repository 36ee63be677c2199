// One DTLS 1.2 handshake of the server's side, sans-IO: datagrams and a time in; datagrams, a deadline and
// keys out. Allocates inside OpenSSL, so it lives on a worker, never on a shard.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/units.h"
#include "net/dtls/error.h"
#include "net/dtls/fingerprint.h"
#include "net/dtls/keys.h"

struct ssl_st;

namespace sluice::dtls {

class Context;

/// No datagram that we send is longer.
inline constexpr size_t kMtu = 1200;
/// Retransmission timer: calls are set up over lossy radio, so it starts well below the second of RFC 6347
/// §4.2.4.1, and doubles up to kMaxTimer.
inline constexpr Micros kFirstTimer = millis(200);
inline constexpr Micros kMaxTimer = millis(3200);
/// A handshake that takes longer than this after its first datagram fails with Failure::timeout.
inline constexpr Micros kHandshakeLimit = seconds(30);

/// Datagrams to send, in order. Fixed capacity; what does not fit is lost as on a bad link, and counted.
class Output {
 public:
  static constexpr size_t kCapacity = 8;

  size_t size() const { return n_; }
  bool empty() const { return n_ == 0; }
  Bytes operator[](size_t i) const { return Bytes(bytes_[i]).first(len_[i]); }
  uint32_t lost() const { return lost_; }
  void clear() { n_ = 0, lost_ = 0; }
  /// False, and counted, when there are kCapacity datagrams already or this one is empty or longer than kMtu.
  bool push(Bytes datagram);

 private:
  size_t n_ = 0;
  uint32_t lost_ = 0;
  std::array<uint16_t, kCapacity> len_{};
  std::array<std::array<uint8_t, kMtu>, kCapacity> bytes_;
};

enum class State : uint8_t {
  handshaking,
  connected,  ///< the client is the one its offer names; keys may be exported
  failed,     ///< see failure(); further input is ignored
  closed      ///< close_notify was received or sent
};

/// Movable, not copyable. One thread at a time.
class Server {
 public:
  /// `expected` is the offer's fingerprint; one of alg `none` matches no certificate. `context` must outlive
  /// it. No allocation inside OpenSSL before the first input().
  Server(const Context& context, const Fingerprint& expected);
  ~Server();
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;

  /// One received datagram. Garbage is ignored; what breaks the protocol fails the handshake and appends an
  /// alert.
  void input(Bytes datagram, Micros now, Output& out);
  /// Sends the current flight again if `now` has reached deadline(), and fails the handshake once
  /// kHandshakeLimit has passed. Calling it early or late does no harm.
  void timeout(Micros now, Output& out);
  /// When timeout() has work; kNever when nothing is pending.
  Micros deadline() const;

  State state() const { return state_; }
  Failure failure() const { return failure_; }

  /// RFC 5764 §4.2: keys of the negotiated profile. Only in State::connected, and only after the client's
  /// certificate was compared with the offer; `internal` otherwise. The caller cleanses its copy.
  std::expected<SrtpKeys, Failure> export_keys();

  /// Our ChangeCipherSpec and Finished as one datagram, once connected; empty before. Sent again whenever the
  /// client repeats its own last flight (record.h), it lets the client finish after this object is gone.
  Bytes last_flight() const;

  /// Appends close_notify and ends in State::closed; nothing to do unless connected. The datagram stays valid
  /// for as long as nothing else is sent under the handshake's keys, so it can be made at once, kept, and
  /// sent at hang-up long after this object is gone.
  void close(Output& out);

  /// Datagrams that input() took for garbage, and flights that were sent again.
  uint32_t ignored() const { return ignored_; }
  uint32_t retransmissions() const { return retransmissions_; }

 private:
  friend struct Callbacks;
  struct SslDeleter {
    void operator()(ssl_st* s) const;
  };

  bool open();
  void enter(Output& out);
  void shake_hands(Micros now);
  void read_on();
  void fail(Failure f);
  void sent(Bytes datagram);
  void number_records(MutBytes datagram);

  const Context* context_;
  Fingerprint expected_;
  std::unique_ptr<ssl_st, SslDeleter> ssl_;
  std::vector<uint8_t> flight_;      // the datagrams sent last, one behind the other,
  std::vector<uint16_t> datagrams_;  // and how long each is
  Output* out_ = nullptr;            // where OpenSSL's writes go; set only inside a call
  Bytes in_;                         // what OpenSSL reads; set only inside a call
  Micros retransmit_at_ = kNever;
  Micros give_up_at_ = kNever;
  Micros timer_ = kFirstTimer;
  uint64_t next_sequence_ = 0;
  uint32_t ignored_ = 0;
  uint32_t retransmissions_ = 0;
  State state_ = State::handshaking;
  Failure failure_ = Failure::none;
  bool new_flight_ = false;
  bool verified_ = false;
};

}  // namespace sluice::dtls
