// A WebRTC client of the echo agent: controlling ICE agent, DTLS client, SRTP, and a count of what came back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/base/units.h"
#include "net/srtp/cipher.h"
#include "net/srtp/srtp.h"
#include "tests/capi/signalling.h"
#include "tests/unit/dtls/client.h"

namespace sluice::load {

class Caller {
 public:
  /// Opens a socket of its own. `number` names the caller in its SSRC and its payloads.
  Caller(uint32_t number, srtp::Cipher& cipher);
  ~Caller();
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  /// SDP.
  std::string offer() const;
  /// Checks begin with the next tick().
  void accept(Answer answer);
  /// Both over HTTP.
  void dial(const Endpoint& http, const std::string& path) { accept(post_offer(http, path, offer())); }
  void hang_up(const Endpoint& http) const { load::hang_up(http, answer_.location); }

  int fd() const { return fd_; }
  /// Takes what has arrived.
  void readable();
  /// Checks, consent and DTLS timers; call it every few milliseconds.
  void tick(Micros now);
  /// One RTP packet of 20 ms. Precondition: connected.
  void send_packet();

  bool dialled() const { return !answer_.ufrag.empty(); }
  bool connected() const { return keyed_; }
  bool failed() const { return dtls_.failed(); }
  bool dismissed() const { return dtls_.got_close_notify(); }
  uint32_t sent() const { return sent_; }
  uint32_t returned() const { return returned_; }  ///< each packet once
  uint32_t twice() const { return twice_; }
  uint32_t out_of_order() const { return out_of_order_; }
  uint32_t damaged() const { return damaged_; }

 private:
  void check(Micros now);
  void take(MutBytes datagram);
  void take_media(MutBytes datagram);
  void flush_dtls();
  void install_keys();
  void put(Bytes datagram) const;

  uint32_t number_;
  srtp::Cipher& cipher_;
  int fd_ = -1;
  std::string ufrag_, pwd_;
  Answer answer_;
  test::Client dtls_;
  Micros next_check_{};
  bool answered_ = false;  ///< a check succeeded
  bool keyed_ = false;

  struct alignas(srtp::kContextAlign) Context {
    std::array<std::byte, srtp::kMaxContextBytes> bytes;
  };
  std::unique_ptr<Context> rx_context_ = std::make_unique<Context>();
  std::unique_ptr<Context> tx_context_ = std::make_unique<Context>();
  srtp::Inbound rx_;
  srtp::Outbound tx_;

  uint32_t sent_ = 0, returned_ = 0, twice_ = 0, out_of_order_ = 0, damaged_ = 0, newest_ = 0;
  std::vector<bool> seen_;
};

}  // namespace sluice::load
