// A relay in front of media engines and of other people's servers, with calls through it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/phone.h"
#include "tests/sim/world.h"

namespace sluice::sim {

struct TierOptions {
  uint64_t seed = 1;
  uint32_t relay_shards = 2;
  /// The relay ends sessions too, with ServerId 1.
  bool both = false;
  bool trunk = false;        ///< to the media engines
  bool direct = false;       ///< with it: their media goes to clients in the relay's name
  bool ipv6 = false;         ///< clients may speak to it by IPv6 too
  uint32_t media_nodes = 1;  ///< with ServerIds 7, 8, ...
  uint32_t plain_servers = 1;
  bool plain_checks = false;  ///< those ask for consent themselves
  WorldOptions world;         ///< of the media engines
  NodeOptions relay;
  LinkOptions server_link;

  TierOptions();
};

class Tier {
 public:
  explicit Tier(TierOptions options);

  World& world() { return *w_; }
  Node& relay() { return *relay_; }
  const Endpoint& front() const { return relay_->options().listen[0]; }
  Node& media(size_t i) { return *media_[i]; }
  size_t media_nodes() const { return media_.size(); }
  PlainServer& plain(size_t i) { return *plain_[i]; }
  size_t plain_servers() const { return plain_.size(); }
  static engine::relay::ServerId id_of(size_t media) { return {0, static_cast<uint16_t>(7 + media)}; }

  /// Which engine the room or agent of the name is at, as call() takes it.
  size_t place(std::string_view name) const {
    return static_cast<unsigned char>(name.front()) % (media_.size() + (options_.both ? 1 : 0));
  }
  bool answers(size_t place) const { return place < media_.size() || relay_->runs(); }
  /// A whole WebRTC call to a media engine; behind the last one comes the relay itself.
  Host& call(const HostOptions& o, size_t media = 0);
  /// A light call; its route is there, exact or by the server's prefix.
  Phone& phone(const PhoneOptions& options, const EdgeOptions& edge, const LinkOptions& up,
               const LinkOptions& down, size_t plain = 0);
  /// The same behind a NAT that others share.
  Phone& phone(const PhoneOptions& options, std::shared_ptr<Nat> nat, size_t plain = 0);
  std::vector<Phone*>& phones() { return phones_; }
  /// A NAT for several phones.
  std::shared_ptr<Nat> nat(const NatOptions& kind);

  /// The media engine is somewhere else from now on; `told`: the relay knows.
  void move_media(size_t i, bool told);
  void tell_media(size_t i);
  void put_plain_route(size_t i, uint32_t ttl_s = 3600);
  void remove_plain_route(size_t i);
  /// Its flows are lost, and with them the sessions that it ended itself.
  void restart_relay(Micros away);

 private:
  Phone& add_phone(const PhoneOptions& options, Edge edge, const LinkOptions& up, const LinkOptions& down,
                   const Address& outside, size_t plain);
  engine::relay::RouteRequest route_of(size_t plain, uint32_t ttl_s) const;

  TierOptions options_;
  std::unique_ptr<World> w_;
  Node* relay_ = nullptr;
  std::vector<Node*> media_;
  std::vector<PlainServer*> plain_;
  std::vector<Phone*> phones_;
  uint8_t addresses_ = 0;
  uint32_t nats_ = 0;
};

}  // namespace sluice::sim
