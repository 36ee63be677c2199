// First checks with ufrags that nobody minted, in place of media: what an attacker who has no key can send.
#pragma once

#include "tools/load/checks.h"
#include "tools/load/protocol.h"

namespace sluice::load {

class FloodProtocol final : public Protocol {
 public:
  using Protocol::Protocol;

  void open(uint32_t s, Nanos now) override {
    Session& session = bench_.sessions[s];
    session.up_to = bench_.options.target;
    session.talks_down = false;
    session.copies = 0;
    bench_.sessions.ready(s, now);
  }

  size_t seal(std::span<TxPacket> packets) override {
    for (TxPacket& p : packets)
      p.len = write_forged_check({p.data, kMaxPayload}, uint64_t{bench_.run} << 32 | ++number_);
    return packets.size();
  }

 private:
  uint32_t number_ = 0;
};

}  // namespace sluice::load
