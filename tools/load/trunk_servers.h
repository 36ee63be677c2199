// Far sides that take a relay's trunk, as Sluice media tiers do: many clients' packets in one datagram.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "net/crypto/gmac.h"
#include "net/crypto/random.h"
#include "net/trunk/trunk.h"
#include "tools/load/wire.h"

namespace sluice::load {

class TrunkServers {
 public:
  /// `count` far sides of the wire, called `first_id` and the numbers behind it (region << 14 | node). The
  /// error is a sentence.
  static std::expected<std::unique_ptr<TrunkServers>, std::string> make(const trunk::Key& key,
                                                                        uint32_t first_id, uint32_t count,
                                                                        Wire& wire);

  /// Takes a datagram that came to far side `p.local`; the packets in it are appended to `out`, with the
  /// client's address as their `remote`. Hellos are answered at once. Precondition: flush() after add().
  void receive(const RxPacket& p, Nanos now, std::vector<RxPacket>& out);
  /// Frames `p`, which goes from far side `p.local` to the client `p.remote`, for the shard of the relay that
  /// the client's packets come by (RxPacket::relay): no other knows the flow. False while that one may not be
  /// sent to.
  bool add(const TxPacket& p, trunk::PeerIndex relay);
  /// Sends what was framed.
  void flush();

 private:
  /// What goes to one shard of the relay.
  struct Leg {
    Endpoint public_endpoint{};  ///< of the relay, where clients send to
    trunk::Writer writer{};
    bool active = false;  ///< in active_
  };
  struct Server {
    std::vector<trunk::Peer> peers;
    std::vector<trunk::Rx> rx;
    crypto::GmacKeys gmac;
    std::unique_ptr<trunk::Trunk> trunk;
    std::vector<Leg> legs;  ///< by PeerIndex
  };
  struct LegName {
    uint32_t server;
    trunk::PeerIndex relay;
  };

  explicit TrunkServers(Wire& wire) : wire_(wire), memory_(kDatagrams * kSlot) {}
  void welcome(Server& s, trunk::PeerIndex relay, const RxPacket& p);
  void start(LegName name);
  void seal(LegName name, trunk::Writer::More more);

  static constexpr size_t kDatagrams = kBatch, kSlot = 2048;
  Wire& wire_;
  crypto::StreamRandom random_{crypto::system_random()};
  std::vector<Server> servers_;
  std::vector<uint8_t> memory_;
  size_t used_ = 0;
  std::vector<LegName> active_;  ///< legs with something to flush
  std::vector<TxPacket> ready_;
};

}  // namespace sluice::load
