// Plain packets through a forwarder.
#pragma once

#include "tools/load/protocol.h"

namespace sluice::load {

class UdpProtocol final : public Protocol {
 public:
  using Protocol::Protocol;

  void open(uint32_t s, Nanos now) override {
    Session& session = bench_.sessions[s];
    const UdpPath path = bench_.options.path;
    session.up_to = bench_.options.target;
    if (path == UdpPath::pairs) {
      session.far = Local::of(Local::partner, s);
      session.down_to = bench_.options.target;
    } else {
      session.far = Local::of(Local::server, s % bench_.options.servers);
    }
    session.talks_down = path != UdpPath::echo;
    bench_.sessions.ready(s, now);
  }

  /// The far side answers to where the first packet came from.
  void on_media(uint32_t s, Way w, const RxPacket& p) override {
    Session& session = bench_.sessions[s];
    if (w == Way::up && session.down_to.port == 0 && p.local.kind() == Local::server)
      session.down_to = p.remote;
  }
};

}  // namespace sluice::load
