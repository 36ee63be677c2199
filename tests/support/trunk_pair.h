// A relay and a media tier joined by a trunk, stepped by hand: clients speak with the relay, sessions live in
// the media tier, and the network between them is a loop over vectors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/role/relay.h"
#include "tests/support/require.h"
#include "tests/support/shards.h"

namespace sluice::test {

class TrunkPair {
 public:
  static constexpr engine::relay::ServerId kMediaId{0, 7};
  static constexpr Endpoint kMediaTrunk{Address::v4(198, 51, 100, 7), 3479};
  static constexpr Address kRelayHost = Address::v4(203, 0, 113, 1);
  static constexpr Endpoint relay_trunk(uint32_t shard) {
    return {kRelayHost, static_cast<uint16_t>(5000 + shard)};
  }

  struct Options {
    uint32_t relay_shards = 1, media_shards = 1;
    uint8_t relay_key = 1, media_key = 1;
    bool direct = false;  ///< the media tier answers clients past the trunk
    uint32_t max_flows = 256;
  };

  TrunkPair() : TrunkPair(Options{}) {}
  explicit TrunkPair(const Options& options) : options_(options) {
    restart_media();
    restart_relay();
  }

  void restart_media() {
    ShardsOptions o{
        .trunk = trunk(options_.media_key, options_.media_shards), .node = kMediaId, .seed = ++seed_};
    for (auto& s : o.trunk.sockets) s.server = kMediaTrunk;
    media = std::make_unique<Shards>(options_.media_shards, o);
    for (uint32_t s = 0; options_.direct && s < options_.media_shards; ++s)
      media->shard(s).set_foreign(std::make_unique<Foreign>(media->backend(s)));
  }
  void restart_relay() {
    ShardsOptions o{.trunk = trunk(options_.relay_key, options_.relay_shards), .seed = ++seed_};
    for (uint32_t s = 0; s < options_.relay_shards; ++s) o.trunk.sockets[s].relay = relay_trunk(s);
    o.relay.on = true;
    o.relay.max_flows = options_.max_flows;
    o.relay.max_routes = 8;
    o.relay.max_servers = 8;
    relay = std::make_unique<Shards>(options_.relay_shards, o);
    require(relay->relay().put_server({.id = kMediaId, .address = kMediaTrunk, .trunk = true}).has_value());
  }

  /// Lets time pass, a millisecond at a time, in which everybody gets what was sent to him.
  void run(int ms) {
    for (int i = 0; i < ms; ++i) {
      relay->advance(millis(1));
      media->advance(millis(1));
      step();
    }
  }
  void step() {
    relay->step();
    carry(*relay, true);
    media->step(2);
    carry(*media, false);
    relay->step();
    carry(*relay, true);
  }

  /// What clients have put in front of the media tier arrives at the relay's shard instead.
  void by_relay(uint32_t shard = 0) {
    auto& from = media->backend(0).waiting;
    for (Datagram& d : from) relay->backend(shard).waiting.push_back(std::move(d));
    from.clear();
  }
  void check(const Client& c, uint32_t shard = 0) {
    media->check(c, 0);
    by_relay(shard);
  }
  void say(Client& c, uint64_t seq, std::string_view words = "voice", uint32_t shard = 0) {
    media->say(c, 0, seq, kOpusPt, words);
    by_relay(shard);
  }
  /// What the relay has sent to the client.
  std::vector<std::string> heard(Client& c) {
    for (uint32_t s = 0; s < options_.relay_shards; ++s) {
      auto& sent = relay->backend(s).sent;
      for (Datagram& d : sent) media->backend(0).sent.push_back(std::move(d));
      sent.clear();
    }
    return media->heard(c);
  }
  uint32_t owner(const Client& c) {
    for (uint32_t s = 0; s < options_.media_shards; ++s)
      if (media->core(s).owns(c.key())) return s;
    return UINT32_MAX;
  }
  Client connect(engine::Role role, uint32_t shard = 0) {
    Client c = media->offer(role);
    check(c, shard);
    run(2);
    require(owner(c) != UINT32_MAX);
    media->hand_keys(c, owner(c));
    run(2);
    require(media->core(owner(c)).hot[c.key().index].phase == engine::Phase::connected);
    return c;
  }

  engine::relay::ServerReport server() {
    for (uint32_t s = 0; s < options_.relay_shards; ++s) engine::relay::publish_counters(relay->core(s));
    const auto servers = relay->relay().servers();
    require(servers.size() == 1);
    return servers[0];
  }
  uint64_t relay_drops(Drop d) { return sum(*relay, options_.relay_shards, d); }
  uint64_t media_drops(Drop d) { return sum(*media, options_.media_shards, d); }

  std::unique_ptr<Shards> relay, media;
  /// Which media shard the kernel gives a relay shard's datagrams to.
  std::function<uint32_t(uint32_t)> hash = [this](uint32_t s) { return s % options_.media_shards; };
  /// Of every datagram between the two; false loses it.
  std::function<bool(bool up, const Datagram&)> tap = [](bool, const Datagram&) { return true; };
  uint64_t up = 0, down = 0;  ///< datagrams carried

 private:
  /// A network that lets any source pass.
  class Foreign final : public io::ForeignSender {
   public:
    explicit Foreign(MemoryBackend& backend) : backend_(backend) {}
    void send(TxBatch& tx, DropCounters& drops) override {
      counters_.tx_packets += tx.size();
      backend_.send(tx, drops);
    }
    const io::IoCounters& counters() const override { return counters_; }

   private:
    MemoryBackend& backend_;
    io::IoCounters counters_;
  };

  static engine::relay::TrunkConfig trunk(uint8_t key, uint32_t shards) {
    engine::relay::TrunkConfig t;
    t.key.emplace().fill(key);
    t.sockets.resize(shards);
    return t;
  }
  static uint64_t sum(Shards& s, uint32_t n, Drop d) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; ++i) total += s.core(i).drops[d];
    return total;
  }

  void carry(Shards& from, bool to_media) {
    const uint32_t n = to_media ? options_.relay_shards : options_.media_shards;
    for (uint32_t s = 0; s < n; ++s) {
      auto& sent = from.backend(s).sent;
      std::vector<Datagram> rest;
      for (Datagram& d : sent) {
        const bool trunk = to_media ? d.local == relay_trunk(s) : d.local == kMediaTrunk;
        if (!trunk)
          rest.push_back(std::move(d));
        else if (tap(to_media, d))
          to_media ? to_server(d) : to_relay(d);
      }
      sent = std::move(rest);
    }
  }
  void to_server(const Datagram& d) {
    ++up;
    media->place(hash(d.local.port - relay_trunk(0).port), d.local, d.bytes, d.remote);
  }
  void to_relay(const Datagram& d) {
    ++down;
    require(d.remote.addr == kRelayHost);
    relay->place(d.remote.port - relay_trunk(0).port, d.local, d.bytes, d.remote);
  }

  Options options_;
  uint64_t seed_ = 100;
};

}  // namespace sluice::test
