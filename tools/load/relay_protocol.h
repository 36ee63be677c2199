// WebRTC clients before a relay that routes by ufrag, and the media servers behind it: STUN checks with
// integrity both ways, then packets that look like SRTP.
#pragma once

#include <vector>

#include "tools/load/credentials.h"
#include "tools/load/protocol.h"
#include "tools/load/transactions.h"
#include "tools/load/trunk_servers.h"

namespace sluice::load {

class RelayProtocol final : public Protocol {
 public:
  explicit RelayProtocol(const Bench& bench);

  void open(uint32_t s, Nanos now) override;
  void on_timer(uint32_t s, Nanos now) override;
  size_t seal(std::span<TxPacket> packets) override;
  void unwrap(std::span<RxPacket> packets, Nanos now) override;
  std::span<const RxPacket> unpacked() const override { return unpacked_; }
  void on_media(uint32_t s, Way way, const RxPacket& p) override;

 private:
  struct Client {
    Transaction check;
    Nanos answered = 0;
    trunk::PeerIndex relay = 0;  ///< by trunk: the relay's shard that its packets come from
  };

  void on_control(RxPacket& p, Nanos now) override;
  void on_check(const stun::View& check, const RxPacket& p);
  void on_answer(const stun::View& answer, const RxPacket& p, Nanos now);
  void send_check(uint32_t s, Nanos now);
  const IceLogin& login(uint32_t s) const { return bench_.credentials.ice[bench_.first + s]; }

  std::vector<Client> clients_;
  std::unique_ptr<TrunkServers> trunk_;
  std::vector<RxPacket> unpacked_;
};

}  // namespace sluice::load
