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
  /// client's address as their `remote`. Hellos are answered at once.
  void receive(const RxPacket& p, Nanos now, std::vector<RxPacket>& out);
  /// Frames `p`, which goes from far side `p.local` to the client `p.remote`; false while the relay has not
  /// made itself known.
  bool add(const TxPacket& p);
  /// Sends what was framed.
  void flush();

 private:
  struct Server {
    std::vector<trunk::Peer> peers;
    std::vector<trunk::Rx> rx;
    crypto::GmacKeys gmac;
    std::unique_ptr<trunk::Trunk> trunk;
    trunk::PeerIndex relay = trunk::kNoPeer;
    Endpoint public_endpoint{};  ///< of the relay, where clients send to
    trunk::Writer writer{};
  };

  explicit TrunkServers(Wire& wire) : wire_(wire), memory_(kDatagrams * kSlot) {}
  void welcome(Server& s, const RxPacket& p);
  void seal(uint32_t server, trunk::Writer::More more);
  MutBytes next_slot();

  static constexpr size_t kDatagrams = kBatch, kSlot = 2048;
  Wire& wire_;
  crypto::StreamRandom random_{crypto::system_random()};
  std::vector<Server> servers_;
  std::vector<uint8_t> memory_;
  size_t used_ = 0;
  std::vector<TxPacket> ready_;
};

}  // namespace sluice::load
