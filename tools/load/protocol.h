// What differs between the modes: how a session comes to be, and what a media packet looks like on the wire.
#pragma once

#include <span>

#include "tools/load/credentials.h"
#include "tools/load/options.h"
#include "tools/load/sessions.h"
#include "tools/load/wire.h"

namespace sluice::load {

/// What a Protocol works with; all of one thread.
struct Bench {
  const Options& options;
  const Credentials& credentials;
  uint32_t first = 0;  ///< number of this thread's first session among all
  uint32_t run = 0;    ///< random, the same in all threads
  Wire& wire;
  Sessions& sessions;
  TxQueue& control;  ///< for everything but media
};

class Protocol {
 public:
  explicit Protocol(const Bench& bench) : bench_(bench) {}
  virtual ~Protocol() = default;
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;

  /// Begins a session that is State::opening; sessions.ready() or fail() ends it, now or later.
  virtual void open(uint32_t s, Nanos now) = 0;
  /// Its timer (Sessions::set_timer) has run out; it is off again.
  virtual void on_timer(uint32_t, Nanos) {}
  virtual void close(uint32_t) {}
  /// Gives media packets, as write_rtp() made them, their form on the wire; those that the wire shall send
  /// are at the front, and their number is returned.
  virtual size_t seal(std::span<TxPacket> packets) { return packets.size(); }
  /// Finds the media in received packets (RxPacket::media), and takes the others to itself.
  virtual void unwrap(std::span<RxPacket> packets, Nanos now) {
    for (RxPacket& p : packets)
      if (is_rtp(p.data))
        p.media = p.data;
      else
        on_control(p, now);
  }
  /// Packets that were inside those of the last unwrap(), with media or without; valid as long as those.
  virtual std::span<const RxPacket> unpacked() const { return {}; }
  /// Media of session `s` in direction `w` came in by `p`.
  virtual void on_media(uint32_t, Way, const RxPacket&) {}
  /// Sessions come from outside (HTTP): called in every round.
  virtual void poll(Nanos) {}

 protected:
  virtual void on_control(RxPacket&, Nanos) {}
  Local client(uint32_t s) const { return Local::of(Local::client, s); }

  Bench bench_;
};

}  // namespace sluice::load
